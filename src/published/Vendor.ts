/**
 * The vendor V. What it can check when a payment arrives is the order of the chain, that it is named, and that amounts
 * and times do not fall. Receipts and locks it can check only in the release.
 */

import { equal } from '../crypto/bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import { unlock, verify } from './LockableSignature.ts'
import { type LastPayment, openingMessage, type Payment, receiptMessage, type Transaction } from './messages.ts'
import { noOperations, type Operations } from './operations.ts'

export interface Vendor {
  /** `O_V`. */
  readonly identity: Uint8Array
  readonly clientKey: Uint8Array
  /** Payments 1, 2, … in order. */
  readonly payments: Payment[]
  last?: LastPayment
  readonly operations: Operations
}

export type Verdict =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: 'AfterLast' | 'OtherVendor' | 'BrokenChain' | 'AmountFell' | 'TimeFell' }

export interface Release {
  /** `Vf(σ_n, m_n) = 1`. */
  readonly lastVerified: boolean
  /** How many of `σ_0 … σ_{n-1}` opened and verified. */
  readonly opened: number
  /** `σ_0 … σ_n`; `undefined` where nothing opened. */
  readonly receipts: readonly (Uint8Array | undefined)[]
}

export function createVendor(input: { readonly identity: Uint8Array; readonly clientKey: Uint8Array }): Vendor {
  return { ...input, payments: [], operations: noOperations() }
}

export function receive(vendor: Vendor, payment: Payment): Verdict {
  const verdict = judge(vendor, payment)
  if (verdict.ok) vendor.payments.push(payment)
  return verdict
}

/** The last payment, which the vendor has to be told is the last: the literal one looks like any other. */
export function receiveLast(vendor: Vendor, payment: LastPayment): Verdict {
  const verdict = judge(vendor, payment)
  if (verdict.ok) vendor.last = payment
  return verdict
}

/**
 * `Vf(σ_n, m_n) = 1`, then `σ_{i-1} := ℓk_i ⊕ H(σ_i)` from `i = n` down to 1, each verified; the first that fails ends
 * it, since everything below is locked under it. `Tx_0` comes from the bank with the record: nothing in 4.3 gives it to
 * the vendor before.
 */
export function release(vendor: Vendor, input: { readonly bankKey: Uint8Array; readonly first: Transaction }): Release {
  const { payments, last, operations, clientKey } = vendor
  const n = payments.length + 1
  const receipts: (Uint8Array | undefined)[] = Array.from({ length: n + 1 })
  if (last === undefined) return { lastVerified: false, opened: 0, receipts: receipts.slice(0, n) }

  operations.vf++
  const lastMessage = receiptMessage(last.transaction)
  if (!verify({ publicKey: clientKey, message: lastMessage, signature: last.receipt })) {
    return { lastVerified: false, opened: 0, receipts }
  }
  receipts[n] = last.receipt

  let lockingSignature = last.receipt
  let opened = 0
  for (let i = n; i >= 1; i--) {
    const signed =
      i === 1
        ? { publicKey: input.bankKey, message: openingMessage(input.first) }
        : { publicKey: clientKey, message: receiptMessage(payments[i - 2]!.transaction) }
    const signature = candidates(vendor, i)
      .map((lock) => {
        operations.h++
        return unlock({ lock, lockingSignature })
      })
      .find((candidate) => {
        operations.vf++
        return verify({ ...signed, signature: candidate })
      })
    if (signature === undefined) break
    receipts[i - 1] = signature
    lockingSignature = signature
    opened++
  }
  return { lastVerified: true, opened, receipts }
}

/**
 * The locks that may hold `σ_{i-1}`. It is `ℓk_i`; but the literal reading has no `ℓk_n` over `σ_{n-1}`, and its release
 * prints `σ_{i-1} := ℓk_{i-1} ⊕ H(σ_i)`, so both of the values it could mean are tried.
 */
function candidates({ payments, last }: Vendor, i: number): readonly Uint8Array[] {
  if (i <= payments.length) return [payments[i - 1]!.lock]
  if (last?.lock !== undefined) return [last.lock]
  const printed = payments.at(-1)?.lock
  return printed === undefined ? [last!.receipt] : [last!.receipt, printed]
}

function judge(vendor: Vendor, { f, transaction }: Pick<Payment, 'f' | 'transaction'>): Verdict {
  if (vendor.last !== undefined) return { ok: false, reason: 'AfterLast' }
  if (!equal(transaction.vendor, vendor.identity)) return { ok: false, reason: 'OtherVendor' }
  const previous = vendor.payments.at(-1)
  // f_1 starts the chain: there is nothing to hold it against.
  if (previous === undefined) return { ok: true }
  vendor.operations.f++
  if (!equal(f, sha256(previous.f))) return { ok: false, reason: 'BrokenChain' }
  if (transaction.amount < previous.transaction.amount) return { ok: false, reason: 'AmountFell' }
  if (transaction.at < previous.transaction.at) return { ok: false, reason: 'TimeFell' }
  return { ok: true }
}
