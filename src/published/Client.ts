/** The client C: signs `Tx_i` and hands each receipt over one payment later, locked under the next. */

import { sha256 } from '../crypto/hash.ts'
import type { Entropy, KeyPair } from './ecdsa.ts'
import { seal, sign, verify } from './LockableSignature.ts'
import {
  type LastPayment,
  type Opening,
  openingMessage,
  type Payment,
  type Reading,
  receiptMessage,
  type Transaction,
} from './messages.ts'
import { noOperations, type Operations } from './operations.ts'

export interface Client {
  readonly key: KeyPair
  readonly opening: Opening
  readonly operations: Operations
  /** `f_i` of the payment before; `f_0` is random. */
  f: Uint8Array
  /** `σ_{i-1}`. */
  receipt: Uint8Array
  /** What payments 1..i-1 paid. */
  paid: bigint
  last: boolean
}

export type Joined =
  | { readonly ok: true; readonly client: Client }
  | { readonly ok: false; readonly reason: 'BadOpening' }

export interface Purchase {
  readonly price: bigint
  /** `ts_i`, Unix seconds. */
  readonly at: bigint
}

export type Paid<T> =
  | { readonly ok: true; readonly payment: T }
  | { readonly ok: false; readonly reason: 'OverTotal' | 'AfterLast' }

/** Takes the bank's opening, if its `σ_0` is the bank's. */
export function joinChannel(
  input: { readonly key: KeyPair; readonly bankKey: Uint8Array; readonly opening: Opening },
  entropy: Entropy,
): Joined {
  const { key, bankKey, opening } = input
  const { transaction, receipt } = opening
  const operations = { ...noOperations(), vf: 1 }
  if (
    opening.total !== transaction.amount ||
    !verify({ publicKey: bankKey, message: openingMessage(transaction), signature: receipt })
  ) {
    return { ok: false, reason: 'BadOpening' }
  }
  return { ok: true, client: { key, opening, operations, f: entropy(32), receipt, paid: 0n, last: false } }
}

/** `C → V: {f_i, Tx_i, ℓk_i}`, `ℓk_i := σ_{i-1} ⊕ H(σ_i)`. */
export function pay(client: Client, purchase: Purchase, entropy: Entropy): Paid<Payment> {
  const next = advance(client, purchase, entropy)
  if (!next.ok) return next
  const { f, transaction, previous, receipt } = next.payment
  client.operations.h++
  return { ok: true, payment: { f, transaction, lock: seal({ signature: previous, lockingSignature: receipt }) } }
}

/** `C → V: {f_n, Tx_n, ℓk_n := σ_n}`, or with the repair `{f_n, Tx_n, σ_{n-1} ⊕ H(σ_n), σ_n}`. */
export function payLast(
  client: Client,
  purchase: Purchase & { readonly reading: Reading },
  entropy: Entropy,
): Paid<LastPayment> {
  const next = advance(client, purchase, entropy)
  if (!next.ok) return next
  const { f, transaction, previous, receipt } = next.payment
  client.last = true
  if (purchase.reading === 'literal') return { ok: true, payment: { f, transaction, receipt } }
  client.operations.h++
  const lock = seal({ signature: previous, lockingSignature: receipt })
  return { ok: true, payment: { f, transaction, lock, receipt } }
}

interface Step {
  readonly f: Uint8Array
  readonly transaction: Transaction
  readonly previous: Uint8Array
  readonly receipt: Uint8Array
}

/** `f_i = H(f_{i-1})`, `σ_i = Sign(ts_i, m_i)`. */
function advance(client: Client, { price, at }: Purchase, entropy: Entropy): Paid<Step> {
  if (client.last) return { ok: false, reason: 'AfterLast' }
  const amount = client.paid + price
  if (price < 0n || amount > client.opening.total) return { ok: false, reason: 'OverTotal' }
  const transaction = { at, amount, client: client.opening.client, vendor: client.opening.vendor }
  const previous = client.receipt
  client.receipt = sign(client.key, receiptMessage(transaction), entropy)
  client.f = sha256(client.f)
  client.paid = amount
  client.operations.sig++
  client.operations.f++
  return { ok: true, payment: { f: client.f, transaction, previous, receipt: client.receipt } }
}
