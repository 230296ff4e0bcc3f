import { equal } from '../../crypto/bytes.ts'
import type * as Schnorr from '../../crypto/Schnorr.ts'
import { amount } from '../../wire/amount.ts'
import * as Checkpoint from '../../wire/Checkpoint.ts'
import * as Close from '../../wire/Close.ts'
import * as Closing from '../../wire/Closing.ts'
import type { Core } from '../../wire/Transcript.ts'
import * as Transcript from '../../wire/Transcript.ts'
import { assert } from '../assert.ts'
import { type Chain, openFromLast } from '../receipts.ts'
import { type Refusal, refuse } from '../refusals.ts'
import { assessFresh, type VendorChannel } from './Channel.ts'
import { holdWrongLock } from './locks.ts'
import { assessCheckpoint, findSegment, proven, type Segment, segmentOf } from './segments.ts'
import { addSegment } from './verdict.ts'

/**
 * ```mermaid
 * stateDiagram-v2
 *   [*] --> open: a valid attachment
 *   open --> closing: createClosing (nothing missing, nothing running)
 *   closing --> closed: the bank has paid
 * ```
 * Signs the vendor's last statement. The caller stores the channel before the closing leaves; nothing is accepted after it. On
 * a stale channel it signs none: another one may have been signed before, over less than is claimed.
 */
export function createClosing(
  channel: VendorChannel,
  vendor: Schnorr.KeyPair,
): Refusal | { readonly ok: true; readonly closing: Closing.Closing } {
  const { window } = channel
  const stale = assessFresh(channel)
  if (stale !== undefined) {
    // Its client wants no more of it: what the store has is claimed, and the rest comes back.
    if (channel.phase === 'open') channel.phase = 'closing'
    return stale
  }
  // A checkpoint past the prefix is the client's word that it made those payments: without them it would not release.
  if (window.ahead.size > 0 || channel.segments.some(({ index }) => index > window.contiguous)) {
    return refuse(
      'PaymentsMissing',
      `payment ${window.contiguous + 1} is missing while later ones were made: resend it`,
    )
  }
  if (channel.reserved > 0n) return refuse('RequestsRunning', `requests worth ${channel.reserved} are still running`)
  if (channel.phase === 'open') channel.phase = 'closing'
  const statement = {
    channelId: channel.channelId,
    index: window.contiguous,
    spent: amount(channel.spent),
    transcript: window.transcript,
  }
  return { ok: true, closing: Closing.sign(vendor, statement) }
}

/** The chain of a channel whose every core the caller loads from its store. */
export function chainOf(channel: VendorChannel, cores: readonly Core[]): Chain {
  assert(cores.length === channel.window.contiguous, 'the store holds every core of the prefix')
  const { terms, channelId, attachment } = channel
  return { terms, channelId, commitment: attachment.commitment, cores }
}

export type ReleaseVerdict =
  | Refusal
  | { readonly ok: true; readonly receipts: readonly Uint8Array[]; readonly checkpoint: Checkpoint.SignedCheckpoint }

/** The client's answer to a closing: `σ_n` must open every receipt, the checkpoint must stand at n over all that was paid. */
export function acceptRelease(channel: VendorChannel, release: Closing.Release, chain: Chain): ReleaseVerdict {
  const assessed = assessRelease(channel, release)
  if (!assessed.ok) return assessed
  const opened = openFromLast(chain, release.receipt, channel.locks?.index === chain.cores.length)
  if (!opened.ok) return refuseOpening(opened.index)
  return { ok: true, receipts: opened.receipts, checkpoint: assessed.checkpoint }
}

/** All of it but the receipts. */
export function assessRelease(
  channel: VendorChannel,
  release: Closing.Release,
): Refusal | { readonly ok: true; readonly checkpoint: Checkpoint.SignedCheckpoint } {
  const { window, terms, channelId } = channel
  if (channel.phase === 'open')
    return refuse('ReleaseInvalid', 'the vendor has not stated its last: ask for its closing')
  if (!equal(release.channelId, channelId)) return refuse('ChannelUnknown', 'the release names another channel')
  const checkpoint = Checkpoint.parse(release.checkpoint)
  if (!checkpoint.ok) return checkpoint
  const { index, transcript, amount: total } = checkpoint.value
  if (index !== window.contiguous || !equal(transcript, window.transcript)) {
    return refuse(
      'ReleaseInvalid',
      `the checkpoint stands at payment ${index}, not at ${window.contiguous}, or over another transcript`,
    )
  }
  if (total < channel.paid) return refuse('CheckpointAmount', `the checkpoint says ${total}; ${channel.paid} was paid`)
  const known = channel.segments.find((segment) => segment.number === checkpoint.value.segment)?.checkpoint
  if (known === undefined) {
    const verdict = assessCheckpoint({ checkpoint: checkpoint.value, segments: channel.segments, terms, channelId })
    if (!verdict.ok) return verdict
  } else if (!equal(known, release.checkpoint)) {
    return refuse('CheckpointConflict', `segment ${checkpoint.value.segment} was opened by another checkpoint`)
  }
  return { ok: true, checkpoint: checkpoint.value }
}

/** A release whose receipts open down to this one, and not to it. */
export function refuseOpening(index: number): Refusal {
  return refuse('ReleaseInvalid', `receipt ${index} does not open`)
}

/**
 * Keeps the checkpoint of a release whose receipts opened down to `σ_index`, and no further: it pays, and signs the wrong lock. Gives
 * the segment that it opens, if that is a new one.
 */
export function keepCheckpoint(
  channel: VendorChannel,
  { checkpoint, index }: { readonly checkpoint: Checkpoint.SignedCheckpoint; readonly index: number },
): Segment | undefined {
  channel.wrongLock ??= index
  const isKnown = findSegment(channel.segments, checkpoint.segment) !== undefined
  const segment = isKnown ? undefined : segmentOf(checkpoint)
  if (segment === undefined) holdWrongLock(channel)
  else addSegment(channel, segment)
  return segment
}

/**
 * Takes back what a stale channel had stated in the life that was lost: the closing that its client answered, as the bank has
 * both. It signed one closing at most, so that it charges by it what it had charged, and no closing says less. Gives whether
 * it was that.
 */
export function recallClosing(channel: VendorChannel, closing: Closing.Closing, release: Closing.Release): boolean {
  const { stale, channelId, terms, spent, paid } = channel
  const checkpoint = Checkpoint.parse(release.checkpoint)
  if (!stale || !checkpoint.ok || !equal(closing.channelId, channelId)) return false
  const { index, transcript, amount: total } = checkpoint.value
  if (index !== closing.index || !equal(transcript, closing.transcript)) return false
  if (closing.spent < spent || closing.spent > total || total < paid || total > terms.funds) return false
  if (!Closing.verify(terms.vendor, closing) || !Checkpoint.verify(terms.channelKey, channelId, checkpoint.value)) {
    return false
  }
  channel.phase = 'closing'
  channel.spent = closing.spent
  channel.paid = total
  return true
}

/**
 * The vendor's claim on the bank for what it charged, with the best evidence it has: the checkpoint of a release, or else the
 * latest segment's checkpoint and highest coin. Nothing is accepted or charged after it, also where no closing came before
 * it because payments are missing.
 */
export function createClose(args: {
  readonly channel: VendorChannel
  readonly vendor: Schnorr.KeyPair
  /** t_{n-1} and core_n; none where n is 0. */
  readonly last: { readonly previousTranscript: Uint8Array; readonly core: Uint8Array } | undefined
  readonly release: Checkpoint.SignedCheckpoint | undefined
}): Close.SignedClose {
  const { channel, vendor, last, release } = args
  if (channel.phase === 'open') channel.phase = 'closing'
  return Close.sign(vendor, {
    channelId: channel.channelId,
    amount: amount(channel.spent),
    index: channel.window.contiguous,
    previousTranscript: last?.previousTranscript ?? new Uint8Array(32),
    core: last?.core ?? new Uint8Array(0),
    transcript: channel.window.transcript,
    evidence: evidenceOf(channel, release),
  })
}

/** t_{n-1} and core_n of a channel, from its cores in order. */
export function lastOf(chain: Chain): { previousTranscript: Uint8Array; core: Uint8Array } | undefined {
  if (chain.cores.length === 0) return undefined
  let previousTranscript = Transcript.first(chain.channelId, chain.commitment)
  for (const core of chain.cores.slice(0, -1)) {
    previousTranscript = Transcript.next(previousTranscript, Transcript.encode(core))
  }
  return { previousTranscript, core: Transcript.encode(chain.cores.at(-1)!) }
}

function evidenceOf(channel: VendorChannel, release: Checkpoint.SignedCheckpoint | undefined): Close.Evidence {
  if (release !== undefined) {
    return { kind: 'coins', checkpoint: Checkpoint.encode(release), step: 0, coin: new Uint8Array(32) }
  }
  const best = channel.segments.reduce((left, right) =>
    proven(right, right.step) >= proven(left, left.step) ? right : left,
  )
  if (proven(best, best.step) === 0n) return { kind: 'none' }
  const { checkpoint, step } = best
  return { kind: 'coins', step, coin: step === 0 ? new Uint8Array(32) : best.coin, ...(checkpoint && { checkpoint }) }
}
