import type { Term } from './backend.ts'
import { backend } from './backend.ts'
import { equal, isZero, toHex } from './bytes.ts'
import type { LockLink } from './locks.ts'
import * as Schnorr from './Schnorr.ts'
import { assertSize, isScalar } from './scalar.ts'
import { challengeOf, checkOne } from './schnorrLock.ts'

/** Whether all of these `schnorr` locks open. `random` must give fresh, unpredictable bytes. */
export function checkBatch(links: readonly LockLink[], random: (size: number) => Uint8Array): boolean {
  return backend.multiplySum === undefined ? links.every(checkOne) : checkWeighted(links, random, backend.multiplySum)
}

/**
 * All equations in one, each times a random 128-bit weight: without the weights an error of +δ in one lock and −δ in
 * another would cancel. A wrong batch passes with probability 2^-128.
 */
function checkWeighted(
  links: readonly LockLink[],
  random: (size: number) => Uint8Array,
  multiplySum: (terms: readonly Term[]) => Uint8Array | undefined,
): boolean {
  if (links.length === 0) return true
  const weights = random(weightSize * links.length)
  assertSize(weights, weightSize * links.length)
  let base: Uint8Array = zero
  const terms = new Map<string, Term>()
  const add = (scalar: Uint8Array, x: Uint8Array): void => {
    const point = Schnorr.lift(x)
    const key = toHex(point)
    const term = terms.get(key)
    terms.set(key, { point, scalar: term === undefined ? scalar : backend.addScalars(term.scalar, scalar) })
  }
  for (const [index, { lock, previous, current }] of links.entries()) {
    if (!isScalar(lock)) return false
    const weight = new Uint8Array(32)
    weight.set(weights.subarray(index * weightSize, (index + 1) * weightSize), 32 - weightSize)
    base = backend.addScalars(base, backend.multiplyScalars(weight, lock))
    for (const end of [previous, current]) {
      add(weight, end.commitment)
      add(backend.multiplyScalars(weight, challengeOf(end)), end.publicKey)
    }
  }
  // A weighted sum of zero: no chance made it, so ask the locks themselves.
  if (isZero(base)) return links.every(checkOne)
  const sum = multiplySum([...terms.values()])
  return sum !== undefined && equal(sum, backend.multiplyBase(base))
}

const weightSize = 16
const zero = new Uint8Array(32)
