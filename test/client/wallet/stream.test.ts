import { describe, expect, test } from 'vitest'
import type { StreamRoute } from '../../../src/vendor/index.ts'
import { openMarket, refusalOf } from './market.ts'

/** Says numbers for ever. */
const numbers: StreamRoute = {
  path: '/numbers',
  price: 10n,
  *source() {
    for (let unit = 0; ; unit++) yield Uint8Array.of(unit & 0xff)
  },
}

describe.each(['websocket', 'events'] as const)('a stream over %s', (transport) => {
  test('is paid unit by unit up to what it may cost', async () => {
    const { stall, open } = await openMarket({ streams: [numbers] })
    const { w, of } = await open({ budget: { request: '0.00001', atRisk: '0.00003' } })
    const received: number[] = []
    for await (const [unit] of w.stream(`${stall.url}/numbers`, { max: '0.0005', transport })) received.push(unit!)
    expect(received).toEqual(Array.from({ length: 50 }, (_, at) => at))
    expect(w.paidToday()).toBe('0.0005')
    expect((await w.ledger()).map(({ charged }) => charged)).toEqual(['0.0005'])
    expect(of('streamed').map(({ units, unitPrice }) => [units, unitPrice])).toEqual([[50, '0.00001']])
    await w.close()
    expect(of('closed').map(({ spent }) => spent)).toEqual(['0.0005'])
  })

  test('that is left is paid for what came, and a little that stays credit', async () => {
    const { stall, open } = await openMarket({ streams: [numbers] })
    const { w, of } = await open()
    let received = 0
    for await (const _ of w.stream(`${stall.url}/numbers`, { ahead: 4, transport })) {
      received += 1
      if (received === 20) break
    }
    expect(of('streamed')).toHaveLength(1)
    // What it came to is in the ledger as soon as it is over.
    const charges = (await w.ledger()).map(({ charged }) => Number(charged))
    await w.close()
    const [closed] = of('closed')
    expect(charges).toEqual([Number(closed?.spent)])
    expect(Number(closed?.spent)).toBeGreaterThanOrEqual(0.0002)
    expect(Number(closed?.spent)).toBeLessThanOrEqual(0.00024)
  })
})

describe('a stream', () => {
  test('stops where the day’s budget ends, and says so', async () => {
    const { stall, open } = await openMarket({ streams: [numbers] })
    const { w } = await open({ budget: { day: '0.0002' } })
    let received = 0
    const reading = (async () => {
      for await (const _ of w.stream(`${stall.url}/numbers`)) received += 1
    })()
    const refusal = await refusalOf(reading)
    expect(refusal.message).toMatch(/would pass budget\.day: 0\.0002 USD of 0\.0002 USD was paid today/)
    expect(received).toBeLessThanOrEqual(20)
    expect(w.paidToday()).toBe('0.0002')
  })

  test('that costs more than was allowed, or is none, is not begun', async () => {
    const { stall, open } = await openMarket({ streams: [numbers] })
    const { w, of } = await open()
    const first = (url: string, options = {}): Promise<unknown> => w.stream(url, options).next()
    expect((await refusalOf(first(`${stall.url}/numbers`, { unitPrice: '0.000009' }))).reason).toBe('BudgetExceeded')
    expect((await refusalOf(first(`${stall.url}/numbers`, { max: '0.000009' }))).message).toMatch(/max is below/)
    expect((await refusalOf(first(`${stall.url}/goods/tea`))).message).toMatch(/offers no stream at \/goods\/tea/)
    const shy = await open({ approve: ({ kind }) => kind !== 'stream' })
    expect((await refusalOf(shy.w.stream(`${stall.url}/numbers`).next())).reason).toBe('NotApproved')
    expect([...of('opened'), ...shy.of('opened')]).toEqual([])
  })
})
