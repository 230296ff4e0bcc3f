/**
 * The default lock: `lk_i = s_{i-1} + s_i mod q` under the nonce points `c_i = R_i`. Anyone checks
 * `lk_i·G = S_{i-1} + S_i` with `S_i = R_i + e_i·P_i` beforehand; either receipt opens the other.
 */

import type { Term } from './backend.ts'
import { backend } from './backend.ts'
import { concat, equal, isZero, toHex } from './bytes.ts'
import type { Committed, LockLink, LockScheme } from './locks.ts'
import * as Schnorr from './Schnorr.ts'
import { assertSize, isScalar } from './scalar.ts'

export const schnorrLock: LockScheme = {
  name: 'schnorr',
  checkable: true,
  opensFrom: ['first', 'last'],
  lockSize: 32,

  sign: Schnorr.sign,

  verify({ publicKey, digest, receipt }) {
    return Schnorr.verify({ publicKey, digest, signature: receipt })
  },

  commit(receipt) {
    assertSize(receipt, 64)
    return new Uint8Array(receipt.subarray(0, 32))
  },

  isCommitment(commitment) {
    return backend.isXCoordinate(commitment)
  },

  isLock: isScalar,

  lock({ previous, receipt }) {
    return backend.addScalars(scalarOf(previous), scalarOf(receipt))
  },

  unlock({ lock, receipt, previousCommitment }) {
    return concat(previousCommitment, subtract(lock, scalarOf(receipt)))
  },

  unlockNext({ lock, previous, commitment }) {
    return concat(commitment, subtract(lock, scalarOf(previous)))
  },

  check(link) {
    return checkOne(link)
  },

  checkBatch(links, random) {
    return backend.multiplySum === undefined ? links.every(checkOne) : checkWeighted(links, random, backend.multiplySum)
  },
}

/**
 * `R_i = lk·G − e_i·P_i − S_{i-1}`, compared as a point: an `R` of odd y fails although its x is right. Where both ends
 * are under one key, which is all locks but the first, `S_{i-1}` needs no multiplication of its own.
 */
function checkOne({ lock, previous, current }: LockLink): boolean {
  if (!isScalar(lock)) return false
  const P = Schnorr.lift(current.publicKey)
  const sameKey = equal(previous.publicKey, current.publicKey)
  const e = sameKey ? backend.addScalars(challengeOf(previous), challengeOf(current)) : challengeOf(current)
  const rest = sameKey ? Schnorr.lift(previous.commitment) : signaturePointOf(previous)
  if (rest === undefined) return false
  const R = backend.multiplyAdd(lock, backend.negateScalar(e), P, Schnorr.negate(rest))
  return R !== undefined && equal(R, Schnorr.lift(current.commitment))
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

function challengeOf({ publicKey, digest, commitment }: Committed): Uint8Array {
  return Schnorr.challenge({ publicKey, digest, nonce: commitment })
}

function signaturePointOf({ publicKey, digest, commitment }: Committed): Uint8Array | undefined {
  return Schnorr.signaturePoint({ publicKey, digest, nonce: commitment })
}

function scalarOf(receipt: Uint8Array): Uint8Array {
  assertSize(receipt, 64)
  return receipt.subarray(32)
}

function subtract(x: Uint8Array, y: Uint8Array): Uint8Array {
  return backend.addScalars(x, backend.negateScalar(y))
}
