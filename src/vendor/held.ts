import { lockSchemes } from '../crypto/locks.ts'
import { Vendor } from '../protocol/index.ts'
import * as Attachment from '../wire/Attachment.ts'
import { amount } from '../wire/amount.ts'
import * as Checkpoint from '../wire/Checkpoint.ts'
import type { Statement } from '../wire/Statement.ts'
import * as Transcript from '../wire/Transcript.ts'
import type { Answer, PaymentStatus, StoredChannel, StoredPayment } from './store/contract.ts'

/** A channel in memory: its machine, and what only this process knows of it. */
export interface Held {
  readonly channel: Vendor.VendorChannel
  /** Requests under way here, by index: at most one a payment. */
  readonly running: Map<number, Running>
  /** Which reading of the store it comes from: see {@link Till}. */
  readonly generation: number
  /** Paid, as far as the store has it: only this may be delivered against. */
  durable: bigint
  closing: Uint8Array | undefined
  release: Uint8Array | undefined
  claim: Uint8Array | undefined
}

/** A request under way, and what it is for. */
export interface Running {
  readonly digest: Uint8Array
  readonly answered: Promise<Answered>
}

/** A request answered, with what the vendor says of its payment. */
export interface Answered {
  readonly answer: Answer
  readonly statement: Statement
}

export function hold(channel: Vendor.VendorChannel, generation: number): Held {
  const nothing = { closing: undefined, release: undefined, claim: undefined }
  return { channel, generation, running: new Map(), durable: channel.paid, ...nothing }
}

/** The channel as its store has it. Requests that were running when the vendor stopped hold nothing: they are in doubt. */
export function restore(stored: StoredChannel, frameKey: Uint8Array, generation: number): Held {
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
  const { closing, release, claim } = stored
  return { ...hold(channel, generation), closing, release, claim }
}

/** The channel as it is now, for its store. */
export function snapshot(held: Held): StoredChannel {
  const { channel, closing, release, claim } = held
  const { window, attachment } = channel
  return {
    ...attachment,
    channelId: channel.channelId,
    phase: channel.phase,
    suspended: channel.suspended,
    strikes: channel.strikes,
    paid: channel.paid,
    spent: channel.spent,
    contiguous: window.contiguous,
    transcript: window.transcript,
    amount: window.amount,
    segments: channel.segments.map(({ number, checkpoint, step, coin }) => ({ number, checkpoint, step, coin })),
    ahead: [],
    closing,
    release,
    claim,
  }
}

/** A payment's row. */
export function paymentRow(
  held: Held,
  accepted: Vendor.Accepted,
  state: { readonly status: PaymentStatus; readonly charged: bigint; readonly answer?: Answer | undefined },
): StoredPayment {
  return { ...accepted, channelId: held.channel.channelId, ...state, answer: state.answer }
}

export function acceptedOf(payment: StoredPayment): Vendor.Accepted {
  return { ...payment, amount: amount(payment.amount) }
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
