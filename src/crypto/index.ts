/** Coins, receipts and locks, hashes and MACs: pure functions over bytes, on a native and a portable backend. */

export type { Backend } from './backend.ts'
export { backend } from './backend.ts'
export * as CoinChain from './CoinChain.ts'
export { sha256, taggedHash } from './hash.ts'
export * as LockPrefix from './LockPrefix.ts'
export type { Committed, LockLink, LockScheme, LockSchemeName } from './locks.ts'
export { lockSchemes } from './locks.ts'
export * as MerkleTree from './MerkleTree.ts'
export { createMac, hkdf } from './mac.ts'
export type { KeyPair } from './Schnorr.ts'
export * as Schnorr from './Schnorr.ts'
export { checkBatch } from './schnorrBatch.ts'
