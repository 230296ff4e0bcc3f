/** Scalars: integers modulo the group order q of secp256k1, as 32 bytes big-endian. */

import { fromHex } from './bytes.ts'

const order = fromHex('fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141')

/** Whether these are 32 bytes below q; zero included. Takes the same time whatever the bytes. */
export function isScalar(bytes: Uint8Array): boolean {
  if (bytes.length !== 32) return false
  let borrow = 0
  for (let index = 31; index >= 0; index--) borrow = ((bytes[index]! - order[index]! - borrow) >> 8) & 1
  return borrow === 1
}

/** `int(bytes) mod q` of any 32 bytes. One subtraction is enough, since 2^256 < 2q. Takes the same time whatever the bytes. */
export function reduce(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  assertSize(bytes, 32)
  const reduced = new Uint8Array(32)
  let borrow = 0
  for (let index = 31; index >= 0; index--) {
    const difference = bytes[index]! - order[index]! - borrow
    reduced[index] = difference
    borrow = (difference >> 8) & 1
  }
  const keep = -borrow
  for (let index = 0; index < 32; index++) reduced[index] = (bytes[index]! & keep) | (reduced[index]! & ~keep)
  return reduced
}

export function assertScalar(bytes: Uint8Array): void {
  if (!isScalar(bytes)) throw new RangeError('not 32 bytes below the group order')
}

export function assertSize(bytes: Uint8Array, size: number): void {
  if (bytes.length !== size) throw new RangeError(`expected ${size} bytes, got ${bytes.length}`)
}
