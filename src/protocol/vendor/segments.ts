import { equal } from '../../crypto/bytes.ts'
import * as CoinChain from '../../crypto/CoinChain.ts'
import * as Checkpoint from '../../wire/Checkpoint.ts'
import { segmentLengthMax } from '../../wire/kinds.ts'
import type { Terms } from '../../wire/Terms.ts'
import { type Refusal, refuse } from '../refusals.ts'

/** A segment as the vendor knows it: its price, and the highest coin of it seen so far. */
export interface Segment {
  readonly number: number
  /** A: what was paid before its first coin. */
  readonly base: bigint
  readonly unitPrice: bigint
  readonly length: number
  /** i of the checkpoint that opened it; payments up to i are in the segments before it. */
  readonly index: number
  /** t_i, as that checkpoint has it; none for segment 0. */
  readonly transcript: Uint8Array | undefined
  /** The checkpoint itself, as it came; none for segment 0. */
  readonly checkpoint: Uint8Array | undefined
  /** j of the highest coin seen; 0 is the anchor. */
  step: number
  /** w_j of the highest coin seen; at first the anchor. */
  coin: Uint8Array
}

/** Segment 0, which the terms open. */
export function firstSegment(terms: Terms): Segment {
  const { unitPrice, segmentLength, anchor } = terms
  return {
    number: 0,
    base: 0n,
    unitPrice,
    length: segmentLength,
    index: 0,
    transcript: undefined,
    checkpoint: undefined,
    step: 0,
    coin: anchor,
  }
}

export function segmentOf(checkpoint: Checkpoint.SignedCheckpoint): Segment {
  return {
    number: checkpoint.segment,
    base: checkpoint.amount,
    unitPrice: checkpoint.nextUnitPrice,
    length: checkpoint.nextLength,
    index: checkpoint.index,
    transcript: checkpoint.transcript,
    checkpoint: Checkpoint.encode(checkpoint),
    step: 0,
    coin: checkpoint.nextAnchor,
  }
}

/** `A + j·u`: what coin j of a segment proves to be paid. */
export function proven(segment: Segment, step: number): bigint {
  return segment.base + BigInt(step) * segment.unitPrice
}

/**
 * Whether `coin` is `w_step` of the segment. Walks from the higher of the two to the lower, at most one segment: a coin above
 * the highest one known hashes down to it, an older one is met on the way down from it.
 */
export function isCoin(segment: Segment, step: number, coin: Uint8Array, salt: Uint8Array): boolean {
  if (step > segment.length || step > segmentLengthMax) return false
  return step >= segment.step
    ? equal(CoinChain.walk({ coin, steps: step - segment.step, salt }), segment.coin)
    : equal(CoinChain.walk({ coin: segment.coin, steps: segment.step - step, salt }), coin)
}

/** Where a segment number stands among the ones known, which are in ascending order. */
export function findSegment(segments: readonly Segment[], number: number): Segment | undefined {
  for (let at = segments.length - 1; at >= 0; at--) {
    const segment = segments[at]!
    if (segment.number === number) return segment
    if (segment.number < number) return undefined
  }
  return undefined
}

/** The neighbours that bound what a new segment may be worth. */
export function neighbours(segments: readonly Segment[], number: number): { before?: Segment; after?: Segment } {
  const at = segments.findIndex((segment) => segment.number > number)
  const before = segments[(at < 0 ? segments.length : at) - 1]
  const after = at < 0 ? undefined : segments[at]
  return { ...(before && { before }), ...(after && { after }) }
}

/**
 * Checks a checkpoint that opens a segment not known yet, cheap checks first. Its transcript is another matter: a
 * checkpoint with a wrong one still pays.
 */
export function assessCheckpoint(args: {
  readonly checkpoint: Checkpoint.SignedCheckpoint
  readonly segments: readonly Segment[]
  readonly terms: Terms
  readonly channelId: Uint8Array
}): Refusal | { readonly ok: true; readonly segment: Segment } {
  const { checkpoint, segments, terms, channelId } = args
  const { before, after } = neighbours(segments, checkpoint.segment)
  if (before === undefined) {
    return refuse('SegmentUnknown', `segment ${checkpoint.segment} is older than every segment in the window`)
  }
  const floor = proven(before, before.step)
  if (checkpoint.amount < floor) {
    return refuse(
      'CheckpointAmount',
      `checkpoint of ${checkpoint.amount} below ${floor}, which a segment before it proved`,
    )
  }
  const worth = checkpoint.amount + BigInt(checkpoint.nextLength) * checkpoint.nextUnitPrice
  if (worth > terms.funds) {
    return refuse('SegmentTooLarge', `segment ${checkpoint.segment} reaches ${worth} of ${terms.funds} in the channel`)
  }
  if (after !== undefined && checkpoint.amount > after.base) {
    return refuse(
      'CheckpointAmount',
      `checkpoint of ${checkpoint.amount} above ${after.base}, the base of a later segment`,
    )
  }
  if (!Checkpoint.verify(terms.channelKey, channelId, checkpoint)) {
    return refuse('CheckpointSignature', `checkpoint ${checkpoint.segment} is not signed by the channel key`)
  }
  return { ok: true, segment: segmentOf(checkpoint) }
}
