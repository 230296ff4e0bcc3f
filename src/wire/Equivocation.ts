import { equal } from '../crypto/bytes.ts'
import { kinds, proofs, sizes } from './kinds.ts'
import type { Layout } from './layout.ts'
import { bytes, constant, layout } from './layout.ts'
import { malformed, type Parsed, parsed } from './parsed.ts'
import { type Transaction, transactionLayout } from './Transaction.ts'

/** One of the two: what was signed, and the receipt on it. */
export interface SignedTransaction {
  /** Tx_i, 84 bytes. */
  readonly transaction: Uint8Array
  /** σ_i. */
  readonly receipt: Uint8Array
}

/**
 * Two receipts on different `Tx_i` for one `i`: Design 3.7. 298 bytes. The lower `Tx_i` comes first, so that there is one
 * form of it.
 */
export interface Equivocation {
  readonly first: SignedTransaction
  readonly second: SignedTransaction
}

interface Fields {
  readonly kind: number
  readonly proof: number
  readonly first: Uint8Array
  readonly firstReceipt: Uint8Array
  readonly second: Uint8Array
  readonly secondReceipt: Uint8Array
}

const equivocation: Layout<Fields> = layout('equivocation', {
  kind: constant(kinds.evidence),
  proof: constant(proofs.equivocation),
  first: bytes(transactionLayout.size),
  firstReceipt: bytes(sizes.receipt),
  second: bytes(transactionLayout.size),
  secondReceipt: bytes(sizes.receipt),
})

export const size: number = equivocation.size

/** Puts the two in order. Throws where both are one transaction: then nobody equivocated. */
export function create(one: SignedTransaction, other: SignedTransaction): Equivocation {
  const order = compare(one.transaction, other.transaction)
  if (order === 0) throw new RangeError('an equivocation is of two transactions')
  return order < 0 ? { first: one, second: other } : { first: other, second: one }
}

export function encode({ first, second }: Equivocation): Uint8Array<ArrayBuffer> {
  return equivocation.encode({
    kind: kinds.evidence,
    proof: proofs.equivocation,
    first: first.transaction,
    firstReceipt: first.receipt,
    second: second.transaction,
    secondReceipt: second.receipt,
  })
}

/** Whether the two belong to one payment is read here, who signed them is not. */
export function parse(
  input: Uint8Array,
): Parsed<Equivocation & { readonly channelId: Uint8Array; readonly index: number }> {
  const outer = equivocation.parse(input)
  if (!outer.ok) return outer
  const { first, firstReceipt, second, secondReceipt } = outer.value
  const one = parseTransaction(first)
  if (!one.ok) return one
  const other = parseTransaction(second)
  if (!other.ok) return other
  const { channelId, index } = one.value
  if (!equal(channelId, other.value.channelId)) return malformed('equivocation: two channels')
  if (index !== other.value.index) return malformed('equivocation: two indices')
  if (compare(first, second) >= 0) return malformed('equivocation: the lower Tx_i comes first, and they differ')
  return parsed({
    channelId,
    index,
    first: { transaction: first, receipt: firstReceipt },
    second: { transaction: second, receipt: secondReceipt },
  })
}

function parseTransaction(input: Uint8Array): Parsed<Transaction> {
  const transaction = transactionLayout.parse(input)
  if (transaction.ok && transaction.value.index < 1) return malformed('equivocation: indices start at 1')
  return transaction
}

/** Below, at or above zero, as byte strings of one length are ordered. */
function compare(left: Uint8Array, right: Uint8Array): number {
  const at = left.findIndex((byte, offset) => byte !== right[offset])
  return at < 0 ? 0 : left[at]! - right[at]!
}
