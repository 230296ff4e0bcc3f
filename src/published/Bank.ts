/**
 * The bank B: keeps reputation scores, opens channels, records `(Tx_0, Tx_n)`. State is changed in place, after every
 * check has passed.
 */

import { toHex } from '../crypto/bytes.ts'
import { createKeyPair, type Entropy, type KeyPair, sign, verify } from './ecdsa.ts'
import {
  type ChainRecord,
  encodeTransaction,
  type Opening,
  openingMessage,
  receiptMessage,
  type Transaction,
} from './messages.ts'
import { noOperations, type Operations } from './operations.ts'

export interface Bank {
  readonly key: KeyPair
  /** By hex of the identification part, `O_C` or `O_V`. */
  readonly accounts: Map<string, { score: number }>
  /** By hex of `Tx_0`: nothing else tells channels apart. */
  readonly channels: Map<string, Channel>
  readonly operations: Operations
}

export interface OpenRequest {
  /** The client's ECDSA key: receipts are verified under it. */
  readonly clientKey: Uint8Array
  /** `O_C`. */
  readonly client: Uint8Array
  /** `O_V`. */
  readonly vendor: Uint8Array
  /** `F`. */
  readonly total: bigint
  /** `ts_0`, Unix seconds. */
  readonly at: bigint
}

export type Opened =
  | { readonly ok: true; readonly opening: Opening }
  | { readonly ok: false; readonly reason: 'ClientScore' | 'VendorScore' | 'TotalOutOfRange' | 'SameOpening' }

export type Recorded =
  | { readonly ok: true; readonly record: ChainRecord }
  | {
      readonly ok: false
      readonly reason: 'UnknownChannel' | 'AlreadyRecorded' | 'OtherParties' | 'OverTotal' | 'BadReceipt'
    }

/** Both sides of a channel need more than this. */
export const scoreThreshold = 50

export function createBank(entropy: Entropy): Bank {
  return { key: createKeyPair(entropy), accounts: new Map(), channels: new Map(), operations: noOperations() }
}

/** Sets the score of a client or vendor. The paper says neither where scores start nor how they rise. */
export function register(bank: Bank, identity: Uint8Array, score: number): void {
  bank.accounts.set(toHex(identity), { score })
}

/** Takes `points` from a fraud's score, "according to the severity of the misconduct", and never below 0. */
export function deduct(bank: Bank, identity: Uint8Array, points: number): void {
  const account = bank.accounts.get(toHex(identity))
  if (account !== undefined) account.score = Math.max(0, account.score - points)
}

/** Setup: `B → C: {F, Tx_0, O_{C,V}, σ_0}`. The vendor hears nothing of it. */
export function open(bank: Bank, request: OpenRequest, entropy: Entropy): Opened {
  const { clientKey, client, vendor, total, at } = request
  if (scoreOf(bank, client) <= scoreThreshold) return { ok: false, reason: 'ClientScore' }
  if (scoreOf(bank, vendor) <= scoreThreshold) return { ok: false, reason: 'VendorScore' }
  if (total <= 0n || total > totalMax) return { ok: false, reason: 'TotalOutOfRange' }
  const transaction = { at, amount: total, client, vendor }
  const id = channelId(transaction)
  if (bank.channels.has(id)) return { ok: false, reason: 'SameOpening' }
  const receipt = sign(bank.key, openingMessage(transaction), entropy)
  bank.operations.sig++
  bank.channels.set(id, { clientKey, recorded: false })
  return { ok: true, opening: { total, transaction, client, vendor, receipt } }
}

/** The vendor settles: `σ_n` proves `Tx_n`, and `(Tx_0, Tx_n)` goes to the blockchain. */
export function record(bank: Bank, claim: ChainRecord & { readonly receipt: Uint8Array }): Recorded {
  const { first, last, receipt } = claim
  const channel = bank.channels.get(channelId(first))
  if (channel === undefined) return { ok: false, reason: 'UnknownChannel' }
  if (channel.recorded) return { ok: false, reason: 'AlreadyRecorded' }
  if (toHex(first.client) !== toHex(last.client) || toHex(first.vendor) !== toHex(last.vendor)) {
    return { ok: false, reason: 'OtherParties' }
  }
  if (last.amount > first.amount) return { ok: false, reason: 'OverTotal' }
  bank.operations.vf++
  if (!verify({ publicKey: channel.clientKey, message: receiptMessage(last), signature: receipt })) {
    return { ok: false, reason: 'BadReceipt' }
  }
  channel.recorded = true
  return { ok: true, record: { first, last } }
}

interface Channel {
  readonly clientKey: Uint8Array
  recorded: boolean
}

const totalMax = (1n << 63n) - 1n

function scoreOf(bank: Bank, identity: Uint8Array): number {
  return bank.accounts.get(toHex(identity))?.score ?? 0
}

function channelId(first: Transaction): string {
  return toHex(encodeTransaction(first))
}
