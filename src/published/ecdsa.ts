/**
 * The paper's signature: ECDSA on secp256k1 with SHA-256, high `s` allowed, `k` drawn at random.
 *
 * A signature `(sig, r_x)` is the 64 bytes `r_x ‖ sig`, big-endian: the order of IEEE P1363 and of every ECDSA library.
 * Signing is arithmetic on bigints and not constant time: this folder is the published scheme, kept for comparison.
 * A wrong length or an invalid key throws; a bad signature returns `false`.
 */

import { secp256k1 } from '@noble/curves/secp256k1.js'
import { bytesToNumberBE, numberToBytesBE } from '@noble/curves/utils.js'
import { backend } from '../crypto/backend.ts'
import { concat } from '../crypto/bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import { isScalar } from '../crypto/scalar.ts'

/** `size` fresh random bytes. This folder draws none itself. */
export type Entropy = (size: number) => Uint8Array

export interface KeyPair {
  /** 32 bytes. */
  readonly secretKey: Uint8Array
  /** 33 bytes, compressed. */
  readonly publicKey: Uint8Array
}

export interface Signed {
  readonly publicKey: Uint8Array
  readonly message: Uint8Array
  readonly signature: Uint8Array
}

export const signatureSize = 64

export function createKeyPair(entropy: Entropy): KeyPair {
  const secretKey = numberToBytesBE(drawScalar(entropy), 32)
  return { secretKey, publicKey: backend.multiplyBase(secretKey) }
}

/** `r_x = x(k·G) mod q`, `sig = (H(m) + r_x·sk) / k`: either of `sig` and `q − sig`, as it comes. */
export function sign(key: KeyPair, message: Uint8Array, entropy: Entropy): Uint8Array {
  const digest = Fn.create(bytesToNumberBE(sha256(message)))
  const secret = bytesToNumberBE(key.secretKey)
  for (;;) {
    // Z_q → k
    const k = drawScalar(entropy)
    const rx = Fn.create(bytesToNumberBE(backend.multiplyBase(numberToBytesBE(k, 32)).subarray(1)))
    const sig = Fn.mul(Fn.inv(k), Fn.add(digest, Fn.mul(rx, secret)))
    if (rx !== 0n && sig !== 0n) return encode(rx, sig)
  }
}

/**
 * `R' = H(m)·G/sig + pk·r_x/sig`; 1 if and only if `r_x' mod q = r_x mod q`, with both halves in `[1, q)`.
 *
 * The backend refuses a high `sig`. Since `−R'` has the x-coordinate of `R'`, `(r_x, sig)` verifies if and only if
 * `(r_x, q − sig)` does, and the lower of the two is what the backend is asked about.
 */
export function verify({ publicKey, message, signature }: Signed): boolean {
  if (signature.length !== signatureSize) throw new RangeError(`a signature has 64 bytes; got ${signature.length}`)
  if (!isScalar(signature.subarray(0, 32)) || !isScalar(signature.subarray(32))) return false
  return backend.ecdsaVerify(isHigh(signature) ? flip(signature) : signature, sha256(message), publicKey)
}

/** `(r_x, q − sig)`: the other signature on the same message, which takes no key to make. */
export function flip(signature: Uint8Array): Uint8Array {
  return concat(signature.subarray(0, 32), backend.negateScalar(signature.subarray(32)))
}

/** Whether `sig > q/2`, which plain ECDSA accepts and a low-s rule refuses. */
export function isHigh(signature: Uint8Array): boolean {
  for (let index = 0; index < 32; index++) {
    const difference = signature[32 + index]! - half[index]!
    if (difference !== 0) return difference > 0
  }
  return false
}

const { Fn } = secp256k1.Point
/** (q − 1)/2, the largest low `sig`. */
const half = numberToBytesBE(Fn.ORDER >> 1n, 32)

function encode(rx: bigint, sig: bigint): Uint8Array {
  return concat(numberToBytesBE(rx, 32), numberToBytesBE(sig, 32))
}

/** Uniform in `[1, q)`: a draw outside is drawn again, which secp256k1 needs once in 2^127. */
function drawScalar(entropy: Entropy): bigint {
  for (let attempt = 0; attempt < 16; attempt++) {
    const scalar = bytesToNumberBE(entropy(32))
    if (Fn.isValidNot0(scalar)) return scalar
  }
  throw new Error('the source of randomness gives no scalar in 16 draws')
}
