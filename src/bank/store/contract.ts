import type { Batch } from '../../chain/Chain.ts'
import type { LogStore } from '../../chain/embedded.ts'
import type { Bank } from '../../protocol/index.ts'
import type { UnixSeconds } from '../../wire/amount.ts'
import type { Change, Conflict, Scored } from './change.ts'

export type { Change, Conflict, Scored } from './change.ts'

/**
 * What a bank keeps. Decisions are made outside, on what was read; `commit` writes them in one transaction, and each change
 * carries its own guard. Where a guard fails nothing is written: read again and decide anew.
 *
 * Durable once a promise resolves. Throws a `StoreError` where the environment fails.
 */
export interface BankStore {
  account(account: Uint8Array): Promise<StoredAccount | undefined>
  /** What it can spend. */
  balance(account: Uint8Array, asset: string): Promise<bigint>
  /** Its deposit from the registration. */
  locked(account: Uint8Array, asset: string): Promise<bigint>
  /** What it owes, oldest first. */
  debts(account: Uint8Array): Promise<readonly Bank.Debt[]>
  /** What came in or went out under this reference. */
  entry(kind: Bank.Entry['kind'], reference: Uint8Array): Promise<Bank.Entry | undefined>
  command(account: Uint8Array, id: Uint8Array): Promise<Command | undefined>

  channel(channelId: Uint8Array): Promise<StoredChannel | undefined>
  /** Whether any channel ever had this channel key. */
  hasChannelKey(channelKey: Uint8Array): Promise<boolean>
  /** How many channels the account has open. */
  openChannels(account: Uint8Array): Promise<number>
  ending(channelId: Uint8Array): Promise<StoredEnding | undefined>
  /** Oldest first, without the evidence itself. */
  proofs(channelId: Uint8Array): Promise<readonly StoredProof[]>
  evidence(channelId: Uint8Array, reference: Uint8Array): Promise<Uint8Array | undefined>
  /** What was once owed for the overcharge that this closing proved. */
  incurred(reference: Uint8Array): Promise<bigint>

  clock(): Promise<StoredClock | undefined>
  /** Open channels whose deadline may have passed by this clock, in the order of their ids, from the one after. */
  due(clock: Bank.BankClock.BankClock, page: Onwards): Promise<readonly Uint8Array[]>
  /** Likewise channels whose closing was fetched, and whose grace may be over, that were not reviewed. */
  unreviewed(clock: Bank.BankClock.BankClock, page: Onwards): Promise<readonly Uint8Array[]>
  /** Withdrawals that are not paid out, oldest first. */
  withdrawals(limit: number): Promise<readonly Withdrawal[]>

  /** Postings of the account and its locked deposit, newest first. */
  journal(account: Uint8Array, page: Page<JournalCursor>): Promise<readonly Posting[]>
  /** Channels that the account opened, or is the vendor of, newest first. */
  channels(account: Uint8Array, role: Role, page: Page<ChannelCursor>): Promise<readonly ListedChannel[]>
  /** Changes of its reputation, newest first. */
  reputation(account: Uint8Array, page: Page<number>): Promise<readonly NumberedChange[]>

  record(channelId: Uint8Array): Promise<StoredRecord | undefined>
  /** Records in no batch yet, oldest first. */
  unbatched(limit: number): Promise<readonly { readonly channelId: Uint8Array; readonly leaf: Uint8Array }[]>
  /** The batch that was made and is not known to stand on the chain. There is one at most. */
  pendingBatch(): Promise<Batch | undefined>
  recordedBatch(number: number): Promise<RecordedBatch | undefined>
  /** The newest batch on the chain. */
  lastBatch(): Promise<RecordedBatch | undefined>
  /** The leaves of a batch in their order. */
  leaves(batch: number): Promise<readonly Uint8Array[]>

  /**
   * Whoever is credited pays what it owes first, in the same transaction: after every commit an account that owes something
   * has nothing of that asset. Gives the changes of reputation that were made.
   */
  commit(changes: readonly Change[]): Promise<Committed>

  /** Where the embedded chain keeps its log: in the same database. */
  readonly log: LogStore
  close(): Promise<void>
}

export type Committed =
  | { readonly ok: true; readonly scored?: readonly Scored[] }
  | { readonly ok: false; readonly conflict: Conflict }

export interface Account {
  readonly account: Uint8Array
  /** 0 to 100, after the last change. */
  readonly reputation: number
  readonly registeredAt: bigint
}

export interface StoredAccount extends Account {
  /** Of its reputation. */
  readonly last: Bank.Reputation.Change
}

/** A command that was carried out. */
export interface Command {
  readonly account: Uint8Array
  readonly id: Uint8Array
  /** SHA-256 of the whole command. */
  readonly bodyHash: Uint8Array
  /** What the bank answered, given again on repetition. */
  readonly answer: Uint8Array
  readonly validUntil: UnixSeconds
}

export interface NewChannel extends Bank.BankChannel {
  /** The client's. */
  readonly account: Uint8Array
  /** 344 bytes. */
  readonly encodedTerms: Uint8Array
  /** γ. */
  readonly grant: Uint8Array
}

export interface StoredChannel extends NewChannel {
  readonly status: 'open' | 'closed' | 'expired'
  /** How it was closed. Absent while the channel is open, and where it expired. */
  readonly closing: Closing | undefined
  /** The uptime from which its grace counts, once the bank's clock has passed its end. */
  readonly graceFrom: bigint | undefined
}

/** How a channel was closed. */
export interface Closing {
  /** The vendor's claim, as it came. */
  readonly close: Uint8Array
  readonly settled: bigint
  readonly refund: bigint
  readonly basis: Bank.Settlement['record']['basis']
}

/** What the parties left for each other, with what a decision on it was made on. */
export interface StoredEnding extends Bank.Ending {
  /** A claim showed that the release is the right one. */
  readonly releaseProven: boolean
  /** Whether the release was withheld is decided. */
  readonly reviewed: boolean
  /** From 1; one more with every change. */
  readonly version: number
}

export interface StoredProof {
  /** Of its entry where it is an overcharge, else SHA-256 of the evidence. */
  readonly reference: Uint8Array
  readonly cause: Bank.Reputation.Fraud
  /** What the vendor has to return; 0 for other frauds. */
  readonly amount: bigint
  readonly at: UnixSeconds
}

export interface StoredClock {
  readonly clock: Bank.BankClock.BankClock
  /** From 1; one more with every step. */
  readonly beats: number
}

/** Money that has left the books and is the operator's to pay out. */
export interface Withdrawal {
  /** Of its entry. */
  readonly reference: Uint8Array
  readonly account: Uint8Array
  readonly asset: string
  readonly amount: bigint
  /** Where to, as bank and account understand it. 32 bytes. */
  readonly destination: Uint8Array
  readonly askedAt: UnixSeconds
}

/** What comes next, in the order of channel ids. */
export interface Onwards {
  readonly after: Uint8Array | undefined
  readonly limit: number
}

/** What came before, in the order of the list. */
export interface Page<Cursor> {
  readonly before: Cursor | undefined
  readonly limit: number
}

export interface JournalCursor {
  readonly at: bigint
  readonly kind: string
  readonly reference: Uint8Array
  readonly line: number
  /** 0 where the account was debited, 1 where it was credited. */
  readonly side: number
}

/** One side of a movement, as its account sees it. */
export interface Posting extends JournalCursor {
  readonly at: UnixSeconds
  readonly kind: Bank.Entry['kind']
  /** The deposit of a registration is `locked`. */
  readonly place: 'account' | 'locked'
  readonly asset: string
  /** Below zero where it went away. */
  readonly amount: bigint
}

export type Role = 'client' | 'vendor'

export interface ChannelCursor {
  readonly openedAt: bigint
  readonly channelId: Uint8Array
}

export interface ListedChannel {
  readonly channel: StoredChannel
  readonly record: StoredRecord | undefined
  readonly openedAt: bigint
}

export interface NumberedChange {
  readonly number: number
  readonly change: Bank.Reputation.Change
}

/** The record of a settled channel, and its place once it is in a batch. */
export interface StoredRecord {
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
