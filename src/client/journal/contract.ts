/**
 * What a client keeps. A payment is stored before it is sent and resent as the same bytes: when `commit` resolves, a crash
 * takes nothing of it back. Holds secrets, which backups leave out.
 */
export interface Journal {
  /** Stores a channel's secrets and terms before the bank hears of them. */
  propose(proposed: ProposedChannel): Promise<void>
  /** Channels that may sign: neither retired nor ended. */
  channels(): Promise<readonly StoredChannel[]>
  /** Channels that came without their secrets, or from an old copy: they sign nothing, and wait for Close or Expire. */
  retired(): Promise<readonly RetiredChannel[]>
  /** Payments of a channel, by their index. */
  payments(channelId: Uint8Array): Promise<readonly StoredPayment[]>
  /** One durable transaction: the channel as it now stands, the payments made since, what some were charged as far as that is told. */
  commit(
    channelId: Uint8Array,
    state: ChannelState,
    payments?: readonly StoredPayment[],
    answered?: readonly Answered[],
  ): Promise<void>
  /** What became of a channel at its bank: nothing is signed on it any more, and nothing is left to do. The first one stays. */
  end(channelId: Uint8Array, outcome: Outcome): Promise<void>
  /** Channels that have ended. */
  ended(): Promise<readonly EndedChannel[]>
  /** Ends the connection, and lets another process have the journal. */
  close(): Promise<void>
}

/** A journal that a wallet of many channels works with. */
export interface WalletJournal extends Journal {
  /** What was last noted under this name: what others said, which can be asked for again. */
  recall(name: string): Promise<string | undefined>
  /** Notes something in the place of what was noted under this name. */
  note(name: string, value: string): Promise<void>
}

/** A journal that one process has to itself, and whose age is known: see `open.ts`. */
export interface OpenedJournal extends WalletJournal {
  /** Of this start. */
  readonly generation: bigint
  /** Why channels were retired at this start, if they were. */
  readonly stale: string | undefined
}

/** An opening that was sent, and may not have been answered. */
export interface ProposedChannel {
  readonly channelId: Uint8Array
  /** Where the vendor is reached. */
  readonly vendorUrl: string
  readonly bankUrl: string
  readonly terms: Uint8Array
  /** The signed command, sent again as it is. */
  readonly open: Uint8Array
  /** Secret. */
  readonly channelKey: Uint8Array
  /** Secret. */
  readonly channelSeed: Uint8Array
}

/** A channel as its client keeps it. */
export interface StoredChannel extends ProposedChannel {
  /** None before the first commit. */
  readonly state: ChannelState | undefined
}

/** A channel that signs nothing more here, because what is known of it may be old. */
export interface RetiredChannel extends Omit<StoredChannel, 'channelKey' | 'channelSeed'> {
  readonly reason: string
}

/** What a bank did with a channel's funds: `settled + refund`. */
export interface Outcome {
  readonly status: 'closed' | 'expired'
  /** To the vendor. */
  readonly settled: bigint
  /** Back to the account. */
  readonly refund: bigint
  /** What of `settled` the bank found to be charged too much, and took back from the vendor or has it owe. */
  readonly returned: bigint
}

/** A channel of which it is known what came back. */
export interface EndedChannel extends Omit<StoredChannel, 'channelKey' | 'channelSeed'> {
  readonly outcome: Outcome
}

/** What a client signed last on a channel, and what it has heard since. */
export interface ChannelState {
  /** The bank's answer: σ_0, c_0, γ. */
  readonly opened: Uint8Array
  readonly index: number
  readonly transcript: Uint8Array
  /** σ_i. Secret until the release. */
  readonly receipt: Uint8Array
  readonly paid: bigint
  readonly segment: {
    readonly number: number
    readonly base: bigint
    readonly unitPrice: bigint
    readonly length: number
    /** i of the last payment made before it. */
    readonly index: number
    readonly step: number
  }
  readonly checkpoint: Uint8Array | undefined
  readonly agreed: bigint
  readonly acknowledged: bigint
  readonly frozen: string | undefined
  /** The vendor's signed closing, once there is one. */
  readonly closing: Uint8Array | undefined
  /** The release, stored before it leaves. */
  readonly release: Uint8Array | undefined
  /** For budgets of a day: the day of the last payment, and what had been paid before it began. */
  readonly today?: Today | undefined
}

/** What was paid over a channel before its last day began. */
export interface Today {
  /** Days since 1970, UTC. */
  readonly day: bigint
  /** Base units. */
  readonly before: bigint
}

/** What a payment was charged, as its vendor says. */
export interface Answered {
  readonly index: number
  readonly charged: bigint
}

/** What a payment was for, for the ledger. */
export interface Bought {
  readonly method: string
  /** The address without its query, which may hold secrets. */
  readonly target: string
}

/** A payment as its client keeps it: the bytes that are sent again, and what was bought. */
export interface StoredPayment {
  readonly index: number
  readonly price: bigint
  readonly frame: Uint8Array
  readonly checkpoint: Uint8Array | undefined
  readonly core: Uint8Array
  /** σ_i. */
  readonly receipt: Uint8Array
  readonly bought?: Bought | undefined
  /** Unknown until its vendor says so. */
  readonly charged?: bigint | undefined
}
