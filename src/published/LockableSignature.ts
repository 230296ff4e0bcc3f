/**
 * The lockable signature LS of section 4.2: `σ` is handed over locked under another signature `σ̂`, and whoever sees
 * `σ̂` later has both.
 *
 * ```ts
 * const { signing, locking } = LockableSignature.keyGen(entropy)
 * const { lock, lockingSignature } = LockableSignature.lock({ signing, message, locking, lockingMessage }, entropy)
 * const signature = LockableSignature.unlock({ lock, lockingSignature })
 * LockableSignature.verify({ publicKey: signing.publicKey, message, signature }) // true
 * ```
 */

import { sha512 } from '@noble/hashes/sha2.js'
import { xor } from '../crypto/bytes.ts'
import { createKeyPair, type Entropy, type KeyPair, sign } from './ecdsa.ts'

export { sign, verify } from './ecdsa.ts'

export interface LockInput {
  readonly signing: KeyPair
  readonly message: Uint8Array
  readonly locking: KeyPair
  readonly lockingMessage: Uint8Array
}

/** `ℓk`, and the two signatures it was made from: `k` is random, so neither can be made a second time. */
export interface Locked {
  /** `ℓk`, 64 bytes. */
  readonly lock: Uint8Array
  /** `σ`, the locked signature. */
  readonly signature: Uint8Array
  /** `σ̂`, the locking signature. */
  readonly lockingSignature: Uint8Array
}

/** `KeyGen(1^λ) → (pk, sk), (p̂k, ŝk)`. λ is 128: the strength of secp256k1. */
export function keyGen(entropy: Entropy): { readonly signing: KeyPair; readonly locking: KeyPair } {
  return { signing: createKeyPair(entropy), locking: createKeyPair(entropy) }
}

/** `Lock(sk, m, ŝk, m̂) → ℓk`: signs both messages, then seals the one with the other. */
export function lock(input: LockInput, entropy: Entropy): Locked {
  const signature = sign(input.signing, input.message, entropy)
  const lockingSignature = sign(input.locking, input.lockingMessage, entropy)
  return { lock: seal({ signature, lockingSignature }), signature, lockingSignature }
}

/** `ℓk := σ ⊕ H(σ̂)`, for signatures that exist already. */
export function seal({ signature, lockingSignature }: Omit<Locked, 'lock'>): Uint8Array {
  return xor(signature, maskOf(lockingSignature))
}

/**
 * `Unlock(pk, m, p̂k, m̂, σ̂, ℓk) → σ := ℓk ⊕ H(σ̂)`. The formula uses the last two arguments alone, so these are what it
 * takes. It never fails: only verifying the result tells a receipt from noise.
 */
export function unlock({ lock, lockingSignature }: Omit<Locked, 'signature'>): Uint8Array {
  return xor(lock, maskOf(lockingSignature))
}

/** `H(σ̂)`: SHA-512, whose 64 bytes cover a signature. */
function maskOf(lockingSignature: Uint8Array): Uint8Array {
  return sha512(lockingSignature)
}
