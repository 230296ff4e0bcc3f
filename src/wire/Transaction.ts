import { taggedHash } from '../crypto/hash.ts'
import type { Amount, UnixSeconds } from './amount.ts'
import { sizes } from './kinds.ts'
import type { Field, Layout } from './layout.ts'
import { amountField, bytes, layout, timeField, u32 } from './layout.ts'
import type { Terms } from './Terms.ts'

/** `Tx_0`: the opening that `σ_0` signs. 112 bytes. */
export interface Opening {
  readonly channelId: Uint8Array
  readonly funds: Amount
  readonly openedAt: UnixSeconds
  readonly clientIdentity: Uint8Array
  readonly vendorIdentity: Uint8Array
}

/** `Tx_i`: what receipt `σ_i` signs. 84 bytes. */
export interface Transaction {
  readonly channelId: Uint8Array
  /** i, from 1. */
  readonly index: number
  /** All that payments 1..i have paid. */
  readonly amount: Amount
  /** ts_i, the client's word. */
  readonly paidAt: UnixSeconds
  /** d_i: digest of what is bought. */
  readonly digest: Uint8Array
}

export const openingLayout: Layout<Opening> = layout('Tx_0', {
  channelId: bytes(sizes.hash),
  funds: amountField,
  openedAt: timeField,
  clientIdentity: bytes(sizes.hash),
  vendorIdentity: bytes(sizes.hash),
})

/** The fields of `Tx_i`, which `core_i` starts with. */
export const transactionFields: { readonly [Name in keyof Transaction]: Field<Transaction[Name]> } = {
  channelId: bytes(sizes.hash),
  index: u32,
  amount: amountField,
  paidAt: timeField,
  digest: bytes(sizes.hash),
}

export const transactionLayout: Layout<Transaction> = layout('Tx_i', transactionFields)

const hashOpening = taggedHash('lockstep/tx0')
const hashTransaction = taggedHash('lockstep/tx')
const hashGrant = taggedHash('lockstep/grant')

export function opening(terms: Terms, channelId: Uint8Array): Uint8Array<ArrayBuffer> {
  return openingLayout.encode({ ...terms, channelId })
}

/** The message of `σ_0`. */
export function openingDigest(encoded: Uint8Array): Uint8Array {
  return hashOpening(encoded)
}

export function encode(transaction: Transaction): Uint8Array<ArrayBuffer> {
  return transactionLayout.encode(transaction)
}

/** The message of `σ_i`. */
export function transactionDigest(encoded: Uint8Array): Uint8Array {
  return hashTransaction(encoded)
}

/** The message of `γ`: the bank says that the channel is open, funded, and that `R_0` signs its `Tx_0` alone. */
export function grantDigest(channelId: Uint8Array, commitment: Uint8Array): Uint8Array {
  return hashGrant(channelId, commitment)
}
