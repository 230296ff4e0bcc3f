import type { Batch } from '../../chain/Chain.ts'
import type { Bank } from '../../protocol/index.ts'
import type { UnixSeconds } from '../../wire/amount.ts'
import type {
  Account,
  Closing,
  Command,
  NewChannel,
  RecordedBatch,
  StoredChannel,
  StoredClock,
  StoredEnding,
  StoredProof,
  Withdrawal,
} from './contract.ts'

/** One write with its guard. */
export type Change =
  /** A registration: the first change of its reputation goes with it. */
  | { readonly kind: 'account'; readonly account: Account }
  | { readonly kind: 'command'; readonly command: Command }
  /** Posts an entry: no balance but `outside` goes below zero. */
  | { readonly kind: 'entry'; readonly entry: Bank.Entry; readonly at: UnixSeconds }
  | {
      readonly kind: 'open'
      readonly channel: NewChannel
      readonly at: UnixSeconds
      /** Channels that the account may have open then, this one included. */
      readonly openMax?: number
    }
  /** Compare and set: open to closed, while the ending is as it was read. */
  | {
      readonly kind: 'close'
      readonly channelId: Uint8Array
      readonly closing: Closing
      readonly at: UnixSeconds
      /** Version of the ending, 0 where there was none. Absent where the decision did not look at it. */
      readonly ending?: number
    }
  /** Compare and set: open to expired. */
  | { readonly kind: 'expire'; readonly channelId: Uint8Array; readonly at: UnixSeconds }
  /** Takes the place of the version before, while the channel has the status that was read. */
  | {
      readonly kind: 'ending'
      readonly channelId: Uint8Array
      readonly ending: StoredEnding
      readonly status: StoredChannel['status']
    }
  /** A fraud that stands proven. `judged`: the sum of the overcharges that were judged before. */
  | {
      readonly kind: 'proof'
      readonly channelId: Uint8Array
      readonly proof: StoredProof
      readonly evidence: Uint8Array
      readonly judged: bigint
    }
  | { readonly kind: 'debt'; readonly debt: Bank.Debt; readonly at: UnixSeconds }
  /** Decided by `Reputation.step` on the account's history as it is then: it may change nothing. */
  | {
      readonly kind: 'reputation'
      readonly account: Uint8Array
      readonly event: Bank.Reputation.Event
      readonly at: UnixSeconds
      readonly rules: Bank.Reputation.ReputationRules
    }
  | { readonly kind: 'withdrawal'; readonly withdrawal: Withdrawal }
  | { readonly kind: 'paidOut'; readonly reference: Uint8Array; readonly at: UnixSeconds }
  /** The next beat. Where the clock is trusted, the grace of channels that have expired by it starts to count. */
  | { readonly kind: 'clock'; readonly clock: StoredClock }
  | {
      readonly kind: 'record'
      readonly channelId: Uint8Array
      readonly record: Uint8Array
      readonly leaf: Uint8Array
      readonly at: UnixSeconds
    }
  /** Takes the place of a record that is in no batch yet. */
  | {
      readonly kind: 'rerecord'
      readonly channelId: Uint8Array
      readonly record: Uint8Array
      readonly leaf: Uint8Array
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
  | 'TooManyChannels'
  | 'ChannelNotOpen'
  /** The ending is another version, or the channel has another status. */
  | 'EndingChanged'
  /** This evidence, or of a fraud that scores once, or another overcharge was judged since. */
  | 'ProofExists'
  | 'DebtExists'
  | 'WithdrawalNotPending'
  /** Another process beat since. */
  | 'ClockMoved'
  | 'RecordExists'
  /** The record is in a batch. */
  | 'RecordPlaced'
  | 'RecordNotQueued'
  /** A batch of that number, or another one that is pending. */
  | 'BatchExists'
  | 'BatchNotPending'

/** A change of reputation that a commit made. */
export interface Scored {
  readonly account: Uint8Array
  readonly change: Bank.Reputation.Change
}
