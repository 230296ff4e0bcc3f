import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { toHex, u32 } from '../../src/crypto/bytes.ts'
import { createCloseJob, pauseOf } from '../../src/vendor/closeJob.ts'
import type { DueChannel } from '../../src/vendor/store/contract.ts'
import { type UnixSeconds, unixSeconds } from '../../src/wire/amount.ts'

const margin = 1800

/** A bank that pays unless told otherwise, and channels by number with their deadlines. */
function world(deadlines: readonly bigint[]): {
  readonly run: () => Promise<void>
  readonly tried: string[]
  readonly claims: Map<string, number>
  failing: ReadonlySet<string>
  now: UnixSeconds
} {
  const open = new Map(deadlines.map((deadline, number) => [name(number), unixSeconds(deadline)]))
  const state = {
    tried: [] as string[],
    claims: new Map<string, number>(),
    failing: new Set<string>(),
    now: unixSeconds(0n),
  }
  const count = (outcome: string): void => void state.claims.set(outcome, (state.claims.get(outcome) ?? 0) + 1)
  const run = createCloseJob(
    {
      now: () => state.now,
      onClaimed: () => count('settled'),
      onFailed: () => count('failed'),
      async due(until, limit) {
        const found: DueChannel[] = [...open].flatMap(([reference, deadline]) =>
          deadline <= until ? [{ reference: Buffer.from(reference, 'hex'), deadline }] : [],
        )
        return found.sort((left, right) => Number(left.deadline - right.deadline)).slice(0, limit)
      },
      async claim(reference) {
        const channel = toHex(reference)
        state.tried.push(channel)
        if (state.failing.has(channel)) throw new Error('the bank does not answer')
        open.delete(channel)
        return { channel, settled: 1n }
      },
    },
    margin,
  )
  return Object.assign(state, { run })
}

function name(number: number): string {
  return toHex(u32(number))
}

describe('the close job', () => {
  test('claims what is due within the margin, the most urgent first, and leaves the rest', async () => {
    const vendor = world([1800n, 900n, 1801n])
    await vendor.run()
    expect(vendor.tried).toEqual([name(1), name(0)])
    vendor.now = unixSeconds(1n)
    await vendor.run()
    expect(vendor.tried).toEqual([name(1), name(0), name(2)])
    expect(Object.fromEntries(vendor.claims)).toEqual({ settled: 3 })
  })

  test('lets a channel that fails fail alone, and tries it again before its deadline, ever more often towards it', async () => {
    const vendor = world([1000n, 1000n])
    vendor.failing = new Set([name(0)])
    const tries: bigint[] = []
    for (let now = 0n; now < 990n; now++) {
      vendor.now = unixSeconds(now)
      const before = vendor.tried.length
      await vendor.run()
      if (vendor.tried.slice(before).includes(name(0))) tries.push(now)
    }
    expect(vendor.tried.filter((one) => one === name(1))).toHaveLength(1)
    expect(tries.slice(0, 4)).toEqual([0n, 30n, 90n, 210n])
    expect(tries.filter((at) => at >= 900n).length).toBeGreaterThan(5)
    vendor.failing = new Set()
    vendor.now = unixSeconds(1000n)
    await vendor.run()
    expect(vendor.claims.get('settled')).toBe(2)
  })

  test('sees what is due behind a thousand channels that fail', async () => {
    const vendor = world([...Array.from({ length: 1000 }, () => 100n), 1000n])
    vendor.failing = new Set(Array.from({ length: 1000 }, (_, number) => name(number)))
    await vendor.run()
    expect(vendor.tried).not.toContain(name(1000))
    await vendor.run()
    expect(vendor.tried).toContain(name(1000))
  })

  test('waits no longer than a quarter of what is left, and never without a pause', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), fc.bigInt({ min: -1000n, max: 100_000n }), (failures, left) => {
        const pause = pauseOf(failures, left)
        expect(pause).toBeGreaterThanOrEqual(5n)
        expect(pause <= 5n || (pause <= left / 4n && pause <= 3600n)).toBe(true)
      }),
    )
  })
})
