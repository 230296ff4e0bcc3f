import { hash } from 'node:crypto'
import { createRequire } from 'node:module'
import { entropy } from '../channel.ts'
import { each, times, type Work } from '../measure.ts'

/** The unit of the ratios: 32 bytes to 32 bytes in one call of `crypto.hash`. */
export function sha256(): Work<readonly Uint8Array[]> {
  return {
    backend: 'native',
    prepare: (count) => times(count, () => entropy(32)),
    run: each((input) => {
      if (hash('sha256', input, 'buffer').length !== 32) throw new Error('no hash')
    }),
  }
}

/** libsecp256k1's ECDSA, as the native backend has it, with none of this project's code around it. */
export function ecdsaVerify(): Work<readonly Signed[]> {
  return {
    backend: 'native',
    prepare: (count) => times(count, sign),
    run: each(({ signature, digest, publicKey }) => {
      if (!libsecp.ecdsaVerify(signature, digest, publicKey)) throw new Error('a valid signature was refused')
    }),
  }
}

/** What an Ethereum voucher costs at the very least: one native recovery, without the hashes before and after it. */
export function ecdsaRecover(): Work<readonly Signed[]> {
  return {
    backend: 'native',
    prepare: (count) => times(count, sign),
    run: each(({ signature, recid, digest }) => {
      if (libsecp.ecdsaRecover(signature, recid, digest, false).length !== 65) throw new Error('no public key')
    }),
  }
}

interface Signed {
  readonly signature: Uint8Array
  readonly recid: number
  readonly digest: Uint8Array
  readonly publicKey: Uint8Array
}

/** What is used of `secp256k1/bindings.js`, which throws where it was not built for this machine. */
interface Libsecp256k1 {
  publicKeyCreate(key: Uint8Array): Uint8Array
  ecdsaSign(digest: Uint8Array, key: Uint8Array): { readonly signature: Uint8Array; readonly recid: number }
  ecdsaVerify(signature: Uint8Array, digest: Uint8Array, publicKey: Uint8Array): boolean
  ecdsaRecover(signature: Uint8Array, recid: number, digest: Uint8Array, compressed: boolean): Uint8Array
}

const libsecp = createRequire(import.meta.url)('secp256k1/bindings.js') as Libsecp256k1

/** A random digest under a random key. */
function sign(): Signed {
  const [digest, secret] = [entropy(32), entropy(32)]
  return { ...libsecp.ecdsaSign(digest, secret), digest, publicKey: libsecp.publicKeyCreate(secret) }
}
