/**
 * Coins of a segment: `w_{j-1} = SHA-256(w_j ‖ coinSalt)`. The last coin is the segment's secret seed, `w_0` its public
 * anchor; coins are revealed from the first on, and each proves one unit more (PayWord).
 */

import { u32, u64 } from './bytes.ts'
import { sha256, taggedHash } from './hash.ts'
import { assertSize } from './scalar.ts'

/** Coins in a segment, and so hashes a verifier ever walks. */
export const lengthMax = 1024

/**
 * `H(channelSeed ‖ segment u32 ‖ A u64 ‖ u u64 ‖ length u32)`: the price is in the seed, so that a coin made for one price
 * can never be redeemed at another. 32 bytes, secret.
 */
export function segmentSeed(args: {
  readonly channelSeed: Uint8Array
  readonly segment: number
  /** A: what earlier segments have paid. */
  readonly base: bigint
  /** u: what one coin adds. */
  readonly unitPrice: bigint
  readonly length: number
}): Uint8Array {
  assertSize(args.channelSeed, 32)
  return hashSegment(args.channelSeed, u32(args.segment), u64(args.base), u64(args.unitPrice), u32(args.length))
}

/** All coins by their number: index 0 is the anchor, index `length` the seed. */
export function create(args: {
  readonly seed: Uint8Array
  readonly length: number
  readonly salt: Uint8Array
}): readonly Uint8Array[] {
  const { seed, length, salt } = args
  assertSteps(length)
  const salted = saltedCoin(seed, salt)
  const coins: Uint8Array[] = [new Uint8Array(seed)]
  for (let step = length; step > 0; step--) {
    const coin = sha256(salted)
    coins.push(coin)
    salted.set(coin)
  }
  return coins.reverse()
}

/** The coin `steps` before this one: `w_{j - steps}` from `w_j`. */
export function walk(args: {
  readonly coin: Uint8Array
  readonly steps: number
  readonly salt: Uint8Array
}): Uint8Array {
  assertSteps(args.steps)
  const salted = saltedCoin(args.coin, args.salt)
  if (args.steps === 0) return salted.slice(0, 32)
  let coin = sha256(salted)
  for (let step = 1; step < args.steps; step++) {
    salted.set(coin)
    coin = sha256(salted)
  }
  return coin
}

const hashSegment = taggedHash('lockstep/segment')

function saltedCoin(coin: Uint8Array, salt: Uint8Array): Uint8Array {
  assertSize(coin, 32)
  assertSize(salt, 16)
  const salted = new Uint8Array(48)
  salted.set(coin)
  salted.set(salt, 32)
  return salted
}

function assertSteps(steps: number): void {
  if (!Number.isInteger(steps) || steps < 0 || steps > lengthMax)
    throw new RangeError(`not a number of coins: ${steps}`)
}
