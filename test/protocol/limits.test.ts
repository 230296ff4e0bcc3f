import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Bank } from '../../src/protocol/index.ts'
import { type UnixSeconds, unixSeconds } from '../../src/wire/amount.ts'
import { now } from './world.ts'

const rates = fc.record({ burst: fc.integer({ min: 1, max: 10 }), everySeconds: fc.integer({ min: 1, max: 20 }) })
const gaps = fc.array(fc.oneof(fc.constant(0n), fc.bigInt(0n, 30n)), { maxLength: 80 })

/** The times at which something was let through. */
function allowed(rate: Bank.Rate, list: readonly bigint[]): UnixSeconds[] {
  let bucket: Bank.Bucket | undefined
  let time = now
  return list.flatMap((gap) => {
    time = unixSeconds(time + gap)
    const wait = Bank.untilToken(bucket, rate, time)
    const taken = Bank.takeToken(bucket, rate, time)
    expect(taken.ok).toBe(wait === 0n)
    if (!taken.ok) {
      // A refusal took nothing, and says how long to wait.
      expect(Bank.takeToken(bucket, rate, unixSeconds(time + wait)).ok).toBe(true)
      expect(Bank.takeToken(bucket, rate, unixSeconds(time + wait - 1n)).ok).toBe(false)
      return []
    }
    bucket = taken.bucket
    return [time]
  })
}

describe('a rate', () => {
  it('lets no stretch of time have more than its burst and what comes back in it', () => {
    fc.assert(
      fc.property(rates, gaps, (rate, list) => {
        const times = allowed(rate, list)
        for (const [first, from] of times.entries()) {
          for (const [last, to] of times.entries()) {
            if (last < first) continue
            const most = BigInt(rate.burst) + (to - from) / BigInt(rate.everySeconds)
            expect(BigInt(last - first + 1) <= most).toBe(true)
          }
        }
      }),
      { numRuns: 60 },
    )
  })

  it('lets through all that comes slowly enough, and a whole burst after a rest', () => {
    fc.assert(
      fc.property(rates, (rate) => {
        const slow = Array.from({ length: 20 }, () => BigInt(rate.everySeconds))
        expect(allowed(rate, slow)).toHaveLength(20)
        const rest = BigInt(rate.everySeconds) * BigInt(rate.burst)
        const burst = [0n, ...Array.from({ length: rate.burst }, () => 0n)]
        expect(allowed(rate, [...burst, rest, ...burst])).toHaveLength(2 * rate.burst)
      }),
    )
  })

  it('refuses with the wait', () => {
    const rate = { burst: 1, everySeconds: 60 }
    const taken = Bank.takeToken(undefined, rate, now)
    if (!taken.ok) throw new Error(taken.detail)
    expect(Bank.takeToken(taken.bucket, rate, unixSeconds(now + 1n))).toEqual({
      ok: false,
      reason: 'RateLimited',
      detail: 'at most 1 at once: the next in 59 s',
    })
  })
})

describe('an account', () => {
  const limits: Bank.Limits = { ...Bank.defaultLimits, channelMin: new Map([['USD/6', 1_000n]]), openChannelsMax: 2 }
  const opening = { asset: 'USD/6', funds: 1_000n, openChannels: 1 }

  it('opens channels of the minimum and more, and so many at once', () => {
    expect(Bank.assessLimits(limits, opening)).toEqual({ ok: true })
    expect(Bank.assessLimits(limits, { ...opening, funds: 999n })).toMatchObject({ reason: 'FundsTooSmall' })
    expect(Bank.assessLimits(limits, { ...opening, openChannels: 2 })).toMatchObject({ reason: 'TooManyChannels' })
    expect(Bank.assessLimits(limits, { ...opening, asset: 'EUR/2', funds: 1n })).toEqual({ ok: true })
    expect(Bank.assessLimits(limits, { ...opening, asset: 'EUR/2', funds: 0n })).toMatchObject({ ok: false })
  })
})
