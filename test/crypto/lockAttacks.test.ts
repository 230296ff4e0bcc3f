import { secp256k1 } from '@noble/curves/secp256k1.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, toHex } from '../../src/crypto/bytes.ts'
import type { LockLink } from '../../src/crypto/index.ts'
import { backend, LockPrefix, lockSchemes, Schnorr } from '../../src/crypto/index.ts'
import { checkBatch } from '../../src/crypto/schnorrBatch.ts'
import { createChain, verifyAll } from './chain.ts'
import { seeded } from './seeded.ts'

const { schnorr } = lockSchemes
const random = seeded('attack weights').bytes
const [add, multiply, negate] = [backend.addScalars, backend.multiplyScalars, backend.negateScalar]
const subtract = (x: Uint8Array, y: Uint8Array): Uint8Array => add(x, negate(y))
const entropy = fc.uint8Array({ minLength: 32, maxLength: 32 })

describe('a rogue first nonce', () => {
  it('satisfies lock 1 although neither receipt exists, where R_0 is the client’s word', () => {
    const { bank, client, committed } = createChain(schnorr, 'rogue', 1)
    const own = seeded('rogue client')
    // R_0 = a·G, of the client's choice.
    const a = evenScalar(own.bytes(32))
    const previous = { ...committed[0]!, commitment: xOf(backend.multiplyBase(a)) }
    const e0 = Schnorr.challenge({ ...previous, nonce: previous.commitment })
    // R_1 = b·G − e_0·P_B: cancels what the client cannot know. Another b until its y is even.
    const { b, R1 } = rogueNonce(() => own.bytes(32), e0, bank.publicKey)
    const current = { ...committed[1]!, commitment: xOf(R1) }
    const e1 = Schnorr.challenge({ ...current, nonce: current.commitment })
    // lk_1 = a + b + e_1·x_C
    const lock = add(add(a, b), multiply(e1, client.secret))

    expect(schnorr.check!({ lock, previous, current })).toBe(true)
    expect(checkBatch([{ lock, previous, current }], random)).toBe(true)
    expect(LockPrefix.step(LockPrefix.start(previous)!, { ...current, lock })?.index).toBe(1)

    // All that the client knows makes neither receipt: each lacks the bank's e_0·x_B.
    const s1 = add(b, multiply(e1, client.secret))
    expect(schnorr.verify({ ...previous, receipt: concat(previous.commitment, a) })).toBe(false)
    expect(schnorr.verify({ ...current, receipt: concat(current.commitment, s1) })).toBe(false)
    const missing = multiply(e0, bank.secret)
    expect(schnorr.verify({ ...previous, receipt: concat(previous.commitment, add(a, missing)) })).toBe(true)
    // The bank's real σ_0 opens nothing either: it has another R_0.
    const sigma0 = schnorr.sign(bank, previous.digest)
    const { commitment } = current
    const opened = schnorr.unlockNext!({ channelId: random(32), index: 1, lock, previous: sigma0, commitment })
    expect(schnorr.verify({ ...current, receipt: opened })).toBe(false)
  })

  it('does no harm once γ fixes R_0: whatever satisfies lock 1 then opens with the bank’s σ_0', () => {
    const { channelId, bank, client, receipts, committed } = createChain(schnorr, 'fixed', 1)
    const [previous, sigma0] = [committed[0]!, receipts[0]!]
    const e0 = Schnorr.challenge({ ...previous, nonce: previous.commitment })
    fc.assert(
      fc.property(entropy, fc.constantFrom('honest', 'cancels the bank', 'contains σ_0'), (seed, how) => {
        const own = seeded(toHex(seed))
        // The discrete logarithm of R_1, with what only the bank knows where the client left it in.
        let r1: Uint8Array
        if (how === 'honest') r1 = evenScalar(own.bytes(32))
        else if (how === 'contains σ_0') r1 = evenScalar(add(own.bytes(32), sigma0.subarray(32)))
        else {
          const { b } = rogueNonce(() => own.bytes(32), e0, bank.publicKey)
          r1 = subtract(b, multiply(e0, bank.secret))
        }
        const commitment = xOf(backend.multiplyBase(r1))
        const current = { ...committed[1]!, commitment }
        const e1 = Schnorr.challenge({ ...current, nonce: commitment })
        // The one lock that satisfies the equation, were the client to guess it.
        const lock = add(sigma0.subarray(32), add(r1, multiply(e1, client.secret)))
        expect(schnorr.check!({ lock, previous, current })).toBe(true)
        const receipt = schnorr.unlockNext!({ channelId, index: 1, lock, previous: sigma0, commitment })
        expect(schnorr.verify({ ...current, receipt })).toBe(true)
      }),
      { numRuns: 15 },
    )
  })
})

describe('a batch without weights', () => {
  const { links, committed } = createChain(schnorr, 'batch', 5)

  it('accepts +δ in one lock and −δ in another; weighted, it refuses', () => {
    fc.assert(
      fc.property(entropy, fc.nat({ max: 4 }), fc.nat({ max: 3 }), (seed, plus, step) => {
        const delta = seeded(toHex(seed)).bytes(32)
        const minus = (plus + 1 + step) % 5
        const forged = links.map((link) => ({ ...link }))
        forged[plus]!.lock = add(forged[plus]!.lock, delta)
        forged[minus]!.lock = subtract(forged[minus]!.lock, delta)

        expect(unweightedBatch(forged)).toBe(true)
        expect(checkBatch(forged, random)).toBe(false)
        const bad = [plus, minus].sort((x, y) => x - y)
        expect(forged.flatMap((link, at) => (schnorr.check!(link) ? [] : [at]))).toEqual(bad)
      }),
      { numRuns: 10 },
    )
  })

  it('accepts two locks in each other’s place; weighted, it refuses', () => {
    const swapped = links.map((link) => ({ ...link }))
    swapped[2]!.lock = links[3]!.lock
    swapped[3]!.lock = links[2]!.lock
    expect(unweightedBatch(swapped)).toBe(true)
    expect(checkBatch(swapped, random)).toBe(false)
  })

  it('is what this test says it is: honest locks pass it, a single wrong one does not', () => {
    expect(unweightedBatch(links)).toBe(true)
    const one = links.map((link) => ({ ...link }))
    one[2]!.lock = add(one[2]!.lock, committed[0]!.digest)
    expect(unweightedBatch(one)).toBe(false)
  })

  it('with weights asks for 128 fresh bits a lock, where it weighs', () => {
    const asked: number[] = []
    const accepted = checkBatch(links, (size) => {
      asked.push(size)
      return random(size)
    })
    expect(accepted).toBe(true)
    if (backend.multiplySum !== undefined) expect(() => checkBatch(links, () => random(16))).toThrow()
    // The native backend checks one by one, which needs no weights.
    expect(asked).toEqual(backend.multiplySum === undefined ? [] : [16 * links.length])
  })
})

describe('a nonce of odd y', () => {
  it('is refused although its x is the commitment: the receipt it leads to is invalid', () => {
    const chain = createChain(schnorr, 'odd', 2)
    const { client, channelId, receipts, committed } = chain
    const current = committed[2]!
    // k·G has odd y, and is not negated.
    const k = negate(evenScalar(seeded('odd nonce').bytes(32)))
    const R = backend.multiplyBase(k)
    expect(R[0]).toBe(3)
    const commitment = xOf(R)
    const e = Schnorr.challenge({ ...current, nonce: commitment })
    const receipt = concat(commitment, add(k, multiply(e, client.secret)))
    const lock = schnorr.lock({ channelId, index: 2, previous: receipts[1]!, receipt })
    const link: LockLink = { lock, previous: committed[1]!, current: { ...current, commitment } }

    // R_2 = lk·G − e·P − S_1 has the x that was committed to …
    const S1 = Schnorr.signaturePoint({ ...link.previous, nonce: link.previous.commitment })!
    const found = backend.multiplyAdd(lock, negate(e), Schnorr.lift(client.publicKey), Schnorr.negate(S1))!
    expect(xOf(found)).toEqual(commitment)
    // … and that is not enough.
    expect(schnorr.verify({ ...link.current, receipt })).toBe(false)
    expect(schnorr.isCommitment(commitment)).toBe(true)
    expect(schnorr.check!(link)).toBe(false)
    expect(checkBatch([chain.links[0]!, link], random)).toBe(false)
    const first = LockPrefix.step(LockPrefix.start(committed[0]!)!, { ...committed[1]!, lock: chain.links[0]!.lock })
    expect(LockPrefix.step(first!, { ...link.current, lock })).toBeUndefined()
  })

  it('is refused in σ_0 as well', () => {
    const { bank, client, channelId, receipts, committed } = createChain(schnorr, 'odd first', 1)
    const k = negate(evenScalar(seeded('odd bank nonce').bytes(32)))
    const commitment = xOf(backend.multiplyBase(k))
    const previous = { ...committed[0]!, commitment }
    const e = Schnorr.challenge({ ...previous, nonce: commitment })
    const sigma0 = concat(commitment, add(k, multiply(e, bank.secret)))
    const lock = schnorr.lock({ channelId, index: 1, previous: sigma0, receipt: receipts[1]! })
    expect(client.publicKey).toEqual(committed[1]!.publicKey)
    expect(schnorr.verify({ ...previous, receipt: sigma0 })).toBe(false)
    expect(schnorr.check!({ lock, previous, current: committed[1]! })).toBe(false)
  })
})

describe('a receipt', () => {
  it('cannot be swapped for another of the same client', () => {
    const chain = createChain(schnorr, 'swap', 3)
    const swapped = [chain.receipts[0]!, chain.receipts[2]!, chain.receipts[1]!, chain.receipts[3]!]
    expect(verifyAll(chain, swapped)).toEqual([true, false, false, true])
  })
})

/** `Σ lk_i·G = Σ (S_{i-1} + S_i)` and nothing more: what a batch must not be. */
function unweightedBatch(links: readonly LockLink[]): boolean {
  const { Point } = secp256k1
  let left = Point.ZERO
  let right = Point.ZERO
  for (const { lock, previous, current } of links) {
    left = left.add(Point.fromBytes(backend.multiplyBase(lock)))
    for (const end of [previous, current]) {
      right = right.add(Point.fromBytes(Schnorr.signaturePoint({ ...end, nonce: end.commitment })!))
    }
  }
  return left.equals(right)
}

/** `b` and `R_1 = b·G − e_0·P_B` of even y. */
function rogueNonce(
  draw: () => Uint8Array,
  e0: Uint8Array,
  bankKey: Uint8Array,
): { readonly b: Uint8Array; readonly R1: Uint8Array } {
  for (;;) {
    const b = draw()
    const R1 = backend.multiplyAdd(b, negate(e0), Schnorr.lift(bankKey))!
    if (R1[0] === 2) return { b, R1 }
  }
}

/** The scalar or its negative: the one whose point has even y. */
function evenScalar(scalar: Uint8Array): Uint8Array {
  return Schnorr.keyPair(scalar).secret
}

function xOf(point: Uint8Array): Uint8Array {
  return point.slice(1)
}
