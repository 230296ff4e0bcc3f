/** Keyed hashes: HKDF for deriving keys, and the 16-byte MAC of frames and statements. */

import { backend } from './backend.ts'
import { concat } from './bytes.ts'

export const macSize = 16

/** HKDF-SHA-256 (RFC 5869): `length` bytes, at most 8,160. */
export function hkdf(args: {
  readonly secret: Uint8Array
  readonly salt: Uint8Array
  readonly info: Uint8Array
  readonly length: number
}): Uint8Array {
  const { secret, salt, info, length } = args
  if (!Number.isInteger(length) || length < 1 || length > 255 * 32)
    throw new RangeError(`not a length for HKDF: ${length}`)
  // PRK = HMAC-Hash(salt, IKM)
  const expand = backend.hmacSha256(backend.hmacSha256(salt)(secret))
  const output = new Uint8Array(Math.ceil(length / 32) * 32)
  // T(i) = HMAC-Hash(PRK, T(i − 1) | info | i), T(0) empty
  let block: Uint8Array = new Uint8Array(0)
  for (let index = 0; index * 32 < length; index++) {
    block = expand(concat(block, info, Uint8Array.of(index + 1)))
    output.set(block, index * 32)
  }
  return output.slice(0, length)
}

/** HMAC-SHA-256 cut to 16 bytes. Compare with `equal`. */
export function createMac(key: Uint8Array): (data: Uint8Array) => Uint8Array {
  const hmac = backend.hmacSha256(key)
  return (data) => hmac(data).slice(0, macSize)
}
