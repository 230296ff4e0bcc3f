import { native } from './native.ts'
import { portable } from './portable.ts'

/**
 * The arithmetic everything else is built on, in two implementations with the same results bit for bit:
 * `native` (libsecp256k1 and OpenSSL, Node.js only) and `portable` (noble, anywhere).
 *
 * Scalars are 32 bytes big-endian below the group order q, zero allowed unless it says otherwise. A point is 33 bytes
 * compressed. Public keys of the protocol are the 32-byte x-coordinate of a point with even y (BIP-340).
 *
 * A wrong length or a scalar out of range throws: a caller's bug. What a peer can send in good form is a value: a point
 * that is not on the curve makes the result `undefined` or `false`, as a sum at infinity or a bad signature does. Only
 * {@link Backend.sharedX} throws on it: ask `isXCoordinate` before.
 *
 * No method keeps or changes its arguments, and every result is memory of its own.
 */
export interface Backend {
  readonly name: 'native' | 'portable'
  sha256(data: Uint8Array): Uint8Array
  /** A keyed HMAC-SHA-256: prepare once a key, then 32 bytes a call. */
  hmacSha256(key: Uint8Array): (data: Uint8Array) => Uint8Array
  /** `x + y mod q`; the sum may be zero. */
  addScalars(x: Uint8Array, y: Uint8Array): Uint8Array
  multiplyScalars(x: Uint8Array, y: Uint8Array): Uint8Array
  negateScalar(x: Uint8Array): Uint8Array
  /** `k·G`; throws on zero. Constant time on `native`. */
  multiplyBase(k: Uint8Array): Uint8Array
  /** `a·G + b·P + Q`, or `undefined` at infinity and where `P` or `Q` is not on the curve. Variable time: public values only. */
  multiplyAdd(a: Uint8Array, b: Uint8Array, P: Uint8Array, Q?: Uint8Array): Uint8Array | undefined
  /**
   * `Σ scalar·point`, or `undefined` at infinity and where a point is not on the curve. Variable time: public values only.
   * Only where it beats one {@link Backend.multiplyAdd} a term, which on `native` it does not.
   */
  readonly multiplySum?: (terms: readonly Term[]) => Uint8Array | undefined
  /** Whether these are the 32 bytes of the x-coordinate of a point. */
  isXCoordinate(x: Uint8Array): boolean
  /**
   * x-coordinate of `secret·P`, 32 bytes, where `P` has x-coordinate `x`: the same whichever y either side took.
   * Throws where no point has this x, and on a zero secret.
   */
  sharedX(secret: Uint8Array, x: Uint8Array): Uint8Array
  /** RFC 6979 nonce, low s: 64 bytes `r ‖ s`. */
  ecdsaSign(secret: Uint8Array, digest: Uint8Array): Uint8Array
  /** Refuses high s. `point` is 33 bytes compressed. */
  ecdsaVerify(signature: Uint8Array, digest: Uint8Array, point: Uint8Array): boolean
}

export interface Term {
  readonly scalar: Uint8Array
  readonly point: Uint8Array
}

/** The environment names a backend that is not to be had. Before its first use, which is while this module loads. */
export class BackendError extends Error {
  override readonly name: string = 'BackendError'
}

/**
 * The backend of this process, chosen once at start: native where it loads, else portable. `LOCKSTEP_BACKEND` names one; where
 * it cannot be had, this module throws.
 */
export const backend: Backend = choose(globalThis.process?.env?.LOCKSTEP_BACKEND)

export { native, portable }

function choose(named: string | undefined): Backend {
  if (named === undefined || named === '') return native ?? portable
  if (named === 'portable') return portable
  if (named === 'native' && native !== undefined) return native
  throw new BackendError(
    named === 'native'
      ? 'LOCKSTEP_BACKEND asks for native, and the optional package secp256k1 does not load: run npm install secp256k1, or leave the variable out'
      : `LOCKSTEP_BACKEND is native or portable, not ${JSON.stringify(named)}: leave it out to have the faster one that is there`,
  )
}
