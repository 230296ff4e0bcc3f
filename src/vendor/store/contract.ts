/**
 * What a vendor keeps. Every write is one durable transaction: when `commit` resolves, a crash or a power cut takes nothing
 * of it back; when it rejects, nothing of it happened.
 */
export interface VendorStore {
  channel(reference: Uint8Array): Promise<StoredChannel | undefined>
  payment(channelId: Uint8Array, index: number): Promise<StoredPayment | undefined>
  /** core_1 … core_n, in order. */
  cores(channelId: Uint8Array, last: number): Promise<readonly Uint8Array[]>
  /** Every checkpoint that opened a segment, in order. */
  checkpoints(channelId: Uint8Array): Promise<readonly Uint8Array[]>
  /** Channels whose vendor has not been paid yet. */
  unsettled(): Promise<readonly Uint8Array[]>
  commit(batch: Batch): Promise<void>
  close(): Promise<void>
}

/** One transaction: each channel once, as it stands now, whatever the number of its payments. */
export interface Batch {
  readonly channels: readonly StoredChannel[]
  readonly payments: readonly PaymentChange[]
}

export interface StoredChannel {
  readonly channelId: Uint8Array
  readonly terms: Uint8Array
  /** c_0. */
  readonly commitment: Uint8Array
  /** γ. */
  readonly grant: Uint8Array
  readonly phase: 'open' | 'closing' | 'closed'
  readonly suspended: string | undefined
  readonly strikes: number
  readonly paid: bigint
  readonly spent: bigint
  readonly contiguous: number
  readonly transcript: Uint8Array
  /** What payment `contiguous` reached. */
  readonly amount: bigint
  /** Those that payments may still name: from that of the prefix's last payment on. */
  readonly segments: readonly StoredSegment[]
  /** Payments ahead of the prefix. Read with the channel; written by {@link PaymentChange}. */
  readonly ahead: readonly StoredPayment[]
  /** Signed closing, once there is one. */
  readonly closing: Uint8Array | undefined
  /** The client's release, once it opened every receipt. */
  readonly release: Uint8Array | undefined
  /** The claim on the bank, stored before it leaves. */
  readonly claim: Uint8Array | undefined
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
export type PaymentChange = StoredPayment

/** What was answered, kept so that a retry gets the same. */
export interface Answer {
  readonly status: number
  readonly headers: readonly (readonly [string, string])[]
  readonly body: Uint8Array
}
