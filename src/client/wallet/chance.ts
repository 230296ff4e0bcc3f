/** The clock and the randomness of a wallet, in Node.js and in pages. */

import { isZero } from '../../crypto/bytes.ts'
import { isScalar } from '../../crypto/scalar.ts'
import { type UnixSeconds, unixSeconds } from '../../wire/amount.ts'

export function now(): UnixSeconds {
  return unixSeconds(BigInt(Math.floor(Date.now() / 1000)))
}

export function random(size: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(size))
}

/** A secret key. */
export function freshKey(): Uint8Array {
  let secret = random(32)
  while (!isScalar(secret) || isZero(secret)) secret = random(32)
  return secret
}
