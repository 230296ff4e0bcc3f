import { randomUUID } from 'node:crypto'
import { describe, expect, it, vi } from 'vitest'
import type { Backend } from '../../src/crypto/backend.ts'
import { native, portable } from '../../src/crypto/backend.ts'
import { concat, fromHex, toHex } from '../../src/crypto/bytes.ts'
import { portable as compact } from '../../src/crypto/compact.ts'
import type * as SchnorrModule from '../../src/crypto/Schnorr.ts'
import { isScalar, reduce } from '../../src/crypto/scalar.ts'
import { seeded } from './seeded.ts'

const q = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
const p = 0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2fn

/** Of each function. `npm run check:backends` draws 10,000 of each, anew each time: `portable` takes milliseconds for some. */
const cases = Number(process.env.LOCKSTEP_CASES ?? 250)
const seed = process.env.LOCKSTEP_CASES === undefined ? 'backends agree' : randomUUID()
const { bytes, below, pick } = seeded(seed)

if (native === undefined) console.warn('The optional package secp256k1 does not load: backends are not compared.')

// One run compares both, so the run that forces the portable one has nothing to add.
const hasBoth = native !== undefined && process.env.LOCKSTEP_BACKEND !== 'portable'

describe.skipIf(!hasBoth)(`native and portable agree, on cases drawn from “${seed}”`, () => {
  agree('sha256', () => {
    const data = bytes(below(300))
    return (backend) => backend.sha256(data)
  })

  agree('hmacSha256', () => {
    const [key, data] = [bytes(pick([0, 1, 20, 32, 64, 65, 131])), bytes(below(300))]
    return (backend) => {
      const hmac = backend.hmacSha256(key)
      hmac(key)
      return hmac(data)
    }
  })

  agree('addScalars', () => {
    const x = anyScalar()
    const y = below(8) === 0 && isScalar(x) ? portable.negateScalar(x) : anyScalar()
    return (backend) => backend.addScalars(x, y)
  })

  agree('multiplyScalars', () => {
    const [x, y] = [anyScalar(), anyScalar()]
    return (backend) => backend.multiplyScalars(x, y)
  })

  agree('negateScalar', () => {
    const x = anyScalar()
    return (backend) => backend.negateScalar(x)
  })

  agree('isXCoordinate', () => {
    const x = below(10) === 0 ? bytes(pick([0, 31, 33])) : anyPoint().slice(1, 33)
    return (backend) => backend.isXCoordinate(x)
  })

  agree('multiplyBase', () => {
    const k = anyScalar()
    return (backend) => backend.multiplyBase(k)
  })

  agree('multiplyAdd', () => {
    const [a, b, P] = [anyScalar(), anyScalar(), anyPoint()]
    const Q = below(2) === 0 ? undefined : anyPoint()
    return (backend) => backend.multiplyAdd(a, b, P, Q)
  })

  agree('sharedX', () => {
    const [secret, x] = [anyScalar(), below(10) === 0 ? bytes(31) : anyPoint().slice(1, 33)]
    return (backend) => backend.sharedX(secret, x)
  })

  agree('ecdsaSign', () => {
    const [secret, digest] = [anyScalar(), below(20) === 0 ? bytes(31) : below(4) === 0 ? number(edge()) : bytes(32)]
    return (backend) => backend.ecdsaSign(secret, digest)
  })

  agree('ecdsaVerify', () => {
    const secret = bytes(32)
    const digest = below(4) === 0 ? number(edge()) : bytes(32)
    const signature = native!.ecdsaSign(secret, digest)
    const point = native!.multiplyBase(secret)
    const spoilt = pick(['nothing', 'nothing', 'r', 's', 'high s', 'digest', 'point', 'size'] as const)
    const tampered = new Uint8Array(signature)
    if (spoilt === 'r') tampered.set(below(2) === 0 ? number(edge()) : bytes(32), 0)
    if (spoilt === 's') tampered.set(below(2) === 0 ? number(edge()) : bytes(32), 32)
    if (spoilt === 'high s') tampered.set(native!.negateScalar(signature.slice(32)), 32)
    const sized = spoilt === 'size' ? tampered.slice(0, 63) : tampered
    const asked = spoilt === 'digest' ? bytes(32) : digest
    const key = spoilt === 'point' ? anyPoint() : point
    return (backend) => backend.ecdsaVerify(sized, asked, key)
  })

  agreeOnSchnorr('Schnorr.sign', () => {
    const [secret, digest] = [anyScalar(), below(4) === 0 ? bytes(below(100)) : bytes(32)]
    return (Schnorr) => Schnorr.sign(Schnorr.keyPair(secret), digest)
  })

  agreeOnSchnorr('Schnorr.verify', (Schnorr) => {
    const key = Schnorr.keyPair(bytes(32))
    const digest = bytes(32)
    const signature = Schnorr.sign(key, digest)
    const spoilt = pick(['nothing', 'nothing', 'nothing', 'r', 's', '-s', 'digest', 'key', 'size'] as const)
    const tampered = new Uint8Array(signature)
    if (spoilt === 'r') tampered.set(below(2) === 0 ? number(edge()) : bytes(32), 0)
    if (spoilt === 's') tampered.set(below(2) === 0 ? number(edge()) : bytes(32), 32)
    if (spoilt === '-s') tampered.set(native!.negateScalar(signature.slice(32)), 32)
    const args = {
      publicKey: spoilt === 'key' ? anyPoint().slice(1, 33) : key.publicKey,
      digest: spoilt === 'digest' ? bytes(32) : digest,
      signature: spoilt === 'size' ? tampered.slice(0, 63) : tampered,
    }
    return (other) => other.verify(args)
  })
})

const all = Object.entries({ native, portable, compact }).flatMap(([name, backend]) =>
  backend === undefined ? [] : [{ name, backend }],
)

describe.each(all)('backend $name', ({ backend }) => {
  const one = number(1n)
  const zero = number(0n)
  const G = backend.multiplyBase(one)

  it('adds to zero, and to infinity, without an accident', () => {
    const minusOne = number(q - 1n)
    expect(toHex(backend.addScalars(one, minusOne))).toBe(toHex(zero))
    expect(toHex(backend.addScalars(zero, zero))).toBe(toHex(zero))
    expect(backend.multiplyAdd(one, minusOne, G)).toBeUndefined()
    expect(backend.multiplyAdd(zero, zero, G)).toBeUndefined()
    expect(backend.multiplyAdd(one, minusOne, G, G)).toEqual(G)
    expect(backend.multiplyAdd(zero, zero, G, G)).toEqual(G)
    expect(backend.multiplyAdd(zero, minusOne, G, G)).toBeUndefined()
    expect(backend.multiplyAdd(zero, one, G)).toEqual(G)
    expect(backend.multiplyAdd(one, zero, G)).toEqual(G)
  })

  it('multiplies points whose x is q or above, which no ECDSA recovery with r = x reaches', () => {
    const P = pointAboveOrder
    expect(toHex(backend.multiplyAdd(zero, one, P)!)).toBe(toHex(P))
    const twice = backend.multiplyAdd(zero, number(2n), P)!
    expect(toHex(backend.multiplyAdd(zero, one, P, P)!)).toBe(toHex(twice))
    expect(backend.multiplyAdd(zero, number(q - 1n), P, P)).toBeUndefined()
  })

  it('takes what is no point as no point, whatever it is multiplied with', () => {
    for (const none of [offCurve, concat(Uint8Array.of(2), number(p)), concat(Uint8Array.of(4), G.slice(1))]) {
      for (const b of [zero, one]) {
        expect(backend.multiplyAdd(one, b, none)).toBeUndefined()
        expect(backend.multiplyAdd(one, b, G, none)).toBeUndefined()
        expect(backend.multiplyAdd(one, b, none, G)).toBeUndefined()
      }
      expect(backend.ecdsaVerify(backend.ecdsaSign(one, zero), zero, none)).toBe(false)
    }
  })

  it('shares one x, whichever y either side took', () => {
    const [a, b] = [number(1234567n), number(q - 7654321n)]
    const [A, B] = [backend.multiplyBase(a), backend.multiplyBase(b)]
    const shared = backend.sharedX(a, B.slice(1))
    expect(toHex(backend.sharedX(b, A.slice(1)))).toBe(toHex(shared))
    expect(toHex(backend.sharedX(backend.negateScalar(a), B.slice(1)))).toBe(toHex(shared))
    expect(() => backend.sharedX(a, offCurve.slice(1))).toThrow()
  })

  it('signs ECDSA with the nonce of RFC 6979 and low s', () => {
    const digest = backend.sha256(new TextEncoder().encode('Satoshi Nakamoto'))
    expect(toHex(backend.ecdsaSign(one, digest))).toBe(
      '934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8' +
        '2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5',
    )
  })

  it('changes no argument, and keeps none', () => {
    const random = seeded('arguments')
    const [x, y] = [random.bytes(32), random.bytes(32)]
    const before = toHex(concat(x, y, G))
    const key = new Uint8Array(x)
    const hmac = backend.hmacSha256(key)
    const mac = toHex(hmac(y))
    key.fill(0)
    expect(toHex(hmac(y))).toBe(mac)
    const results = [
      backend.addScalars(x, y),
      backend.addScalars(zero, y),
      backend.multiplyScalars(x, y),
      backend.negateScalar(x),
      backend.multiplyBase(x),
      backend.multiplyAdd(x, y, G),
      backend.multiplyAdd(x, y, G, G),
      backend.multiplyAdd(zero, zero, G, G),
      backend.sharedX(x, G.subarray(1)),
      backend.ecdsaSign(x, y),
      backend.sha256(y),
    ]
    for (const result of results) result!.fill(0)
    expect(toHex(concat(x, y, G))).toBe(before)
    // A Buffer's slice would share memory.
    for (const result of results) expect(Object.getPrototypeOf(result)).toBe(Uint8Array.prototype)
  })
})

describe('scalars', () => {
  it('reduce and compare as integers do', () => {
    for (let run = 0; run < 2000; run++) {
      const value = below(2) === 0 ? edge() : toInteger(bytes(32))
      expect(toInteger(reduce(number(value)))).toBe(value % q)
      expect(isScalar(number(value))).toBe(value < q)
    }
    expect(isScalar(new Uint8Array(31))).toBe(false)
    expect(isScalar(new Uint8Array(33))).toBe(false)
    expect(() => reduce(new Uint8Array(31))).toThrow()
  })
})

/** The first point with x ≥ q, and the first x from 5 on that no point has. */
const pointAboveOrder = concat(Uint8Array.of(2), number(firstX(q, true)))
const offCurve = concat(Uint8Array.of(2), number(firstX(5n, false)))

function firstX(from: bigint, wanted: boolean): bigint {
  for (let x = from; ; x++) if (portable.isXCoordinate(number(x)) === wanted) return x
}

type Case<T> = (subject: T) => Uint8Array | boolean | undefined

function agree(name: keyof Backend, draw: () => Case<Backend>): void {
  it(`${name}: ${cases} cases`, () => {
    for (let run = 0; run < cases; run++) {
      const ask = draw()
      const wanted = `${run} ${outcome(() => ask(native!))}`
      for (const other of [portable, compact]) expect(`${run} ${outcome(() => ask(other))}`).toBe(wanted)
    }
  })
}

function agreeOnSchnorr(name: string, draw: (native: Schnorr) => Case<Schnorr>): void {
  it(`${name}: ${cases} cases`, async () => {
    const [onNative, onPortable] = [await schnorrOn('native'), await schnorrOn('portable')]
    for (let run = 0; run < cases; run++) {
      const ask = draw(onNative)
      expect(`${run} ${outcome(() => ask(onNative))}`).toBe(`${run} ${outcome(() => ask(onPortable))}`)
    }
  })
}

type Schnorr = typeof SchnorrModule

/** A second copy of the module, on the backend asked for. */
async function schnorrOn(name: Backend['name']): Promise<Schnorr> {
  vi.resetModules()
  vi.stubEnv('LOCKSTEP_BACKEND', name)
  const { backend } = await import('../../src/crypto/backend.ts')
  const Schnorr = await import('../../src/crypto/Schnorr.ts')
  vi.unstubAllEnvs()
  expect(backend.name).toBe(name)
  return Schnorr
}

function outcome(ask: () => Uint8Array | boolean | undefined): string {
  try {
    const result = ask()
    return result instanceof Uint8Array ? toHex(result) : String(result)
  } catch {
    // The words differ between the libraries; that both refuse is what counts.
    return 'throws'
  }
}

/** Mostly random, sometimes at an edge, now and then out of range or of the wrong size. */
function anyScalar(): Uint8Array {
  const kind = below(20)
  if (kind === 0) return bytes(pick([0, 31, 33]))
  if (kind < 6) return number(edge())
  return bytes(32)
}

function edge(): bigint {
  return pick([0n, 1n, 2n, (q - 1n) / 2n, (q + 1n) / 2n, q - 2n, q - 1n, q, q + 1n, p - 1n, p, p + 1n, 2n ** 256n - 1n])
}

/** Mostly points, of either y; sometimes what only looks like one. */
function anyPoint(): Uint8Array {
  const kind = below(20)
  if (kind === 0) return bytes(pick([0, 32, 65]))
  if (kind === 1) return concat(Uint8Array.of(pick([0, 1, 4, 6, 7])), native!.multiplyBase(bytes(32)).slice(1))
  if (kind === 2) return concat(Uint8Array.of(2), number(edge()))
  if (kind === 3) return pointAboveOrder
  if (kind < 8) return concat(Uint8Array.of(pick([2, 3])), bytes(32))
  if (kind === 8) return native!.multiplyBase(number(1n))
  return native!.multiplyBase(bytes(32))
}

function number(value: bigint): Uint8Array<ArrayBuffer> {
  return fromHex(value.toString(16).padStart(64, '0'))
}

function toInteger(scalar: Uint8Array): bigint {
  return BigInt(`0x${toHex(scalar)}`)
}
