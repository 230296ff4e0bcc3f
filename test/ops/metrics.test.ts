import { describe, expect, test } from 'vitest'
import { counterBy, type Family, gauge, gaugeBy, histogramOf, sumBy } from '../../src/ops/metrics/families.ts'
import { countPayments, createVendorCounters, meterCommits } from '../../src/ops/metrics/metered.ts'
import { openExposition } from '../../src/ops/metrics/prometheus.ts'
import { add, bump, createHistogram, observe } from '../../src/ops/metrics/tally.ts'
import { createReadiness, lastWriteCheck } from '../../src/ops/service/readiness.ts'
import { StoreError } from '../../src/sql/storeError.ts'
import type { Batch, StoredPayment } from '../../src/vendor/index.ts'

/** The lines of our own metrics, as Prometheus reads them. */
async function scrape(families: readonly Family[]): Promise<readonly string[]> {
  const exposition = await openExposition(families)
  const text = (await exposition?.text()) ?? ''
  return text.split('\n').filter((line) => line.startsWith('own_'))
}

describe('a metric', () => {
  test('is what was counted when it is read, each time anew', async () => {
    const refusals = new Map<string, number>()
    const sums = new Map<string, bigint>()
    const families = [
      counterBy(['own_refusals_total', 'Refusals.'], 'reason', refusals),
      sumBy(['own_charged_total', 'Charged.'], 'asset', sums),
      gauge(['own_nothing', 'Nothing yet.'], () => undefined),
      gauge(['own_deadline', 'A deadline.'], async () => -5),
      gaugeBy(['own_last', 'The last time.'], 'job', () => [['a"b\\', 7]]),
    ]
    const exposition = await openExposition(families)
    for (let round = 1; round <= 2; round++) {
      bump(refusals, 'CoinMismatch')
      add(sums, 'USD/6', 10n)
      const text = await exposition?.text()
      expect(text).toContain(`own_refusals_total{reason="CoinMismatch"} ${round}\n`)
      expect(text).toContain(`own_charged_total{asset="USD/6"} ${round * 10}\n`)
    }
    expect(await scrape(families)).toEqual([
      'own_refusals_total{reason="CoinMismatch"} 2',
      'own_charged_total{asset="USD/6"} 20',
      'own_deadline -5',
      'own_last{job="a\\"b\\\\"} 7',
    ])
  })

  test('of a duration counts every bucket from its bound down', async () => {
    const histogram = createHistogram([0.1, 1])
    for (const seconds of [0.05, 0.1, 0.5, 3]) observe(histogram, seconds)
    expect(await scrape([histogramOf(['own_seconds', 'Seconds.'], histogram)])).toEqual([
      'own_seconds_bucket{le="0.1"} 2',
      'own_seconds_bucket{le="1"} 3',
      'own_seconds_bucket{le="+Inf"} 4',
      'own_seconds_sum 3.65',
      'own_seconds_count 4',
    ])
  })
})

const channelId = new Uint8Array(32)

function batchOf(...payments: readonly Pick<StoredPayment, 'status' | 'charged'>[]): Batch {
  return { channels: [], payments: payments.map((payment) => ({ channelId, ...payment }) as StoredPayment) }
}

describe('a metered store', () => {
  test('counts a payment once it is settled for good, and durable', async () => {
    const counters = createVendorCounters()
    let fails = false
    const commit = async (_batch: Batch): Promise<{ fenced: readonly Uint8Array[] }> => {
      if (fails) throw new StoreError('the disk is full', { fault: 'full' })
      return { fenced: [] }
    }
    const store = meterCommits({ commit }, counters.commits, {
      nowMs: () => 0,
      onDone: countPayments(counters, 'USD/6'),
    })
    await store.commit(batchOf({ status: 'accepted', charged: 0n }, { status: 'running', charged: 0n }))
    expect(counters.payments.size).toBe(0)
    fails = true
    await expect(store.commit(batchOf({ status: 'charged', charged: 5n }))).rejects.toThrow('full')
    expect(counters.payments.size).toBe(0)
    fails = false
    await store.commit(batchOf({ status: 'charged', charged: 5n }, { status: 'released', charged: 0n }))
    expect(Object.fromEntries(counters.payments)).toEqual({ charged: 1, released: 1 })
    expect(Object.fromEntries(counters.charged)).toEqual({ 'USD/6': 5n })
    expect(Object.fromEntries(counters.commits.failures)).toEqual({ full: 1 })
  })

  test('does not count what another node has the lease of', async () => {
    const counters = createVendorCounters()
    countPayments(counters, 'USD/6')({ fenced: [channelId] }, batchOf({ status: 'charged', charged: 5n }))
    expect(counters.payments.size).toBe(0)
  })

  test('is not ready for a while after a commit failed, and then until the next one fails', async () => {
    let now = 0
    const counters = createVendorCounters()
    const commit = async (fails: boolean): Promise<void> => {
      if (fails) throw new StoreError('the disk is full', { fault: 'full' })
    }
    const store = meterCommits({ commit }, counters.commits, { nowMs: () => now })
    const readiness = createReadiness({ writes: lastWriteCheck(counters.commits, () => now, 1000) })
    expect(await readiness.state()).toMatchObject({ ok: true })
    await store.commit(true).catch(() => undefined)
    expect(await readiness.state()).toEqual({ ok: false, checks: { writes: 'the disk is full' } })
    now = 1000
    expect(await readiness.state()).toMatchObject({ ok: true })
    await store.commit(true).catch(() => undefined)
    await store.commit(false)
    expect(await readiness.state()).toMatchObject({ ok: true })
  })
})

describe('readiness', () => {
  test('says what is wrong by name, and takes no answer for one', async () => {
    const readiness = createReadiness(
      {
        store: async () => undefined,
        chain: () => Promise.reject(new Error('away')),
        bank: () => new Promise(() => undefined),
      },
      10,
    )
    expect(await readiness.state()).toEqual({
      ok: false,
      checks: { store: 'ok', chain: 'away', bank: 'no answer within 10 ms' },
    })
  })

  test('is over for good once a service drains', async () => {
    const readiness = createReadiness({})
    readiness.drain()
    expect(await readiness.state()).toEqual({ ok: false, checks: { service: 'is stopping' } })
  })
})
