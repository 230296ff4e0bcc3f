import { describe, expect, test } from 'vitest'
import { delayOf, type JobName, type JobsOptions, runJobs } from '../../src/bank/jobs.ts'
import { must, now } from '../protocol/world.ts'
import { buy, claimOf, openWorld } from './channels.ts'
import { openFundedBank } from './support.ts'

/** Time that passes only where the jobs sleep, all of them together. */
function simulated(endMs: number): Pick<JobsOptions, 'sleep' | 'signal'> & { readonly at: () => number } {
  const controller = new AbortController()
  const sleepers: { readonly until: number; readonly wake: () => void }[] = []
  let time = 0
  let idle: NodeJS.Immediate | undefined
  const advance = (): void => {
    sleepers.sort((left, right) => left.until - right.until)
    const next = sleepers.shift()
    if (next === undefined) return
    time = next.until
    if (time >= endMs) {
      controller.abort()
      for (const { wake } of sleepers.splice(0)) wake()
    }
    next.wake()
    settle()
  }
  const settle = (): void => {
    clearImmediate(idle)
    idle = setImmediate(() => setImmediate(advance))
  }
  return {
    signal: controller.signal,
    at: () => time,
    sleep: (ms) =>
      new Promise((wake) => {
        if (controller.signal.aborted) return wake()
        sleepers.push({ until: time + ms, wake })
        settle()
      }),
  }
}

function recorded(fail: Partial<Record<JobName, number>> = {}) {
  const times: Record<JobName, number[]> = { beat: [], expire: [], review: [], record: [] }
  const run = simulated(3_600_000)
  const left = { ...fail }
  const job = (name: JobName) => async (): Promise<never> => {
    times[name].push(run.at())
    const failures = left[name] ?? 0
    if (failures > 0) {
      left[name] = failures - 1
      throw new Error(`${name} fails`)
    }
    return undefined as never
  }
  const bank = { beat: job('beat'), expire: job('expire'), review: job('review'), record: job('record') }
  return { bank, times, run }
}

describe('the jobs of a bank', () => {
  test('are done again and again until the signal, each in its own time', async () => {
    const { bank, times, run } = recorded()
    await runJobs({ bank, signal: run.signal, sleep: run.sleep!, chance: () => 0.5 })
    expect(times.beat).toHaveLength(720)
    expect(times.expire).toHaveLength(60)
    expect(times.record).toHaveLength(60)
    expect(times.review).toHaveLength(6)
    expect(times.beat[0]).toBe(0)
  })

  test('are spread by chance, but the clock, which starts at once', async () => {
    const chances = [0.1, 0.9, 0.3, 0.7]
    let call = 0
    const { bank, times, run } = recorded()
    await runJobs({ bank, signal: run.signal, sleep: run.sleep!, chance: () => chances[call++ % 4]! })
    const gaps = new Set(times.expire.slice(1).map((at, index) => Math.round(at - times.expire[index]!)))
    expect(gaps.size).toBeGreaterThan(1)
    for (const gap of gaps) expect(gap >= 48_000 && gap <= 72_000, String(gap)).toBe(true)
    expect(times.beat[0]).toBe(0)
  })

  test('that fail are done again sooner, then less and less often, and say so', async () => {
    const { bank, times, run } = recorded({ record: 9 })
    const errors: string[] = []
    const onError = (job: JobName, error: unknown): void => void errors.push(`${job}: ${String(error)}`)
    await runJobs({ bank, signal: run.signal, sleep: run.sleep!, chance: () => 0.5, onError })
    const gaps = times.record.slice(1, 10).map((at, index) => at - times.record[index]!)
    expect(gaps).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000])
    expect(errors).toEqual(Array.from({ length: 9 }, () => 'record: Error: record fails'))
    expect(times.beat.length).toBe(720)
  })

  test('never wait longer than a fifth above their interval, nor less than a fifth below', () => {
    for (const failures of [0, 1, 5, 40]) {
      for (const chance of [0, 0.5, 0.999]) {
        const delay = delayOf({ interval: 60_000, failures }, chance)
        expect(delay).toBeLessThanOrEqual(72_000)
        expect(delay).toBeGreaterThanOrEqual(failures === 0 ? 48_000 : 800)
      }
    }
  })

  test('end with what is under way', async () => {
    const controller = new AbortController()
    let finish = (): void => undefined
    let isDone = false
    const bank = {
      beat: async () => undefined as never,
      expire: async () => 0,
      review: async () => 0,
      record: () =>
        new Promise<readonly never[]>((resolve) => {
          finish = () => {
            isDone = true
            resolve([])
          }
        }),
    }
    const running = runJobs({ bank, signal: controller.signal, everyMs: { record: 1 } })
    await new Promise((resolve) => setTimeout(resolve, 50))
    controller.abort()
    setTimeout(() => finish(), 20)
    await running
    expect(isDone).toBe(true)
  })

  test('let a bank expire, record and beat by itself', async () => {
    const { bank, setClock } = await openFundedBank()
    const worlds = await Promise.all(['one', 'two'].map((label) => openWorld(bank, label)))
    buy(worlds[0]!, 2)
    must(await bank.close(claimOf(worlds[0]!)))
    await setClock(now + 4_201n)
    const run = simulated(120_000)
    await runJobs({ bank, signal: run.signal, sleep: run.sleep!, chance: () => 0.5 })
    expect(await bank.status(worlds[0]!.client.channelId)).toMatchObject({ status: 'closed', record: 'recorded' })
    expect(await bank.status(worlds[1]!.client.channelId)).toMatchObject({ status: 'expired' })
  })
})
