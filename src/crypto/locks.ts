/**
 * Lockable signatures: receipt `σ_{i-1}` is locked under receipt `σ_i`, and `c_i` says beforehand which `σ_i` it will be.
 * Two schemes behind one interface, their abilities as data.
 */

import { ecdsaXorLock } from './ecdsaXorLock.ts'
import type { KeyPair } from './Schnorr.ts'
import { schnorrLock } from './schnorrLock.ts'

export type LockSchemeName = 'schnorr' | 'ecdsa-xor'

/**
 * Receipts have 64 bytes, commitments 32. A wrong length throws, and so do `lock` and `unlock` on a receipt whose scalar
 * is out of range: verify a receipt from elsewhere first.
 */
export interface LockScheme {
  readonly name: LockSchemeName
  /** Whether a lock can be checked before either receipt is known. */
  readonly checkable: boolean
  /** The ends of a chain from which all its receipts open. */
  readonly opensFrom: readonly ('first' | 'last')[]
  readonly lockSize: 32 | 64
  sign(key: KeyPair, digest: Uint8Array): Uint8Array
  verify(args: { readonly publicKey: Uint8Array; readonly digest: Uint8Array; readonly receipt: Uint8Array }): boolean
  /** `c_i` of `σ_i`. */
  commit(receipt: Uint8Array): Uint8Array
  /** Whether these bytes can be a commitment at all. */
  isCommitment(commitment: Uint8Array): boolean
  /** Whether these bytes can be a lock at all. */
  isLock(lock: Uint8Array): boolean
  /** `lk_i`. */
  lock(args: {
    readonly channelId: Uint8Array
    /** i, from 1. */
    readonly index: number
    /** σ_{i-1} */
    readonly previous: Uint8Array
    /** σ_i */
    readonly receipt: Uint8Array
  }): Uint8Array
  /** `σ_{i-1}` from `σ_i`. Not verified yet. */
  unlock(args: {
    readonly channelId: Uint8Array
    readonly index: number
    readonly lock: Uint8Array
    /** σ_i */
    readonly receipt: Uint8Array
    /** c_{i-1} */
    readonly previousCommitment: Uint8Array
  }): Uint8Array
  /** `σ_i` from `σ_{i-1}`, where a chain opens from the first. Not verified yet. */
  unlockNext?(args: {
    readonly channelId: Uint8Array
    readonly index: number
    readonly lock: Uint8Array
    /** σ_{i-1} */
    readonly previous: Uint8Array
    /** c_i */
    readonly commitment: Uint8Array
  }): Uint8Array
  /** Whether the lock opens: either valid receipt then gives the other. Where `checkable`; many at once by `checkBatch`. */
  check?(link: LockLink): boolean
}

/** What is known of a receipt before the receipt is. */
export interface Committed {
  /** 32 bytes: the bank's for `σ_0`, the channel key for all others. */
  readonly publicKey: Uint8Array
  /** What the receipt signs. */
  readonly digest: Uint8Array
  readonly commitment: Uint8Array
}

/** A lock with what is known of both receipts it ties together. */
export interface LockLink {
  readonly lock: Uint8Array
  /** Of σ_{i-1}. */
  readonly previous: Committed
  /** Of σ_i. */
  readonly current: Committed
}

export const lockSchemes: Readonly<Record<LockSchemeName, LockScheme>> = {
  schnorr: schnorrLock,
  'ecdsa-xor': ecdsaXorLock,
}
