/**
 * BIP-340 signatures with zero auxiliary randomness, so that the same message always has the same signature and a payment
 * can be rebuilt byte for byte. Quoted lines are the BIP's; `n` there is q here.
 */

import { backend } from './backend.ts'
import { concat, equal, xor } from './bytes.ts'
import { taggedHash } from './hash.ts'
import { assertSize, isScalar, reduce } from './scalar.ts'

export interface KeyPair {
  /** The scalar whose point has even y: either the secret given or its negative. 32 bytes. */
  readonly secret: Uint8Array
  /** x-coordinate of that point, 32 bytes. */
  readonly publicKey: Uint8Array
}

/** Throws on a secret of zero, or of q and above. */
export function keyPair(secret: Uint8Array): KeyPair {
  const point = backend.multiplyBase(secret)
  return { secret: hasEvenY(point) ? new Uint8Array(secret) : backend.negateScalar(secret), publicKey: point.slice(1) }
}

/** 64 bytes `R ‖ s`. The digest has 32 bytes everywhere in the protocol; any length signs. */
export function sign(key: KeyPair, digest: Uint8Array): Uint8Array {
  // "Let t be the byte-wise xor of bytes(d) and hash_BIP0340/aux(a)", with a = 0.
  const t = xor(key.secret, hashOfZeroAux)
  // "Let rand = hash_BIP0340/nonce(t || bytes(P) || m). Let k' = int(rand) mod n. Fail if k' = 0."
  const nonce = reduce(hashNonce(t, key.publicKey, digest))
  // "Let R = k'⋅G. Let k = k' if has_even_y(R), otherwise let k = n - k'."
  const R = backend.multiplyBase(nonce)
  const k = hasEvenY(R) ? nonce : backend.negateScalar(nonce)
  const signature = new Uint8Array(64)
  signature.set(R.subarray(1))
  // "Let e = int(hash_BIP0340/challenge(bytes(R) || bytes(P) || m)) mod n."
  const e = reduce(hashChallenge(R.subarray(1), key.publicKey, digest))
  // "Let sig = bytes(R) || bytes((k + ed) mod n)."
  signature.set(backend.addScalars(k, backend.multiplyScalars(key.secret, e)), 32)
  return signature
}

export function verify(args: {
  readonly publicKey: Uint8Array
  readonly digest: Uint8Array
  readonly signature: Uint8Array
}): boolean {
  const { publicKey, digest, signature } = args
  assertSize(signature, 64)
  const [r, s] = [signature.subarray(0, 32), signature.subarray(32)]
  // "Let s = int(sig[32:64]); fail if s ≥ n."
  if (!isScalar(s)) return false
  const e = challenge({ publicKey, digest, nonce: r })
  // "Let R = s⋅G - e⋅P. Fail if is_infinite(R). Fail if not has_even_y(R). Fail if x(R) ≠ r."
  const R = backend.multiplyAdd(s, backend.negateScalar(e), lift(publicKey))
  return R !== undefined && equal(R, lift(r))
}

/** `e`, the scalar that a signature with this nonce point multiplies the secret with. `nonce` is R's x-coordinate. */
export function challenge(args: {
  readonly publicKey: Uint8Array
  readonly digest: Uint8Array
  readonly nonce: Uint8Array
}): Uint8Array {
  assertSize(args.nonce, 32)
  assertSize(args.publicKey, 32)
  return reduce(hashChallenge(args.nonce, args.publicKey, args.digest))
}

/**
 * `S = R + e·P`, the point `s·G` of the one valid signature with this nonce, known before the signature is. 33 bytes, or
 * `undefined` where nonce or key is no x-coordinate (or `s` is zero).
 */
export function signaturePoint(args: {
  readonly publicKey: Uint8Array
  readonly digest: Uint8Array
  readonly nonce: Uint8Array
}): Uint8Array | undefined {
  return backend.multiplyAdd(new Uint8Array(32), challenge(args), lift(args.publicKey), lift(args.nonce))
}

/** The point with this x-coordinate and even y, compressed. Does not ask whether there is one. */
export function lift(x: Uint8Array): Uint8Array {
  assertSize(x, 32)
  return concat(evenPrefix, x)
}

/** The opposite of a compressed point: the same x, the other y. */
export function negate(point: Uint8Array): Uint8Array {
  assertSize(point, 33)
  const opposite = new Uint8Array(point)
  opposite[0]! ^= 1
  return opposite
}

const evenPrefix = Uint8Array.of(2)
const hashNonce = taggedHash('BIP0340/nonce')
const hashChallenge = taggedHash('BIP0340/challenge')
const hashOfZeroAux = taggedHash('BIP0340/aux')(new Uint8Array(32))

function hasEvenY(point: Uint8Array): boolean {
  return point[0] === 2
}
