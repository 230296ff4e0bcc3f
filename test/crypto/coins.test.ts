import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, toHex, u32, u64, utf8 } from '../../src/crypto/bytes.ts'
import { CoinChain } from '../../src/crypto/index.ts'
import { seeded } from './seeded.ts'

const seed = seeded('coins').bytes(32)
const salt = seeded('coin salt').bytes(16)

describe('coins', () => {
  it('each hash to the one before: w_{j-1} = SHA-256(w_j ‖ coinSalt)', () => {
    const coins = CoinChain.create({ seed, length: 20, salt })
    expect(coins.length).toBe(21)
    expect(coins[20]).toEqual(seed)
    for (let j = 1; j <= 20; j++) expect(toHex(coins[j - 1]!)).toBe(sha256Hex(coins[j]!, salt))
  })

  it('lead from any to any earlier one', () => {
    const coins = CoinChain.create({ seed, length: 64, salt })
    fc.assert(
      fc.property(fc.nat({ max: 64 }), fc.nat({ max: 64 }), (j, steps) => {
        fc.pre(steps <= j)
        expect(toHex(CoinChain.walk({ coin: coins[j]!, steps, salt }))).toBe(toHex(coins[j - steps]!))
      }),
    )
  })

  it('reach the anchor from the last coin of a full segment', () => {
    const coins = CoinChain.create({ seed, length: CoinChain.lengthMax, salt })
    expect(CoinChain.walk({ coin: seed, steps: CoinChain.lengthMax, salt })).toEqual(coins[0])
  })

  it('lead elsewhere with any bit of coin or salt turned', () => {
    const anchor = CoinChain.create({ seed, length: 8, salt })[0]!
    fc.assert(
      fc.property(fc.nat({ max: 383 }), (bit) => {
        const both = concat(seed, salt)
        both[bit >> 3]! ^= 1 << (bit & 7)
        const other = CoinChain.walk({ coin: both.subarray(0, 32), steps: 8, salt: both.subarray(32) })
        expect(toHex(other)).not.toBe(toHex(anchor))
      }),
    )
  })

  it('are nobody else’s memory', () => {
    const own = new Uint8Array(seed)
    const coins = CoinChain.create({ seed: own, length: 3, salt })
    const walked = CoinChain.walk({ coin: own, steps: 0, salt })
    const before = coins.map(toHex)
    own.fill(0)
    coins[1]!.fill(0)
    expect(toHex(walked)).toBe(before[3])
    expect(coins.map(toHex)).toEqual([before[0], '00'.repeat(32), before[2], before[3]])
  })

  it('are refused beyond a segment, in fractions and in wrong sizes', () => {
    for (const steps of [-1, 0.5, 1025, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => CoinChain.walk({ coin: seed, steps, salt })).toThrow(RangeError)
      expect(() => CoinChain.create({ seed, length: steps, salt })).toThrow(RangeError)
    }
    for (const size of [0, 31, 33]) {
      expect(() => CoinChain.walk({ coin: new Uint8Array(size), steps: 1, salt })).toThrow(RangeError)
    }
    expect(() => CoinChain.walk({ coin: seed, steps: 1, salt: new Uint8Array(15) })).toThrow(RangeError)
  })
})

describe('a segment’s seed', () => {
  const args = { channelSeed: seed, segment: 3, base: 5_000n, unitPrice: 25n, length: 1024 }

  it('is a tagged hash of channel seed, segment, base, price and length', () => {
    const tag = createHash('sha256').update('lockstep/segment').digest()
    const fields = concat(seed, u32(3), u64(5_000n), u64(25n), u32(1024))
    expect(toHex(CoinChain.segmentSeed(args))).toBe(sha256Hex(concat(tag, tag), fields))
  })

  it('differs where any of them does: no coin of one price can be redeemed at another', () => {
    const number = fc.nat({ max: 0xffffffff })
    const amount = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n })
    const arbitrary = fc.record({
      channelSeed: fc.uint8Array({ minLength: 32, maxLength: 32 }),
      segment: number,
      base: amount,
      unitPrice: amount,
      length: number,
    })
    fc.assert(
      fc.property(
        arbitrary,
        arbitrary,
        fc.constantFrom(...(Object.keys(args) as (keyof typeof args)[])),
        (one, other, field) => {
          fc.pre(String(one[field]) !== String(other[field]))
          const changed = { ...one, [field]: other[field] }
          expect(toHex(CoinChain.segmentSeed(changed))).not.toBe(toHex(CoinChain.segmentSeed(one)))
        },
      ),
    )
  })

  it('needs a channel seed of 32 bytes', () => {
    expect(() => CoinChain.segmentSeed({ ...args, channelSeed: utf8('short') })).toThrow(RangeError)
  })
})

function sha256Hex(...parts: readonly Uint8Array[]): string {
  return createHash('sha256')
    .update(concat(...parts))
    .digest('hex')
}
