/**
 * Checks the `schnorr` locks of a channel one after the other, from the first, in constant space: what the state holds
 * of all receipts so far is one scalar.
 *
 * With `a_0 = 0` and `a_i = lk_i − a_{i-1}`, locks 1..i hold exactly if `S_i = a_i·G + (−1)^i·S_0` for each of them: one
 * double multiplication gives the `R_i` that the lock demands, to compare with the one committed to.
 */

import { backend } from './backend.ts'
import { concat, equal, u32 } from './bytes.ts'
import type { Committed } from './locks.ts'
import * as Schnorr from './Schnorr.ts'
import { assertSize, isScalar } from './scalar.ts'

/** Locks 1..`index` hold. Plain data, to be stored with {@link encode}. */
export interface Prefix {
  readonly index: number
  /** `a_i`, 32 bytes: `s_i ∓ s_0`. */
  readonly scalar: Uint8Array
  /** `S_0`, 33 bytes. */
  readonly first: Uint8Array
}

/** Before the first lock, from what the bank's receipt `σ_0` is committed to; `undefined` where key or commitment is no point. */
export function start({ publicKey, digest, commitment }: Committed): Prefix | undefined {
  const first = Schnorr.signaturePoint({ publicKey, digest, nonce: commitment })
  return first && { index: 0, scalar: new Uint8Array(32), first }
}

/** One lock further, or `undefined` where the lock `lk_{index+1}` does not hold. */
export function step(prefix: Prefix, next: Committed & { readonly lock: Uint8Array }): Prefix | undefined {
  const { lock, publicKey, digest, commitment } = next
  if (!isScalar(lock)) return undefined
  const index = prefix.index + 1
  const scalar = backend.addScalars(lock, backend.negateScalar(prefix.scalar))
  // R_i = a_i·G − e_i·P + (−1)^i·S_0
  const e = Schnorr.challenge({ publicKey, digest, nonce: commitment })
  const shift = index % 2 === 0 ? prefix.first : Schnorr.negate(prefix.first)
  const R = backend.multiplyAdd(scalar, backend.negateScalar(e), Schnorr.lift(publicKey), shift)
  return R !== undefined && equal(R, Schnorr.lift(commitment)) ? { index, scalar, first: prefix.first } : undefined
}

/** index u32, scalar, first: 69 bytes. */
export function encode({ index, scalar, first }: Prefix): Uint8Array<ArrayBuffer> {
  return concat(u32(index), scalar, first)
}

/** What {@link encode} made, as it was stored. */
export function decode(bytes: Uint8Array): Prefix {
  assertSize(bytes, 69)
  const index = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
  return { index, scalar: bytes.slice(4, 36), first: bytes.slice(36) }
}
