import type { Batch } from '../../chain/Chain.ts'
import type { LogStore } from '../../chain/embedded.ts'
import type { Bank } from '../../protocol/index.ts'
import type { UnixSeconds } from '../../wire/amount.ts'
import type { Entry } from '../ledger.ts'

/**
 * What a bank keeps. Decisions are made outside, on what was read; `commit` writes them in one transaction, and each change
 * carries its own guard. Where a guard fails nothing is written: read again and decide anew.
 *
 * Durable once a promise resolves. Throws a `StoreError` where the environment fails.
 */
export interface BankStore {
  account(account: Uint8Array): Promise<Account | undefined>
  balance(account: Uint8Array, asset: string): Promise<bigint>
  command(account: Uint8Array, id: Uint8Array): Promise<Command | undefined>
  channel(channelId: Uint8Array): Promise<StoredChannel | undefined>
  /** Whether any channel ever had this channel key. */
  hasChannelKey(channelKey: Uint8Array): Promise<boolean>

  record(channelId: Uint8Array): Promise<StoredRecord | undefined>
  /** Records in no batch yet, oldest first. */
  unbatched(limit: number): Promise<readonly { readonly channelId: Uint8Array; readonly leaf: Uint8Array }[]>
  /** The batch that was made and is not known to stand on the chain. There is one at most. */
  pendingBatch(): Promise<Batch | undefined>
  recordedBatch(number: number): Promise<RecordedBatch | undefined>
  /** The leaves of a batch in their order. */
  leaves(batch: number): Promise<readonly Uint8Array[]>

  commit(
    changes: readonly Change[],
  ): Promise<{ readonly ok: true } | { readonly ok: false; readonly conflict: Conflict }>

  /** Where the embedded chain keeps its log: in the same database. */
  readonly log: LogStore
  close(): Promise<void>
}

export interface Account {
  readonly account: Uint8Array
  /** 0 to 100. */
  readonly reputation: number
  readonly registeredAt: bigint
}

/** A command that was carried out. */
interface Command {
  readonly account: Uint8Array
  readonly id: Uint8Array
  /** SHA-256 of the whole command. */
  readonly bodyHash: Uint8Array
  /** What the bank answered, given again on repetition. */
  readonly answer: Uint8Array
  readonly validUntil: UnixSeconds
}

interface NewChannel extends Bank.BankChannel {
  /** The client's. */
  readonly account: Uint8Array
  /** 344 bytes. */
  readonly encodedTerms: Uint8Array
  /** γ. */
  readonly grant: Uint8Array
}

export interface StoredChannel extends NewChannel {
  /** Absent while the channel is open. */
  readonly closing: Closing | undefined
}

/** How a channel was closed. */
export interface Closing {
  /** The vendor's claim, as it came. */
  readonly close: Uint8Array
  readonly settled: bigint
  readonly refund: bigint
  readonly basis: Bank.Settlement['record']['basis']
}

/** The record of a settled channel, and its place once it is in a batch. */
interface StoredRecord {
  /** 269 bytes. */
  readonly record: Uint8Array
  readonly place: { readonly batch: number; readonly index: number } | undefined
  /** Whether that batch is on the chain. */
  readonly recorded: boolean
}

/** A batch on the chain, with everything that proves it offline. */
export interface RecordedBatch {
  readonly batch: Batch
  /** Encoded tree head. */
  readonly head: Uint8Array
  /** The bank's signature on it. */
  readonly headSignature: Uint8Array
  /** What the chain gave: `chain/Chain.ts`, `Recorded`. */
  readonly evidence: Uint8Array
}

/** One write with its guard. */
export type Change =
  | { readonly kind: 'account'; readonly account: Account }
  | { readonly kind: 'command'; readonly command: Command }
  /** Posts an entry: no balance but `outside` goes below zero. */
  | { readonly kind: 'entry'; readonly entry: Entry; readonly at: UnixSeconds }
  | { readonly kind: 'open'; readonly channel: NewChannel; readonly at: UnixSeconds }
  /** Compare and set: open to closed. */
  | { readonly kind: 'close'; readonly channelId: Uint8Array; readonly closing: Closing; readonly at: UnixSeconds }
  | {
      readonly kind: 'record'
      readonly channelId: Uint8Array
      readonly record: Uint8Array
      readonly leaf: Uint8Array
      readonly at: UnixSeconds
    }
  /** Gives the records their places, in this order. */
  | {
      readonly kind: 'batch'
      readonly batch: Batch
      readonly channelIds: readonly Uint8Array[]
      readonly at: UnixSeconds
    }
  | { readonly kind: 'recorded'; readonly batch: RecordedBatch; readonly at: UnixSeconds }

/** The guard that failed. */
export type Conflict =
  | 'AccountExists'
  | 'CommandExists'
  | 'EntryExists'
  | 'BalanceTooLow'
  /** All deposits of an asset together stay below 2^63, so that no balance can pass it. */
  | 'AssetFull'
  /** The channel, or one with its channel key. */
  | 'ChannelExists'
  | 'ChannelNotOpen'
  | 'RecordExists'
  | 'RecordNotQueued'
  /** A batch of that number, or another one that is pending. */
  | 'BatchExists'
  | 'BatchNotPending'
