import { hash } from 'node:crypto'
import { createRequire } from 'node:module'
import { entropy } from '../channel.ts'
import { each, type Work } from '../measure.ts'

/** The unit of the ratios: `crypto.hash` of 32 bytes, one call a hash. */
export function sha256(): Work {
  return {
    backend: 'native',
    prepare(count) {
      const inputs = pieces(count)
      return each(inputs, (input) => {
        if (hash('sha256', input, 'buffer').length !== 32) throw new Error('no hash')
      })
    },
  }
}

/** libsecp256k1's ECDSA, as the native backend has it, with none of this project's code around it. */
export function ecdsaVerify(): Work {
  return {
    backend: 'native',
    prepare(count) {
      return each(signatures(count), ({ signature, digest, publicKey }) => {
        if (!libsecp.ecdsaVerify(signature, digest, publicKey)) throw new Error('a valid signature was refused')
      })
    },
  }
}

/** What an Ethereum voucher costs at the very least: one native recovery, without the hashes before and after it. */
export function ecdsaRecover(): Work {
  return {
    backend: 'native',
    prepare(count) {
      return each(signatures(count), ({ signature, recid, digest }) => {
        if (libsecp.ecdsaRecover(signature, recid, digest, false).length !== 65) throw new Error('no public key')
      })
    },
  }
}

/** What is used of `secp256k1/bindings.js`, which throws where it was not built for this machine. */
interface Libsecp256k1 {
  publicKeyCreate(key: Uint8Array): Uint8Array
  ecdsaSign(digest: Uint8Array, key: Uint8Array): { readonly signature: Uint8Array; readonly recid: number }
  ecdsaVerify(signature: Uint8Array, digest: Uint8Array, publicKey: Uint8Array): boolean
  ecdsaRecover(signature: Uint8Array, recid: number, digest: Uint8Array, compressed: boolean): Uint8Array
}

const libsecp = createRequire(import.meta.url)('secp256k1/bindings.js') as Libsecp256k1

function signatures(count: number): readonly {
  readonly signature: Uint8Array
  readonly recid: number
  readonly digest: Uint8Array
  readonly publicKey: Uint8Array
}[] {
  return pieces(count).map((digest) => {
    const secret = entropy(32)
    return { ...libsecp.ecdsaSign(digest, secret), digest, publicKey: libsecp.publicKeyCreate(secret) }
  })
}

function pieces(count: number): readonly Uint8Array[] {
  return Array.from({ length: count }, () => entropy(32))
}
