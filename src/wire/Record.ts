import { taggedHash } from '../crypto/hash.ts'
import type { Amount } from './amount.ts'
import { sizes } from './kinds.ts'
import type { Layout } from './layout.ts'
import { amountField, bytes, choice, layout } from './layout.ts'
import type { Parsed } from './parsed.ts'
import { openingLayout, transactionLayout } from './Transaction.ts'

/** What goes on the chain for a settled channel, as one leaf of a batch: `(Tx_0, Tx_n)` and the sum paid. 269 bytes. */
export interface Record {
  /** Random, the bank's: without it nobody can guess the leaf of a channel. */
  readonly salt: Uint8Array
  readonly channelId: Uint8Array
  /** Tx_0, 112 bytes. */
  readonly opening: Uint8Array
  /** Tx_n, 84 bytes; zero where the channel made no payment. */
  readonly last: Uint8Array
  readonly settled: Amount
  /** `claimed` where neither a checkpoint nor `σ_n` proves `t_n` and `Tx_n`: they are the vendor's word. */
  readonly basis: 'proven' | 'claimed'
}

const record: Layout<Record> = layout('record', {
  salt: bytes(32),
  channelId: bytes(sizes.hash),
  opening: bytes(openingLayout.size),
  last: bytes(transactionLayout.size),
  settled: amountField,
  basis: choice<Record['basis']>(['proven', 'claimed']),
})

const hashRecord = taggedHash('lockstep/record')

export const size: number = record.size

export function encode(value: Record): Uint8Array<ArrayBuffer> {
  return record.encode(value)
}

export function parse(input: Uint8Array): Parsed<Record> {
  return record.parse(input)
}

/** The leaf: `taggedHash("lockstep/record", record)`. */
export function leaf(encoded: Uint8Array): Uint8Array {
  return hashRecord(encoded)
}
