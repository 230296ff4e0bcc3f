import * as LockPrefix from '../crypto/LockPrefix.ts'
import { lockSchemes } from '../crypto/locks.ts'
import { type Refusal, Vendor } from '../protocol/index.ts'
import * as Attachment from '../wire/Attachment.ts'
import { amount, type UnixSeconds } from '../wire/amount.ts'
import * as Checkpoint from '../wire/Checkpoint.ts'
import type { Statement } from '../wire/Statement.ts'
import * as Transcript from '../wire/Transcript.ts'
import { EvictedError } from './errors.ts'
import type {
  Answer,
  ChannelChange,
  PaymentChange,
  PaymentStatus,
  StoredChannel,
  StoredPayment,
} from './store/contract.ts'

/** A channel in memory: its machine, and what only this process knows of it. */
export interface Held {
  readonly channel: Vendor.VendorChannel
  /** Requests and streams under way here, by the index of their payment: at most one each. */
  readonly running: Map<number, Running>
  /** How far the store has it: what may be delivered against, and acknowledged. */
  readonly durable: Reached
  /** Segments opened since the last write: one may be used up and dropped before it comes to that. */
  fresh: Vendor.Segment[]
  /** Whether a write has brought the store what the channel was opened with. */
  introduced: boolean
  /** Of the lease under which it is written, 0 where no node ever took one. */
  readonly epoch: number
  /** Streams that wait for credit: woken when there may be more of it, and when the channel is given up. */
  readonly waiting: Set<() => void>
  /** Writes under way. */
  writes: number
  /** The release that is being opened. */
  releasing: Releasing | undefined
  /** The lowest receipt that a release opened which did not open all: the lock of its payment is wrong. */
  above: { readonly index: number; readonly receipt: Uint8Array } | undefined
  /** When it was last looked up, Unix seconds. */
  usedAt: bigint
  /** Given up, because a commit failed or it was idle for long: nothing of it is written or delivered any more. */
  evicted: boolean
  closing: Uint8Array | undefined
  release: Uint8Array | undefined
  claim: Uint8Array | undefined
}

/** A release, and what comes of it. */
export interface Releasing {
  readonly bytes: Uint8Array
  readonly verdict: Promise<Refusal | Released>
}

/** What a release came to. */
export interface Released {
  readonly ok: true
  /** σ_0 … σ_n: all of them are valid. */
  readonly receiptsOpened: number
}

/** How far a channel has come. Each of these only grows. */
export interface Reached {
  paid: bigint
  contiguous: number
  /** The highest segment. */
  segment: number
}

/** A request or stream under way, and what it is for. */
interface Running {
  readonly digest: Uint8Array
  /** The payment as it came: what repeats it is these bytes. */
  readonly frame: Uint8Array
  readonly answered: Promise<Answered>
}

/** A request answered, with what the vendor says of its payment. */
export interface Answered {
  readonly answer: Answer
  readonly statement: Statement
}

export function hold(channel: Vendor.VendorChannel, epoch = 0): Held {
  return {
    channel,
    epoch,
    running: new Map(),
    waiting: new Set(),
    durable: reached(channel),
    fresh: [],
    introduced: false,
    writes: 0,
    releasing: undefined,
    above: undefined,
    usedAt: 0n,
    evicted: false,
    closing: undefined,
    release: undefined,
    claim: undefined,
  }
}

/** The channel as its store has it. Requests that were running when the vendor stopped hold nothing: they are in doubt. */
export function restore(stored: StoredChannel, frameKey: Uint8Array): Held {
  const attachment = Attachment.parse(Attachment.encode(stored))
  if (!attachment.ok) throw new Error(`the store holds a channel that cannot be read: ${attachment.detail}`)
  const channel = Vendor.create(attachment.value, frameKey)
  channel.phase = stored.phase
  channel.suspended = stored.suspended
  channel.strikes = stored.strikes
  channel.paid = stored.paid
  channel.spent = stored.spent
  const { window } = channel
  window.contiguous = stored.contiguous
  window.transcript = stored.transcript
  window.amount = stored.amount
  for (const payment of stored.ahead) window.ahead.set(payment.index, acceptedOf(payment))
  channel.segments = stored.segments.map(({ checkpoint, step, coin }) => {
    const segment = checkpoint === undefined ? Vendor.firstSegment(channel.terms) : segmentOf(checkpoint)
    return { ...segment, step, coin }
  })
  channel.locks = stored.locks && LockPrefix.decode(stored.locks)
  const { closing, release, claim } = stored
  return { ...hold(channel, stored.epoch), closing, release, claim }
}

/** The channel as it is now, for its store, with every segment that it opened since the last time. */
export function snapshot(held: Held): ChannelChange {
  const { channel, fresh, introduced, closing, release, claim } = held
  const { window, segments } = channel
  const { terms, commitment, grant } = channel.attachment
  const dropped = fresh.filter(({ number }) => segments.every((segment) => segment.number !== number))
  held.fresh = []
  held.introduced = true
  return {
    ...(introduced ? {} : { terms, grant }),
    commitment,
    channelId: channel.channelId,
    epoch: held.epoch,
    phase: channel.phase,
    suspended: channel.suspended,
    strikes: channel.strikes,
    paid: channel.paid,
    spent: channel.spent,
    contiguous: window.contiguous,
    transcript: window.transcript,
    amount: window.amount,
    segments: [...dropped, ...segments].map(({ number, checkpoint, step, coin }) => ({
      number,
      checkpoint,
      step,
      coin,
    })),
    ahead: [],
    closing,
    release,
    claim,
    locks: channel.locks && LockPrefix.encode(channel.locks),
  }
}

/** A payment's row. */
export function paymentRow(
  held: Held,
  accepted: Vendor.Accepted,
  state: {
    readonly status: PaymentStatus
    readonly charged: bigint
    readonly answer?: Answer | undefined
    readonly answeredAt: UnixSeconds
  },
): PaymentChange {
  return { ...accepted, channelId: held.channel.channelId, ...state, answer: state.answer }
}

export function acceptedOf(payment: StoredPayment): Vendor.Accepted {
  return { ...payment, amount: amount(payment.amount) }
}

export function reached({ paid, window, segments }: Vendor.VendorChannel): Reached {
  return { paid, contiguous: window.contiguous, segment: segments.at(-1)!.number }
}

/** Takes note that the store has come this far. Commits may be heard of in any order. */
export function raise(durable: Reached, to: Reached): void {
  if (to.paid > durable.paid) durable.paid = to.paid
  durable.contiguous = Math.max(durable.contiguous, to.contiguous)
  durable.segment = Math.max(durable.segment, to.segment)
}

/**
 * What the vendor says of a channel and its payment `index` (0: of none). It acknowledges no more than the store has: a
 * client does not resend what was acknowledged.
 */
export function statementOf(held: Held, index: number, charged: bigint): Statement {
  const { contiguous, segment } = held.durable
  return { ...Vendor.statement(held.channel, index, charged), contiguous, segment }
}

/** Lets whoever waits for credit look again. */
export function wake({ waiting }: Held): void {
  for (const one of waiting) one()
}

export function assertCurrent(held: Held): void {
  if (held.evicted) throw new EvictedError()
}

/** Reads cores as the store keeps them. */
export function readCores(lockScheme: keyof typeof lockSchemes, cores: readonly Uint8Array[]): Transcript.Core[] {
  const layout = Transcript.coreLayout(lockSchemes[lockScheme].lockSize)
  return cores.map((bytes) => {
    const core = layout.parse(bytes)
    if (!core.ok) throw new Error(`the store holds a payment that cannot be read: ${core.detail}`)
    return core.value
  })
}

function segmentOf(bytes: Uint8Array): Vendor.Segment {
  const checkpoint = Checkpoint.parse(bytes)
  if (!checkpoint.ok) throw new Error(`the store holds a checkpoint that cannot be read: ${checkpoint.detail}`)
  return Vendor.segmentOf(checkpoint.value)
}
