import { equal, isZero } from '../../crypto/bytes.ts'
import type { UnixSeconds } from '../../wire/amount.ts'
import { amount } from '../../wire/amount.ts'
import * as Checkpoint from '../../wire/Checkpoint.ts'
import type { Payment, Tick } from '../../wire/Frame.ts'
import { checkpointEvery, indexMax, windowSize } from '../../wire/kinds.ts'
import { isSealed } from '../../wire/mac.ts'
import * as Terms from '../../wire/Terms.ts'
import * as Transcript from '../../wire/Transcript.ts'
import { assert } from '../assert.ts'
import { type Refusal, refuse } from '../refusals.ts'
import { type Accepted, assessFresh, strikesMax, suspend, type VendorChannel } from './Channel.ts'
import { holdWrongLock } from './locks.ts'
import { assessCheckpoint, findSegment, isCoin, neighbours, proven, type Segment } from './segments.ts'

/** A message as it came, and as it was read. */
export interface Received<T> {
  readonly bytes: Uint8Array
  readonly value: T
}

export type PaymentVerdict = Refusal | { readonly ok: true; readonly accepted: Accepted }

/**
 * The verdict on a payment, in the order of Design 3.5; size, version and channel were looked at to get here. A refusal changes
 * nothing but the strike counter. After an acceptance the caller makes the channel durable, then looks at the request.
 *
 * `IndexSeen` says only that the index is taken: whether this is the same payment again, the store knows.
 */
export function acceptPayment(
  channel: VendorChannel,
  received: Received<Payment>,
  checkpoint: Checkpoint.SignedCheckpoint | undefined,
  now: UnixSeconds,
): PaymentVerdict {
  const payment = received.value
  const standing = assessStanding(channel, received, now)
  if (standing !== undefined) return standing

  const { window } = channel
  if (payment.index <= window.contiguous || window.ahead.has(payment.index)) {
    return refuse('IndexSeen', `payment ${payment.index} was accepted before`)
  }
  if (payment.index > window.contiguous + windowSize) {
    return refuse(
      'IndexOutsideWindow',
      `payment ${payment.index} is more than ${windowSize} ahead of ${window.contiguous}, the last one without a gap`,
    )
  }

  if (payment.lock.length !== channel.scheme.lockSize || !channel.scheme.isLock(payment.lock)) {
    return refuse('LockMalformed', `payment ${payment.index} carries no ${channel.scheme.name} lock`)
  }

  const opening = openSegment(channel, checkpoint)
  if (!opening.ok) return opening
  const segment =
    opening.segment?.number === payment.segment ? opening.segment : findSegment(channel.segments, payment.segment)
  if (segment === undefined) {
    return refuse('SegmentUnknown', `segment ${payment.segment} is not open here: send its checkpoint along`)
  }

  // A checkpoint every 1,024 payments: what proves a fraud to the bank then never holds more of them.
  if (payment.index <= segment.index || payment.index > segment.index + checkpointEvery) {
    return refuse(
      'IndexOutsideSegment',
      `segment ${segment.number} is for payments ${segment.index + 1} to ${segment.index + checkpointEvery}, not ${payment.index}`,
    )
  }

  const coin = assessCoin(channel, segment, payment, opening.segment)
  if (coin !== undefined) return coin

  const total = proven(segment, payment.step)
  const inconsistent = assessAmount(channel, payment.index, total)
  if (inconsistent !== undefined) return inconsistent

  if (opening.segment !== undefined) addSegment(channel, opening.segment)
  raise(channel, segment, payment.step, payment.coin)
  const accepted = accept(channel, payment, total)
  if (payment.index === window.contiguous + 1) advance(channel, accepted)
  else window.ahead.set(payment.index, accepted)
  return { ok: true, accepted }
}

/**
 * The verdict on a tick: as a payment's, without an index. A tick seen before is accepted again and changes nothing; so is one
 * that comes late, of a segment dropped since: the base of the segment after it has paid what it could.
 */
export function acceptTick(
  channel: VendorChannel,
  received: Received<Tick>,
  now: UnixSeconds,
): Refusal | { readonly ok: true } {
  const tick = received.value
  const standing = assessStanding(channel, received, now)
  if (standing !== undefined) return standing
  if (channel.window.contiguous === 0 && channel.window.ahead.size === 0) {
    return refuse('PaymentMissing', 'a tick adds to a payment in progress, and this channel has made none')
  }
  if (tick.segment < channel.segments[0]!.number) return { ok: true }
  const segment = findSegment(channel.segments, tick.segment)
  if (segment === undefined) {
    return refuse('SegmentUnknown', `segment ${tick.segment} is not open here: send its checkpoint first`)
  }
  const coin = assessCoin(channel, segment, tick, undefined)
  if (coin !== undefined) return coin
  raise(channel, segment, tick.step, tick.coin)
  return { ok: true }
}

/** The verdict on a checkpoint that comes alone, as at the end of a stream. One seen before is accepted again. */
export function acceptCheckpoint(
  channel: VendorChannel,
  checkpoint: Checkpoint.SignedCheckpoint,
  now: UnixSeconds,
): Refusal | { readonly ok: true } {
  if (!isReference(channel, checkpoint.reference))
    return refuse('ChannelUnknown', 'the checkpoint names another channel')
  const closed = assessOpen(channel) ?? assessLife(channel, now)
  if (closed !== undefined) return closed
  const opening = openSegment(channel, checkpoint)
  if (!opening.ok) return opening
  if (opening.segment !== undefined) addSegment(channel, opening.segment)
  return { ok: true }
}

function assessStanding(
  channel: VendorChannel,
  { bytes, value }: Received<Payment | Tick>,
  now: UnixSeconds,
): Refusal | undefined {
  if (!isReference(channel, value.reference)) return refuse('ChannelUnknown', 'the frame names another channel')
  const closed = assessOpen(channel)
  if (closed !== undefined) return closed
  if (!isSealed(bytes, channel.macs.frame)) return refuse('MacMismatch', 'the frame’s MAC is not this channel’s')
  return assessLife(channel, now)
}

function assessOpen(channel: VendorChannel): Refusal | undefined {
  if (channel.phase !== 'open') return refuse('ChannelClosed', 'the vendor has stated its last: open another channel')
  return (
    assessFresh(channel) ??
    (channel.suspended === undefined ? undefined : refuse('ChannelSuspended', channel.suspended))
  )
}

function isReference(channel: VendorChannel, reference: Uint8Array): boolean {
  return equal(reference, Terms.reference(channel.channelId))
}

function assessLife(channel: VendorChannel, now: UnixSeconds): Refusal | undefined {
  const { expiresAt } = channel.terms
  return now < expiresAt ? undefined : refuse('ChannelExpired', `the channel expired at ${expiresAt}; it is ${now}`)
}

/** The segment that a checkpoint opens, if it is a new one. Of any other nothing is believed: its signature is not checked. */
function openSegment(
  channel: VendorChannel,
  checkpoint: Checkpoint.SignedCheckpoint | undefined,
): Refusal | { readonly ok: true; readonly segment?: Segment } {
  if (checkpoint === undefined) return { ok: true }
  const { segments, terms, channelId, window } = channel
  if (!isReference(channel, checkpoint.reference))
    return refuse('ChannelUnknown', 'the checkpoint names another channel')
  // A checkpoint that was used up long ago is resent until its acknowledgement arrives.
  if (checkpoint.segment < segments[0]!.number) return { ok: true }
  const known = findSegment(segments, checkpoint.segment)
  if (known !== undefined) {
    const same = known.checkpoint !== undefined && equal(known.checkpoint, Checkpoint.encode(checkpoint))
    return same
      ? { ok: true }
      : refuse('CheckpointConflict', `segment ${checkpoint.segment} was opened by another checkpoint`)
  }
  if (checkpoint.index > window.contiguous + windowSize) {
    return refuse('IndexOutsideWindow', `the checkpoint stands at payment ${checkpoint.index}, past the window`)
  }
  const inUse = segments.length - firstInUse(channel)
  if (inUse > windowSize + 1) {
    return refuse('IndexOutsideWindow', `${inUse} segments are open: send the payments that are missing first`)
  }
  return assessCheckpoint({ checkpoint, segments, terms, channelId })
}

/** A wrong coin behind a valid MAC comes from the client itself: it counts as a strike. */
function assessCoin(
  channel: VendorChannel,
  segment: Segment,
  paid: { readonly segment: number; readonly step: number; readonly coin: Uint8Array },
  opening: Segment | undefined,
): Refusal | undefined {
  if (paid.step > segment.length) {
    return refuse('StepOutOfRange', `coin ${paid.step} of segment ${paid.segment}, which has ${segment.length}`)
  }
  const valid =
    paid.step === 0
      ? segment.checkpoint !== undefined && isZero(paid.coin)
      : isCoin(segment, paid.step, paid.coin, channel.terms.coinSalt)
  if (!valid) return strike(channel, `coin ${paid.step} of segment ${paid.segment} does not hash to its anchor`)
  const after = segmentAfter(channel, segment, opening)
  if (after !== undefined && proven(segment, paid.step) > after.base) {
    return refuse('AmountInconsistent', `coin ${paid.step} of segment ${paid.segment} is worth more than a later base`)
  }
  return undefined
}

/** The segment that follows, which bounds this one's coins: one that is known, or that is being opened. */
function segmentAfter(
  { segments }: VendorChannel,
  { number }: Segment,
  opening: Segment | undefined,
): Segment | undefined {
  const after = segments.at(-1)!.number > number ? neighbours(segments, number).after : undefined
  const isBetween = opening !== undefined && opening.number > number && opening.number < (after?.number ?? Infinity)
  return isBetween ? opening : after
}

function strike(channel: VendorChannel, detail: string): Refusal {
  channel.strikes += 1
  if (channel.strikes >= strikesMax) suspend(channel, `${channel.strikes} wrong coins: ${detail}`)
  return refuse('CoinMismatch', detail)
}

/** Amounts never fall as indices rise, among the payments known. */
function assessAmount(channel: VendorChannel, index: number, total: bigint): Refusal | undefined {
  const { window } = channel
  let below = index - 1
  while (below > window.contiguous && !window.ahead.has(below)) below -= 1
  const floor = below > window.contiguous ? window.ahead.get(below)!.amount : window.amount
  if (total < floor) {
    return refuse('AmountInconsistent', `payment ${index} reaches ${total}; payment ${below} had reached ${floor}`)
  }
  for (const [other, { amount: ceiling }] of window.ahead) {
    if (other > index && total > ceiling) {
      return refuse('AmountInconsistent', `payment ${index} reaches ${total}; payment ${other} only ${ceiling}`)
    }
  }
  return undefined
}

function accept(channel: VendorChannel, payment: Payment, total: bigint): Accepted {
  const core = Transcript.encodeWhole({ ...payment, channelId: channel.channelId, amount: amount(total) })
  return { index: payment.index, segment: payment.segment, amount: amount(total), digest: payment.digest, core }
}

function raise(channel: VendorChannel, segment: Segment, step: number, coin: Uint8Array): void {
  if (step > segment.step) {
    segment.step = step
    segment.coin = coin
  }
  const total = proven(segment, step)
  if (total > channel.paid) channel.paid = total
  assert(channel.paid <= channel.terms.funds, 'paid ≤ funds')
}

/** Takes in a segment whose checkpoint was verified. What the checkpoint pays is paid at once. */
export function addSegment(channel: VendorChannel, segment: Segment): void {
  holdToPlace(channel, segment)
  const at = channel.segments.findIndex((other) => other.number > segment.number)
  if (at < 0) channel.segments.push(segment)
  else channel.segments.splice(at, 0, segment)
  raise(channel, segment, 0, segment.coin)
  holdCheckpoints(channel)
  dropSegments(channel)
}

/**
 * Holds a new checkpoint to its place: the payments after `index` are in its segment or a later one. An honest one stands no
 * lower than those before it, no higher than those after it, and not behind the prefix: the segment of a payment after it would be
 * known, and this one with it, or be too old to open. What stands elsewhere contradicts the transcript without a look at `t_i`.
 */
function holdToPlace(channel: VendorChannel, { number, index }: Segment): void {
  const { before, after } = neighbours(channel.segments, number)
  const contradiction = `a checkpoint contradicts the transcript at payment ${index}`
  if (index < channel.window.contiguous) suspend(channel, `${contradiction}: the next one was made without it`)
  const isInOrder = index >= (before?.index ?? 0) && index <= (after?.index ?? indexMax)
  if (!isInOrder) suspend(channel, `${contradiction}: it is out of the order of the others`)
}

/** Takes a payment into the prefix, then those ahead that now follow without a gap. */
function advance(channel: VendorChannel, accepted: Accepted): void {
  const { window } = channel
  for (let next: Accepted | undefined = accepted; next !== undefined; next = window.ahead.get(window.contiguous + 1)) {
    assert(next.index === window.contiguous + 1, 'the prefix grows by one')
    window.ahead.delete(next.index)
    window.contiguous = next.index
    window.transcript = Transcript.next(window.transcript, next.core)
    window.amount = next.amount
    holdCheckpoints(channel)
  }
  dropSegments(channel)
}

/** Holds the checkpoints that stand where the prefix ends to their word on the transcript. */
function holdCheckpoints(channel: VendorChannel): void {
  const { segments, window } = channel
  for (const { index, transcript } of segments) {
    if (index !== window.contiguous || transcript === undefined || equal(transcript, window.transcript)) continue
    suspend(channel, `a checkpoint contradicts the transcript at payment ${index}`)
  }
}

/** Drops the segments that no payment still to come can be in. The next one's base proves all that they proved. */
function dropSegments(channel: VendorChannel): void {
  channel.segments.splice(0, firstInUse(channel))
  holdWrongLock(channel)
}

/** Every payment after the prefix was made after the checkpoints that the prefix has reached: the last of them is where it starts. */
function firstInUse({ segments, window }: VendorChannel): number {
  let at = segments.length - 1
  while (at > 0 && segments[at]!.index > window.contiguous) at -= 1
  return at
}
