import type { UnixSeconds } from '../../wire/amount.ts'
import { amount, count } from '../../wire/amount.ts'
import * as Checkpoint from '../../wire/Checkpoint.ts'
import * as Frame from '../../wire/Frame.ts'
import { indexMax, segmentLengthMax, windowSize } from '../../wire/kinds.ts'
import * as Terms from '../../wire/Terms.ts'
import * as Transaction from '../../wire/Transaction.ts'
import * as Transcript from '../../wire/Transcript.ts'
import { assert } from '../assert.ts'
import { type Refusal, refuse } from '../refusals.ts'
import { type ClientChannel, createSegment, credit } from './Channel.ts'

/** One payment, ready to be stored and then sent, always as these bytes. */
export interface Paid {
  readonly index: number
  readonly frame: Uint8Array
  /** Sent along, before the frame, until a statement acknowledges it. */
  readonly checkpoint: Uint8Array | undefined
  readonly core: Uint8Array
  /** σ_i: the client's secret until the release. */
  readonly receipt: Uint8Array
}

/**
 * Pays `price` for what `digest` names: credit first, then coins, then a checkpoint where the segment has too few left.
 * Signs `Tx_i` for a new index; it never signs two for one.
 */
export function pay(
  channel: ClientChannel,
  purchase: { readonly price: bigint; readonly digest: Uint8Array; readonly now: UnixSeconds },
): Refusal | { readonly ok: true; readonly payment: Paid } {
  assert(purchase.price >= 0n, 'a price is not negative')
  const standing = assessStanding(channel, purchase.now)
  if (standing !== undefined) return standing
  if (channel.index >= indexMax) return refuse('FundsExhausted', 'the channel has no index left: open another one')
  const missing = purchase.price - credit(channel)
  const revealed = reveal(channel, missing > 0n ? missing : 0n)
  if (!revealed.ok) return revealed

  const { key, channelId, scheme, segment, macs } = channel
  const index = channel.index + 1
  const transaction = Transaction.encode({
    channelId,
    index,
    amount: amount(channel.paid),
    paidAt: purchase.now,
    digest: purchase.digest,
  })
  const receipt = scheme.sign(key, Transaction.transactionDigest(transaction))
  const commitment = scheme.commit(receipt)
  const lock = scheme.lock({ channelId, index, previous: channel.receipt, receipt })
  const coin = segment.step === 0 ? noCoin : segment.coins[segment.step]!
  const core = Transcript.encode({ transaction, segment: segment.number, step: segment.step, coin, commitment, lock })
  const frame = Frame.encodePayment(
    {
      reference: Terms.reference(channelId),
      segment: segment.number,
      step: segment.step,
      index,
      paidAt: purchase.now,
      digest: purchase.digest,
      coin,
      commitment,
      lock,
    },
    macs.frame,
  )
  channel.index = index
  channel.transcript = Transcript.next(channel.transcript, core)
  channel.receipt = receipt
  channel.agreed += purchase.price
  channel.outstanding.set(index, purchase.price)
  return { ok: true, payment: { index, frame, checkpoint: channel.checkpoint, core, receipt } }
}

/** A payment that takes over a stream from the payment before it, with what that one has left. */
export function renew(
  channel: ClientChannel,
  previous: number,
  purchase: { readonly price: bigint; readonly digest: Uint8Array; readonly now: UnixSeconds },
): Refusal | { readonly ok: true; readonly payment: Paid } {
  const next = pay(channel, purchase)
  if (next.ok && channel.outstanding.has(previous)) channel.successors.set(previous, next.payment.index)
  return next
}

/** Pays units of payment `index`, which is in progress, with a coin alone. The price counts as agreed to, for that payment. */
export function tick(
  channel: ClientChannel,
  args: { readonly index: number; readonly units: number; readonly now: UnixSeconds },
): Refusal | { readonly ok: true; readonly frame: Uint8Array; readonly checkpoint: Uint8Array | undefined } {
  const { units } = args
  assert(Number.isInteger(units) && units >= 1 && units <= segmentLengthMax, 'a tick pays 1 to 1,024 units')
  const standing = assessStanding(channel, args.now)
  if (standing !== undefined) return standing
  const promised = channel.outstanding.get(args.index)
  if (promised === undefined) return refuse('PaymentMissing', 'a tick adds to a payment in progress: pay first')
  const price = BigInt(units) * channel.segment.unitPrice
  if (channel.segment.step + units > channel.segment.length) {
    const opened = openSegment(channel, { extra: 0n, coming: price })
    if (!opened.ok) return opened
  }
  const { segment, channelId, macs } = channel
  segment.step += units
  channel.paid += price
  channel.agreed += price
  channel.outstanding.set(args.index, promised + price)
  const frame = Frame.encodeTick(
    {
      reference: Terms.reference(channelId),
      segment: segment.number,
      step: segment.step,
      coin: segment.coins[segment.step]!,
    },
    macs.frame,
  )
  return { ok: true, frame, checkpoint: channel.checkpoint }
}

/** A checkpoint over all that happened so far, opening a fresh segment: due at the end of a stream and after a silence. */
export function checkpoint(channel: ClientChannel): Refusal | { readonly ok: true; readonly checkpoint: Uint8Array } {
  if (channel.frozen !== undefined) return refuse('ClosingDisputed', channel.frozen)
  const opened = openSegment(channel, { extra: 0n, coming: 0n })
  return opened.ok ? { ok: true, checkpoint: channel.checkpoint! } : opened
}

/** Signs what the channel stands at, with the segment that follows. `length` 0 opens none. */
export function signCheckpoint(
  channel: ClientChannel,
  next: { readonly number: number; readonly amount: bigint; readonly anchor: Uint8Array; readonly length: number },
): Uint8Array {
  return Checkpoint.encode(
    Checkpoint.sign(channel.key, channel.channelId, {
      segment: next.number,
      index: channel.index,
      amount: amount(next.amount),
      transcript: channel.transcript,
      nextAnchor: next.anchor,
      nextUnitPrice: channel.terms.unitPrice,
      nextLength: next.length,
    }),
  )
}

const noCoin = new Uint8Array(32)

function assessStanding(channel: ClientChannel, now: UnixSeconds): Refusal | undefined {
  if (channel.frozen !== undefined) return refuse('ClosingDisputed', channel.frozen)
  const { expiresAt } = channel.terms
  return now < expiresAt ? undefined : refuse('ChannelExpired', `the channel expired at ${expiresAt}: open another one`)
}

/** What a payment of this price reveals beyond what is revealed: nothing where there is credit enough. */
export function revealedBy(channel: ClientChannel, price: bigint): bigint {
  const missing = price - credit(channel)
  const units = unitsFor(channel, missing > 0n ? missing : 0n)
  return units === undefined ? (missing > 0n ? missing : 0n) : units * channel.segment.unitPrice
}

/**
 * Reveals coins worth at least `missing`, or a checkpoint worth exactly that where the segment has too few left or has seen
 * 1,024 payments.
 */
function reveal(channel: ClientChannel, missing: bigint): Refusal | { readonly ok: true } {
  const { segment } = channel
  const needed = unitsFor(channel, missing)
  if (needed === undefined) return openSegment(channel, { extra: missing, coming: 0n })
  segment.step += count(needed)
  channel.paid += needed * segment.unitPrice
  return { ok: true }
}

/** How many coins pay what is missing; none where a checkpoint has to. */
function unitsFor({ segment, index }: ClientChannel, missing: bigint): bigint | undefined {
  const units = (missing + segment.unitPrice - 1n) / segment.unitPrice
  // The anchor of segment 0 is no coin: the first payment reveals one even where it costs nothing.
  const needed = units === 0n && segment.number === 0 && segment.step === 0 ? 1n : units
  const due = index - segment.index >= windowSize
  return due || BigInt(segment.step) + needed > BigInt(segment.length) ? undefined : needed
}

/** Replaces the segment by the next one, whose checkpoint pays `extra` at once and whose coins can pay what is `coming`. */
function openSegment(
  channel: ClientChannel,
  { extra, coming }: { readonly extra: bigint; readonly coming: bigint },
): Refusal | { readonly ok: true } {
  const { terms, segment, index } = channel
  const base = channel.paid + extra
  if (base + coming > terms.funds) {
    const more = extra + coming
    return refuse('FundsExhausted', `${more} more would pass the ${terms.funds} in the channel: open another one`)
  }
  const affordable = (terms.funds - base) / segment.unitPrice
  const length = affordable > BigInt(segmentLengthMax) ? segmentLengthMax : count(affordable)
  const number = segment.number + 1
  const { channelSeed } = channel
  const { coinSalt } = terms
  const { unitPrice } = segment
  const next = createSegment({ channelSeed, coinSalt }, { number, base, unitPrice, length, index })
  channel.checkpoint = signCheckpoint(channel, { number, amount: base, anchor: next.coins[0]!, length })
  channel.segment = next
  channel.paid = base
  return { ok: true }
}
