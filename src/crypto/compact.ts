/**
 * The portable backend of pages, which a bundler takes in place of `portable.ts` (see `browser` in package.json): a third of its
 * size. Faster at `k·G`, which is what a wallet does, and slower at verifying.
 */

import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { etc, getSharedSecret, hashes, Point, sign, verify } from '@noble/secp256k1'
import type { Backend } from './backend.ts'
import { concat } from './bytes.ts'
import { assertSize, isScalar } from './scalar.ts'

hashes.sha256 = (data) => sha256(data)
hashes.hmacSha256 = (key, data) => hmac(sha256, key, data)

const { n: order } = Point.CURVE()
const { bytesToNumberBE, mod, numberToBytesBE } = etc

export const portable: Backend = {
  name: 'portable',

  sha256,

  hmacSha256(key) {
    const keyed = hmac.create(sha256, key)
    return (data) => keyed.clone().update(data).digest()
  },

  addScalars(x, y) {
    return numberToBytesBE(mod(scalar(x) + scalar(y), order))
  },

  multiplyScalars(x, y) {
    return numberToBytesBE(mod(scalar(x) * scalar(y), order))
  },

  negateScalar(x) {
    return numberToBytesBE(mod(-scalar(x), order))
  },

  multiplyBase(k) {
    return Point.BASE.multiply(scalar(k)).toBytes()
  },

  multiplyAdd(a, b, P, Q) {
    const [x, y] = [scalar(a), scalar(b)]
    const point = parsePoint(P)
    const addend = Q === undefined ? Point.ZERO : parsePoint(Q)
    if (point === undefined || addend === undefined) return undefined
    return encode(times(Point.BASE, x).add(times(point, y)).add(addend))
  },

  isXCoordinate(x) {
    return x.length === 32 && parsePoint(liftEven(x)) !== undefined
  },

  sharedX(secret, x) {
    assertSize(x, 32)
    return getSharedSecret(secret, liftEven(x), true).slice(1)
  },

  ecdsaSign(secret, digest) {
    assertSize(digest, 32)
    return sign(digest, secret, { prehash: false, lowS: true, extraEntropy: false })
  },

  ecdsaVerify(signature, digest, point) {
    assertSize(signature, 64)
    assertSize(digest, 32)
    assertSize(point, 33)
    return verify(signature, digest, point, { prehash: false, lowS: true })
  },
}

const evenY = Uint8Array.of(2)

function liftEven(x: Uint8Array): Uint8Array {
  return concat(evenY, x)
}

/** Variable time: public values only. */
function times(point: Point, by: bigint): Point {
  return by === 0n ? Point.ZERO : point.multiply(by, false)
}

function scalar(bytes: Uint8Array): bigint {
  assertSize(bytes, 32)
  if (!isScalar(bytes)) throw new RangeError('a scalar is below the order of the group')
  return bytesToNumberBE(bytes)
}

function parsePoint(point: Uint8Array): Point | undefined {
  assertSize(point, 33)
  try {
    return Point.fromBytes(point)
  } catch {
    // Not on the curve: a value, since a peer can send it. The length, the one fault of a caller, was checked above.
    return undefined
  }
}

function encode(point: Point): Uint8Array | undefined {
  return point.is0() ? undefined : point.toBytes()
}
