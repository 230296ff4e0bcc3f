import type { UnixSeconds } from '../../wire/amount.ts'

/**
 * What a vendor keeps. Every write is one durable transaction: when `commit` resolves, a crash or a power cut takes nothing
 * of it back. When it rejects, nothing of it happened, unless the `StoreError` is of an unknown outcome: what the store
 * then gives is what counts.
 */
export interface VendorStore {
  /** A channel by the first 16 bytes of its id. */
  channel(reference: Uint8Array): Promise<StoredChannel | undefined>
  /** A payment that was accepted once, whatever became of it. */
  payment(channelId: Uint8Array, index: number): Promise<StoredPayment | undefined>
  /** core_first … core_last, in order; from core_1 where no first is given. */
  cores(channelId: Uint8Array, last: number, first?: number): Promise<readonly Uint8Array[]>
  /** Every checkpoint that opened a segment, in order. */
  checkpoints(channelId: Uint8Array): Promise<readonly Uint8Array[]>
  /** Channels of which something was paid, or the last stated, and whose vendor has not been paid yet. */
  unsettled(): Promise<readonly Uint8Array[]>
  /** Payments whose handler or stream runs, of all channels: once the vendor has started again, those in doubt. */
  running(): Promise<readonly StoredPayment[]>
  /** Channels whose lease was lost are left out as a whole, and named: see {@link VendorLeases.acquire}. */
  commit(batch: Batch): Promise<Committed>
  /** Until when a channel of this reference is refused, where it has a tombstone. */
  tombstone(reference: Uint8Array): Promise<UnixSeconds | undefined>
  /** When this store was restored from a backup, if it was: of channels opened before, it may know less than happened. */
  restoredAt(): Promise<UnixSeconds | undefined>
  /** Ends the connection. What was committed stays. */
  close(): Promise<void>
}

/** Who may write a channel, where several processes share a store. */
export interface VendorLeases {
  /**
   * Gives `node` the right to write a channel, known or not yet, until `now + ttl`, under an epoch that no lease of the
   * channel had before. Refused while another node's lease lasts. A node that asks again has started anew: its older lease
   * ends.
   *
   * What was committed under older epochs is in what the store gives afterwards, and nothing is added to it: a node whose
   * lease was lost, by a late clock or a long pause, cannot write. It costs time, never money.
   */
  acquire(request: LeaseRequest): Promise<Lease | HeldBy>
  /** Prolongs leases; gives the channels whose lease is another's by now. An expired lease that nobody took goes on. */
  renew(node: string, leases: readonly HeldLease[], until: UnixSeconds): Promise<readonly Uint8Array[]>
  /** Lets other nodes have the channels at once. The epochs end: not even this node writes under them any more. */
  relinquish(node: string, leases: readonly HeldLease[]): Promise<void>
}

/** What becomes of channels in time. */
export interface VendorArchive {
  /**
   * Of the unsettled channels, the ones whose last is stated and those whose deadline is at or before `until`, the most urgent
   * first.
   */
  due(until: UnixSeconds, limit: number): Promise<readonly DueChannel[]>
  /** Closed channels whose payments are not packed. */
  unpacked(limit: number): Promise<readonly Uint8Array[]>
  /**
   * Packs the payments of a closed channel, with their receipts (σ_0 … σ_n, empty where the client gave no release), into a
   * row for 1,024 of them. Kept answers go. Safe to call again.
   */
  pack(channelId: Uint8Array, receipts: readonly Uint8Array[]): Promise<void>
  /** The payments of a channel from index `from` on, packed or not, in order; at most 1,024. */
  receipts(channelId: Uint8Array, from: number): Promise<readonly StoredReceipt[]>
  /**
   * Removes what is left of a closed channel. Until its deadline a tombstone stays in its place. Gives `false` for a channel
   * that is not closed.
   */
  forget(channelId: Uint8Array, now: UnixSeconds): Promise<boolean>
  /** Forgets answers kept for retries that were made before `before`; gives how many. */
  forgetAnswers(before: UnixSeconds, limit: number): Promise<number>
  /** Forgets channels closed, or never paid, whose deadline was before `before`, and old tombstones; gives how many channels. */
  prune(before: UnixSeconds, limit: number): Promise<number>
  /** Refuses a channel until then. */
  bury(channelId: Uint8Array, until: UnixSeconds): Promise<void>
}

/** All of it, as SQLite and PostgreSQL keep it. */
export interface VendorDatabase extends VendorStore, VendorLeases, VendorArchive {}

/** One transaction: each channel once, as it stands now, whatever the number of its payments. */
export interface Batch {
  readonly channels: readonly ChannelChange[]
  readonly payments: readonly PaymentChange[]
}

/** A channel as it is now. A first write brings what never changes; later ones may leave it out. */
export type ChannelChange = Omit<StoredChannel, keyof Opening> &
  (Opening | { readonly [Name in keyof Opening]?: never })

/** What a channel was opened with. */
interface Opening {
  readonly terms: Uint8Array
  /** γ. */
  readonly grant: Uint8Array
}

/** What became of a batch. */
export interface Committed {
  /** Ids of channels of which nothing was written, because another node has their lease. */
  readonly fenced: readonly Uint8Array[]
}

/** A channel as its vendor keeps it: what a restart goes on with. */
export interface StoredChannel extends Opening {
  readonly channelId: Uint8Array
  /** c_0. */
  readonly commitment: Uint8Array
  readonly phase: 'open' | 'closing' | 'closed'
  readonly suspended: string | undefined
  readonly strikes: number
  readonly paid: bigint
  readonly spent: bigint
  readonly contiguous: number
  readonly transcript: Uint8Array
  /** What payment `contiguous` reached. */
  readonly amount: bigint
  /**
   * Those that payments may still name: from that of the prefix's last payment on. A write brings those opened since the
   * last one as well, even where they are used up already.
   */
  readonly segments: readonly StoredSegment[]
  /** Payments ahead of the prefix. Read with the channel; written by `PaymentChange`. */
  readonly ahead: readonly StoredPayment[]
  /** Signed closing, once there is one. */
  readonly closing: Uint8Array | undefined
  /** The client's release, once it opened every receipt. */
  readonly release: Uint8Array | undefined
  /** The claim on the bank, stored before it leaves. */
  readonly claim: Uint8Array | undefined
  /** How far its locks hold, as `LockPrefix` encodes it. May lag behind: what is missing is verified again. */
  readonly locks?: Uint8Array | undefined
  /** Of the lease it is written under; none where only one process writes. */
  readonly epoch?: number
}

export interface StoredSegment {
  readonly number: number
  /** None for segment 0. */
  readonly checkpoint: Uint8Array | undefined
  readonly step: number
  readonly coin: Uint8Array
}

/**
 * `accepted`: paid, its request not seen. `running`: its handler runs, or ran when the vendor stopped: then it is in doubt.
 * `charged` and `released` are for ever.
 */
export type PaymentStatus = 'accepted' | 'running' | 'charged' | 'released'

/** A payment as its vendor keeps it, with the answer that a retry gets. */
export interface StoredPayment {
  readonly channelId: Uint8Array
  readonly index: number
  readonly segment: number
  readonly amount: bigint
  readonly digest: Uint8Array
  readonly core: Uint8Array
  readonly status: PaymentStatus
  readonly charged: bigint
  readonly answer: Answer | undefined
}

/** A payment as it is now. A first write creates it; a later one changes its status, charge and answer alone. */
export interface PaymentChange extends StoredPayment {
  /** When the answer was made, where one is kept. */
  readonly answeredAt?: UnixSeconds
}

/** What was answered, kept so that a retry gets the same. */
export interface Answer {
  readonly status: number
  readonly headers: readonly (readonly [string, string])[]
  readonly body: Uint8Array
}

export interface DueChannel {
  readonly reference: Uint8Array
  readonly deadline: UnixSeconds
}

export interface LeaseRequest {
  readonly channelId: Uint8Array
  /** Name of the process, its own. */
  readonly node: string
  readonly now: UnixSeconds
  /** Seconds. */
  readonly ttl: number
}

export interface HeldLease {
  readonly channelId: Uint8Array
  readonly epoch: number
}

export interface Lease extends HeldLease {
  readonly ok: true
  readonly until: UnixSeconds
}

export interface HeldBy {
  readonly ok: false
  readonly node: string
  readonly until: UnixSeconds
}

/** A payment as it is kept for ever. */
export interface StoredReceipt {
  readonly index: number
  readonly core: Uint8Array
  readonly status: PaymentStatus
  readonly charged: bigint
  /** σ_i, once it was opened. */
  readonly receipt: Uint8Array | undefined
}
