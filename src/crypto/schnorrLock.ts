/**
 * The default lock: `lk_i = s_{i-1} + s_i mod q` under the nonce points `c_i = R_i`. Anyone checks
 * `lk_i·G = S_{i-1} + S_i` with `S_i = R_i + e_i·P_i` beforehand; either receipt opens the other.
 */

import { backend } from './backend.ts'
import { concat, equal } from './bytes.ts'
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

  check: checkOne,
}

/**
 * `R_i = lk·G − e_i·P_i − S_{i-1}`, compared as a point: an `R` of odd y fails although its x is right. Where both ends
 * are under one key, which is all locks but the first, `S_{i-1}` needs no multiplication of its own.
 */
export function checkOne({ lock, previous, current }: LockLink): boolean {
  if (!isScalar(lock)) return false
  const P = Schnorr.lift(current.publicKey)
  const sameKey = equal(previous.publicKey, current.publicKey)
  const e = sameKey ? backend.addScalars(challengeOf(previous), challengeOf(current)) : challengeOf(current)
  const rest = sameKey ? Schnorr.lift(previous.commitment) : signaturePointOf(previous)
  if (rest === undefined) return false
  const R = backend.multiplyAdd(lock, backend.negateScalar(e), P, Schnorr.negate(rest))
  return R !== undefined && equal(R, Schnorr.lift(current.commitment))
}

/** `e_i`, which the lock's equation takes times the key. */
export function challengeOf({ publicKey, digest, commitment }: Committed): Uint8Array {
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
