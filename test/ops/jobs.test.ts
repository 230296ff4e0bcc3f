import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { silentLogger } from '../../src/ops/log/logger.ts'
import { createJobCounters, delayOf, type Jobs, startJobs } from '../../src/ops/service/jobs.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function start(
  run: () => Promise<void>,
  everySeconds: number,
): { readonly jobs: Jobs; readonly counters: ReturnType<typeof createJobCounters> } {
  const counters = createJobCounters()
  const deps = { logger: silentLogger, counters, nowMs: Date.now, chance: () => 0.5 }
  return { jobs: startJobs(deps, [{ name: 'job', everySeconds, run }]), counters }
}

describe('a job', () => {
  test('runs for the first time within a minute, then once an interval', async () => {
    let runs = 0
    const { jobs, counters } = start(async () => void runs++, 10)
    await vi.advanceTimersByTimeAsync(4_999)
    expect(runs).toBe(0)
    await vi.advanceTimersByTimeAsync(1)
    expect(runs).toBe(1)
    await vi.advanceTimersByTimeAsync(30_000)
    expect(runs).toBe(4)
    expect(counters.done.get('job')).toBe(4)
    await jobs.stop()
    await vi.advanceTimersByTimeAsync(100_000)
    expect(runs).toBe(4)
  })

  test('never runs twice at a time, and its stop waits for the one that runs', async () => {
    let running = 0
    let most = 0
    const { jobs } = start(async () => {
      most = Math.max(most, ++running)
      await new Promise((resolve) => setTimeout(resolve, 60_000))
      running--
    }, 1)
    await vi.advanceTimersByTimeAsync(30_000)
    expect({ running, most }).toEqual({ running: 1, most: 1 })
    const stopped = jobs.stop()
    await vi.advanceTimersByTimeAsync(60_000)
    await stopped
    expect(running).toBe(0)
  })

  test('that fails is counted, tried again sooner, and then goes on as before', async () => {
    let runs = 0
    const { jobs, counters } = start(async () => {
      if (++runs <= 3) throw new Error('away')
    }, 1000)
    await vi.advanceTimersByTimeAsync(30_000)
    expect(runs).toBe(1)
    // After one, two and four seconds.
    await vi.advanceTimersByTimeAsync(7_000)
    expect(runs).toBe(4)
    expect([counters.failed.get('job'), counters.done.get('job')]).toEqual([3, 1])
    await vi.advanceTimersByTimeAsync(999_000)
    expect(runs).toBe(4)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(runs).toBe(5)
    await jobs.stop()
  })

  test('waits no longer than its interval or a minute, give or take a fifth', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 86_400 }),
        fc.nat(1000),
        fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        (everySeconds, failures, chance) => {
          const delay = delayOf({ everySeconds, failures }, chance)
          const longest = failures === 0 ? everySeconds : Math.max(everySeconds, 60)
          expect(delay).toBeGreaterThanOrEqual(0)
          expect(delay).toBeLessThanOrEqual(longest * 1.2)
        },
      ),
    )
  })
})
