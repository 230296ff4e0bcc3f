import { concat, equal } from '../crypto/bytes.ts'
import { taggedHash } from '../crypto/hash.ts'
import * as Schnorr from '../crypto/Schnorr.ts'
import type { Amount } from './amount.ts'
import { kinds, segmentLengthMax, sizes } from './kinds.ts'
import type { Layout } from './layout.ts'
import { amountField, bytes, constant, layout, u16, u32 } from './layout.ts'
import { malformed, type Parsed } from './parsed.ts'

/**
 * The channel key's clear signature over the amount so far and the next segment: Design 3.2.
 * `segment` is the number of the segment it opens; its base amount `A` is `amount`.
 */
export interface Checkpoint {
  readonly segment: number
  /** i: the last payment before it. */
  readonly index: number
  /** All that is paid once it is accepted. */
  readonly amount: Amount
  /** t_i. */
  readonly transcript: Uint8Array
  readonly nextAnchor: Uint8Array
  readonly nextUnitPrice: Amount
  /** 0 opens no segment. */
  readonly nextLength: number
}

/** A checkpoint as it travels: 171 bytes. */
export interface SignedCheckpoint extends Checkpoint {
  readonly reference: Uint8Array
  readonly signature: Uint8Array
}

const body: Layout<Checkpoint> = layout('checkpoint', {
  segment: u32,
  index: u32,
  amount: amountField,
  transcript: bytes(sizes.hash),
  nextAnchor: bytes(sizes.coin),
  nextUnitPrice: amountField,
  nextLength: u16,
})

const signed: Layout<SignedCheckpoint & { readonly kind: number }> = layout('checkpoint', {
  kind: constant(kinds.checkpoint),
  reference: bytes(sizes.reference),
  segment: u32,
  index: u32,
  amount: amountField,
  transcript: bytes(sizes.hash),
  nextAnchor: bytes(sizes.coin),
  nextUnitPrice: amountField,
  nextLength: u16,
  signature: bytes(sizes.signature),
})

const hashCheckpoint = taggedHash('lockstep/checkpoint')

export const size: number = signed.size

export function encode(checkpoint: SignedCheckpoint): Uint8Array<ArrayBuffer> {
  return signed.encode({ ...checkpoint, kind: kinds.checkpoint })
}

export function parse(input: Uint8Array): Parsed<SignedCheckpoint> {
  const result = signed.parse(input)
  if (!result.ok) return result
  const { segment, nextLength, nextUnitPrice } = result.value
  if (segment < 1) return malformed('checkpoint: segment 0 is opened by the terms')
  if (nextLength > segmentLengthMax) return malformed('checkpoint: nextLength is at most 1,024')
  if (nextUnitPrice < 1n) return malformed('checkpoint: nextUnitPrice is at least 1')
  return result
}

/** What the channel key signs: `taggedHash("lockstep/checkpoint", channelId ‖ body)`. */
export function digest(channelId: Uint8Array, checkpoint: Checkpoint): Uint8Array {
  return hashCheckpoint(concat(channelId, body.encode(checkpoint)))
}

export function sign(key: Schnorr.KeyPair, channelId: Uint8Array, checkpoint: Checkpoint): SignedCheckpoint {
  return {
    ...checkpoint,
    reference: channelId.slice(0, sizes.reference),
    signature: Schnorr.sign(key, digest(channelId, checkpoint)),
  }
}

/** Whether the channel key signed it for this channel, whose reference it bears. */
export function verify(channelKey: Uint8Array, channelId: Uint8Array, checkpoint: SignedCheckpoint): boolean {
  return (
    equal(checkpoint.reference, channelId.subarray(0, sizes.reference)) &&
    Schnorr.verify({
      publicKey: channelKey,
      digest: digest(channelId, checkpoint),
      signature: checkpoint.signature,
    })
  )
}
