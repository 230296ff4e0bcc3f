import { native } from './native.ts'
import { portable } from './portable.ts'

/**
 * The arithmetic everything else is built on, in two implementations with the same results bit for bit:
 * `native` (libsecp256k1 and OpenSSL, Node.js only) and `portable` (noble, anywhere).
 *
 * Scalars are 32 bytes big-endian. A point is 33 bytes compressed. Public keys of the protocol are the 32-byte
 * x-coordinate of a point with even y (BIP-340). A wrong length or an invalid scalar or point throws; a bad
 * signature returns `false`.
 */
export interface Backend {
  readonly name: 'native' | 'portable'
  sha256(data: Uint8Array): Uint8Array
  /** A keyed HMAC-SHA-256: prepare once a key, then 32 bytes a call. */
  hmacSha256(key: Uint8Array): (data: Uint8Array) => Uint8Array
  isScalar(scalar: Uint8Array): boolean
  /** `x + y mod q`; the sum may be zero. */
  addScalars(x: Uint8Array, y: Uint8Array): Uint8Array
  multiplyScalars(x: Uint8Array, y: Uint8Array): Uint8Array
  negateScalar(x: Uint8Array): Uint8Array
  /** `k·G`, compressed. Constant time on `native`. */
  multiplyBase(k: Uint8Array): Uint8Array
  /** `a·G + b·P`, compressed, or `undefined` at infinity. Variable time: public values only. */
  multiplyAdd(a: Uint8Array, b: Uint8Array, point: Uint8Array): Uint8Array | undefined
  /** Sum of points, compressed, or `undefined` at infinity. */
  addPoints(points: readonly Uint8Array[]): Uint8Array | undefined
  negatePoint(point: Uint8Array): Uint8Array
  /** Whether these 32 bytes are the x-coordinate of a point. */
  isXCoordinate(x: Uint8Array): boolean
  /** x-coordinate of `secret·P`, 32 bytes, where `P` has x-coordinate `x`: the same whichever y either side took. */
  sharedX(secret: Uint8Array, x: Uint8Array): Uint8Array
  /** RFC 6979 nonce, low s: 64 bytes `r ‖ s`. */
  ecdsaSign(secret: Uint8Array, digest: Uint8Array): Uint8Array
  /** Refuses high s. `point` is 33 bytes compressed. */
  ecdsaVerify(signature: Uint8Array, digest: Uint8Array, point: Uint8Array): boolean
}

/** The backend of this process, chosen once at start: native where it loads, else portable. `LOCKSTEP_BACKEND=portable` forces it. */
export const backend: Backend =
  native !== undefined && globalThis.process?.env?.LOCKSTEP_BACKEND !== 'portable' ? native : portable

export { native, portable }
