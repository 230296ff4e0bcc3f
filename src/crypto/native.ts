/**
 * The backend of Node.js: libsecp256k1 through the optional `secp256k1` package, and OpenSSL through `node:crypto`.
 * Nothing of it is imported statically, so that a browser bundle neither needs nor finds it.
 */

import type { Backend } from './backend.ts'
import { concat, concatBriefly, isZero } from './bytes.ts'
import { assertScalar, assertSize, isScalar, reduce } from './scalar.ts'

export const native: Backend | undefined = load()

function load(): Backend | undefined {
  const process = globalThis.process
  const crypto = process?.getBuiltinModule?.('node:crypto')
  const module = process?.getBuiltinModule?.('node:module')
  if (crypto === undefined || module === undefined) return undefined
  // In a variable, so that no bundler follows it. Never the package's default entry: it falls back to `elliptic` in silence.
  const name = 'secp256k1/bindings.js'
  try {
    return create(module.createRequire(import.meta.url)(name) as Libsecp256k1, crypto)
  } catch {
    // An optional dependency: not installed, or not built for this machine. `backend.name` tells which one runs.
    return undefined
  }
}

function create(libsecp: Libsecp256k1, crypto: NodeCrypto): Backend {
  /** `a·G + b·P` in so many bytes. */
  function doubleMultiply(a: Uint8Array, b: Uint8Array, P: Uint8Array, size: 33 | 65): Uint8Array | undefined {
    const compressed = size === 33
    const [zeroA, zeroB] = [isZero(a), isZero(b)]
    if (zeroB) return zeroA || !libsecp.publicKeyVerify(P) ? undefined : libsecp.publicKeyCreate(a, compressed)
    const prefix = P[0]!
    if (prefix !== 2 && prefix !== 3) return undefined
    const x = P.subarray(1)
    if (!isScalar(x))
      return orUndefined(() => libsecp.publicKeyTweakAdd(libsecp.publicKeyTweakMul(P, b), a, compressed))
    // Recovery returns r⁻¹·(s·R − z·G) for the point R with x-coordinate r: with r = x(P), s = b·r and z = −a·r
    // that is a·G + b·P, in one double multiplication.
    return orUndefined(() => {
      const signature = new Uint8Array(64)
      signature.set(x)
      signature.set(b, 32)
      libsecp.privateKeyTweakMul(signature.subarray(32), x)
      const z = new Uint8Array(a)
      if (!zeroA) libsecp.privateKeyNegate(libsecp.privateKeyTweakMul(z, x))
      return libsecp.ecdsaRecover(signature, prefix & 1, z, compressed)
    })
  }

  function sha256(data: Uint8Array): Uint8Array {
    return fromBinary(crypto.hash('sha256', data, 'binary'))
  }

  return {
    name: 'native',

    sha256,

    hmacSha256(key) {
      // Two hashes as RFC 2104 has them: making an object of OpenSSL's HMAC for each message costs more than they do.
      // "ipad = the byte 0x36 repeated B times, opad = the byte 0x5C repeated B times", H(K XOR opad, H(K XOR ipad, text))
      const block = new Uint8Array(64)
      block.set(key.length > block.length ? sha256(key) : key)
      const [inner, outer] = [block.map((byte) => byte ^ 0x36), block.map((byte) => byte ^ 0x5c)]
      return (data) => sha256(concatBriefly(outer, sha256(concatBriefly(inner, data))))
    },

    addScalars(x, y) {
      assertScalar(x)
      assertScalar(y)
      if (isZero(x)) return new Uint8Array(y)
      try {
        return libsecp.privateKeyTweakAdd(new Uint8Array(x), y)
      } catch {
        // Both are in range: what libsecp refuses here is a private key of zero, which is a good sum.
        return new Uint8Array(32)
      }
    },

    multiplyScalars(x, y) {
      assertScalar(x)
      assertScalar(y)
      return isZero(x) || isZero(y) ? new Uint8Array(32) : libsecp.privateKeyTweakMul(new Uint8Array(x), y)
    },

    negateScalar(x) {
      assertScalar(x)
      return libsecp.privateKeyNegate(new Uint8Array(x))
    },

    multiplyBase(k) {
      return libsecp.publicKeyCreate(k)
    },

    multiplyAdd(a, b, P, Q) {
      assertScalar(a)
      assertScalar(b)
      assertSize(P, 33)
      if (Q === undefined) return doubleMultiply(a, b, P, 33)
      assertSize(Q, 33)
      // Uncompressed in between: taking a square root to read it again would cost a tenth of the whole.
      const sum = doubleMultiply(a, b, P, 65)
      if (sum !== undefined) return orUndefined(() => libsecp.publicKeyCombine([sum, Q]))
      return libsecp.publicKeyVerify(P) && libsecp.publicKeyVerify(Q) ? new Uint8Array(Q) : undefined
    },

    isXCoordinate(x) {
      return x.length === 32 && libsecp.publicKeyVerify(liftEven(x))
    },

    sharedX(secret, x) {
      assertSize(x, 32)
      const xbuf = new Uint8Array(32)
      // Of libsecp's multiplications by a secret only this one takes constant time; its "hash" here is x itself.
      return libsecp.ecdh(liftEven(x), secret, { hashfn: identity, xbuf, ybuf: new Uint8Array(32) }, new Uint8Array(32))
    },

    ecdsaSign(secret, digest) {
      // RFC 6979 feeds the nonce with the digest reduced; this libsecp feeds it with the digest as it stands.
      return libsecp.ecdsaSign(reduce(digest), secret).signature
    },

    ecdsaVerify(signature, digest, point) {
      assertSize(signature, 64)
      assertSize(digest, 32)
      assertSize(point, 33)
      try {
        return libsecp.ecdsaVerify(signature, digest, point)
      } catch {
        // Sizes were checked: what is left is r or s out of range or a point that is not on the curve.
        return false
      }
    },
  }
}

/** Sizes and ranges are checked before: what libsecp still throws on is infinity or bytes that are no point. */
function orUndefined(operation: () => Uint8Array): Uint8Array | undefined {
  try {
    return operation()
  } catch {
    return undefined
  }
}

const evenY = Uint8Array.of(2)

function liftEven(x: Uint8Array): Uint8Array {
  return concat(evenY, x)
}

function identity(x: Uint8Array): Uint8Array {
  return x
}

/** Bytes of a string with one character a byte: Node.js makes that string in less than half the time of a `Buffer`. */
function fromBinary(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length)
  for (let index = 0; index < text.length; index++) bytes[index] = text.charCodeAt(index)
  return bytes
}

type NodeCrypto = typeof import('node:crypto')

/** What is used of `secp256k1/bindings.js`. The private-key tweaks change their first argument and return it; all throw. */
interface Libsecp256k1 {
  privateKeyNegate(key: Uint8Array): Uint8Array
  privateKeyTweakAdd(key: Uint8Array, tweak: Uint8Array): Uint8Array
  privateKeyTweakMul(key: Uint8Array, tweak: Uint8Array): Uint8Array
  publicKeyVerify(point: Uint8Array): boolean
  publicKeyCreate(key: Uint8Array, compressed?: boolean): Uint8Array
  publicKeyCombine(points: readonly Uint8Array[]): Uint8Array
  publicKeyTweakAdd(point: Uint8Array, tweak: Uint8Array, compressed?: boolean): Uint8Array
  publicKeyTweakMul(point: Uint8Array, tweak: Uint8Array): Uint8Array
  ecdsaSign(digest: Uint8Array, key: Uint8Array): { readonly signature: Uint8Array }
  ecdsaVerify(signature: Uint8Array, digest: Uint8Array, point: Uint8Array): boolean
  ecdsaRecover(signature: Uint8Array, recovery: number, digest: Uint8Array, compressed?: boolean): Uint8Array
  ecdh(
    point: Uint8Array,
    key: Uint8Array,
    options: { hashfn: (x: Uint8Array) => Uint8Array; xbuf: Uint8Array; ybuf: Uint8Array },
    output: Uint8Array,
  ): Uint8Array
}
