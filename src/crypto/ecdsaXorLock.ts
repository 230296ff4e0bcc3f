/**
 * The paper's lock, repaired: `lk_i = σ_{i-1} ⊕ KDF(σ_i; channelId, i)` over ECDSA receipts, with `c_i = H(σ_i)` and
 * low `s` only. It cannot be checked before the release; a receipt that matches its commitment but opens no valid
 * receipt proves fraud.
 */

import { backend } from './backend.ts'
import { concat, u32, xor } from './bytes.ts'
import { taggedHash } from './hash.ts'
import type { LockScheme } from './locks.ts'
import * as Schnorr from './Schnorr.ts'
import { assertSize } from './scalar.ts'

export const ecdsaXorLock: LockScheme = {
  name: 'ecdsa-xor',
  checkable: false,
  opensFrom: ['last'],
  lockSize: 64,

  sign(key, digest) {
    return backend.ecdsaSign(key.secret, digest)
  },

  verify({ publicKey, digest, receipt }) {
    return backend.ecdsaVerify(receipt, digest, Schnorr.lift(publicKey))
  },

  commit(receipt) {
    assertSize(receipt, 64)
    return hashReceipt(receipt)
  },

  isCommitment(commitment) {
    return commitment.length === 32
  },

  isLock(lock) {
    return lock.length === 64
  },

  lock({ channelId, index, previous, receipt }) {
    return xor(previous, mask({ channelId, index, receipt }))
  },

  unlock({ channelId, index, lock, receipt }) {
    return xor(lock, mask({ channelId, index, receipt }))
  },
}

const hashReceipt = taggedHash('lockstep/receipt')
const hashMask = taggedHash('lockstep/mask')
const [lowHalf, highHalf] = [Uint8Array.of(0), Uint8Array.of(1)]

/** KDF(σ_i; channelId, i), 64 bytes: a counter after fixed-width input under a tag of its own. */
function mask(args: {
  readonly channelId: Uint8Array
  readonly index: number
  readonly receipt: Uint8Array
}): Uint8Array {
  assertSize(args.receipt, 64)
  assertSize(args.channelId, 32)
  const input = concat(args.receipt, args.channelId, u32(args.index))
  return concat(hashMask(input, lowHalf), hashMask(input, highHalf))
}
