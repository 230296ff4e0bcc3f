import { describe, expect, test } from 'vitest'
import { RefusedError, UnansweredError } from '../../../src/client/index.ts'
import { gate, openStall } from '../../e2e/town.ts'
import { openShop, price } from '../../vendor/shop.ts'
import { openMarket, refusalOf } from './market.ts'

describe('a budget', () => {
  test('for one request refuses what costs more, and nothing is paid', async () => {
    const { stall, shop, open } = await openMarket()
    const { w, of } = await open({ budget: { request: '0.000029' } })
    const refusal = await refusalOf(w.fetch(`${stall.url}/goods/tea`))
    expect(refusal.reason).toBe('BudgetExceeded')
    expect(refusal.message).toMatch(
      /^GET http.*\/goods\/tea costs 0\.00003 USD; budget\.request is 0\.000029 USD\. Nothing was signed\. Raise/,
    )
    expect(shop.total()).toBe(0)
    expect(of('opened')).toEqual([])
    expect(of('refused')).toHaveLength(1)
    // What is free is no matter of a budget.
    expect(await (await w.fetch(`${stall.url}/free`)).text()).toBe('free')
  })

  test('for a day ends for all hosts together, and a restart does not make it anew', async () => {
    const { bankUrl, stall, shop, open } = await openMarket()
    const other = await openStall({ bankUrl, routes: openShop().routes })
    const budget = { day: '0.0001' }
    const first = await open({ budget })
    await first.w.fetch(`${stall.url}/goods/1`)
    await first.w.fetch(`${other.url}/goods/2`)
    await first.w.fetch(`${stall.url}/goods/3`)
    expect(first.w.paidToday()).toBe('0.00009')
    const refusal = await refusalOf(first.w.fetch(`${other.url}/goods/4`))
    expect(refusal.message).toMatch(
      /0\.00003 USD more would pass budget\.day: 0\.00009 USD of 0\.0001 USD was paid today/,
    )
    await first.w.stop()

    const second = await open({ budget, store: first.store })
    expect(second.w.paidToday()).toBe('0.00009')
    expect((await refusalOf(second.w.fetch(`${stall.url}/goods/5`))).reason).toBe('BudgetExceeded')
    await second.w.close()

    const third = await open({ budget, store: first.store })
    expect((await refusalOf(third.w.fetch(`${stall.url}/goods/6`))).reason).toBe('BudgetExceeded')
    expect(shop.total()).toBe(2)
  })

  test('for a host leaves the others alone', async () => {
    const { bankUrl, stall, open } = await openMarket()
    const other = await openStall({ bankUrl, routes: openShop().routes })
    const { w } = await open({ budget: { host: '0.00005' } })
    await w.fetch(`${stall.url}/goods/1`)
    const refusal = await refusalOf(w.fetch(`${stall.url}/goods/2`))
    expect(refusal.message).toMatch(/would pass budget\.host: 0\.00003 USD of 0\.00005 USD was paid to 127/)
    expect((await w.fetch(`${other.url}/goods/3`)).status).toBe(200)
    expect(w.paidToday(new URL(stall.url).host)).toBe('0.00003')
  })

  test('holds when requests run in parallel: what passes it is refused, what fits is served', async () => {
    const { stall, shop, open } = await openMarket()
    const { w } = await open({ budget: { day: '0.0003' } })
    const results = await Promise.allSettled(Array.from({ length: 30 }, (_, at) => w.fetch(`${stall.url}/goods/${at}`)))
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(10)
    expect(shop.total()).toBe(10)
    expect(w.paidToday()).toBe('0.0003')
  })

  test('for a channel is what is put into one, and another one follows it', async () => {
    const { stall, shop, open } = await openMarket()
    const { w, of } = await open({ budget: { channel: '0.0001' } })
    for (let at = 0; at < 10; at++) expect((await w.fetch(`${stall.url}/goods/${at}`)).status).toBe(200)
    expect(of('opened').map(({ funds }) => funds)).toEqual(['0.0001', '0.0001', '0.0001', '0.0001'])
    expect(shop.total()).toBe(10)
    await w.close()
    expect(of('closed').map(({ spent }) => spent)).toEqual(['0.00009', '0.00009', '0.00009', '0.00003'])
  })

  test('for a channel that is below a price refuses it', async () => {
    const { stall, open } = await openMarket()
    const { w } = await open({ budget: { channel: '0.00002' } })
    const refusal = await refusalOf(w.fetch(`${stall.url}/goods/tea`))
    expect(refusal.message).toMatch(/needs 0\.00003 USD; budget\.channel is 0\.00002 USD/)
  })

  test('of what is at risk lets requests wait for answers, and refuses what alone is too much', async () => {
    const slow = gate()
    const shop = openShop({
      handler: async () => {
        await slow.opened
        return new Response('at last')
      },
    })
    const { stall, open } = await openMarket({ routes: shop.routes })
    const { w } = await open({ budget: { atRisk: '0.00006' } })
    const running = Array.from({ length: 5 }, (_, at) => w.fetch(`${stall.url}/goods/${at}`))
    await expect.poll(() => shop.total()).toBe(2)
    expect(w.paidToday()).toBe('0.00006')
    slow.open()
    expect((await Promise.all(running)).map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])
    expect(shop.total()).toBe(5)

    const careful = await open({ budget: { atRisk: '0.00002' } })
    const refusal = await refusalOf(careful.w.fetch(`${stall.url}/goods/tea`))
    expect(refusal.message).toMatch(/0\.00003 USD would be paid to .* and not acknowledged; budget\.atRisk is 0\.00002/)
  })

  test('of what is at risk asks the vendor what became of a lost answer, before it refuses the next request', async () => {
    const { stall, shop, open } = await openMarket()
    let isLossy = true
    const { w } = await open({
      budget: { atRisk: '0.00003' },
      attempts: 2,
      fetch: async (input, init) => {
        const response = await fetch(input, init)
        const isPaid = new Headers(init?.headers).has('Lockstep-Payment')
        if (isLossy && isPaid) throw new TypeError('the answer was lost on the way')
        return response
      },
    })
    await expect(w.fetch(`${stall.url}/goods/1`)).rejects.toThrow(UnansweredError)
    isLossy = false
    expect((await w.fetch(`${stall.url}/goods/2`)).status).toBe(200)
    expect(shop.total()).toBe(2)
    expect(w.paidToday()).toBe('0.00006')
  })

  test.each([
    [{ request: '0.0000001' }, /budget\.request: USD has 6 decimals/],
    [{ day: '-1' }, /budget\.day: "-1" is no decimal amount/],
    [{ host: '1e3' }, /budget\.host/],
    [{ dya: '1' } as never, /budget\.dya is none of request, host, day, channel, atRisk/],
  ])('that is none is said at once: %j', async (budget, says) => {
    const { open } = await openMarket()
    await expect(open({ budget })).rejects.toThrow(says)
  })
})

describe('approve', () => {
  test('is asked before each payment, and what it refuses is not paid', async () => {
    const { stall, shop, open } = await openMarket()
    const asked: unknown[] = []
    const { w } = await open({
      approve: (purchase) => {
        asked.push(purchase)
        return Promise.resolve(!purchase.url.includes('coffee'))
      },
    })
    await w.fetch(`${stall.url}/goods/tea`)
    const refusal = await refusalOf(w.fetch(`${stall.url}/goods/coffee?sugar=2`))
    expect(refusal.reason).toBe('NotApproved')
    expect(refusal.message).toMatch(/approve did not allow 0\.00003 USD for GET .*coffee\. Nothing was signed/)
    expect(shop.total()).toBe(1)
    const { host } = new URL(stall.url)
    const told = { method: 'GET', host, price: '0.00003', asset: 'USD/6', kind: 'request' }
    expect(asked).toEqual([
      { ...told, url: `${stall.url}/goods/tea` },
      { ...told, url: `${stall.url}/goods/coffee?sugar=2` },
    ])
  })

  test('that throws is the caller’s own error, and nothing is paid', async () => {
    const { stall, shop, open } = await openMarket()
    const { w } = await open({
      approve: () => {
        throw new Error('nobody is here to ask')
      },
    })
    await expect(w.fetch(`${stall.url}/goods/tea`)).rejects.toThrow('nobody is here to ask')
    expect(shop.total()).toBe(0)
  })

  test('is asked again where the price has risen, and what was paid before counts', async () => {
    const { stall, open } = await openMarket()
    const asked: (string | undefined)[] = []
    const { w, of } = await open({
      approve: ({ price: asks, raisedFrom }) => {
        asked.push(raisedFrom, asks)
        return asks !== '0.00009'
      },
    })
    await w.fetch(`${stall.url}/goods/1`)
    const dearer = await stall.restart({ routes: openShop({ price: 2n * price }).routes })
    expect((await w.fetch(`${stall.url}/goods/2`)).status).toBe(200)
    expect(asked).toEqual([undefined, '0.00003', undefined, '0.00003', '0.00003', '0.00006'])
    expect(of('payment').map(({ charged }) => charged)).toEqual(['0.00003', '0', '0.00006'])
    expect(w.paidToday()).toBe('0.00009')

    await dearer.restart({ routes: openShop({ price: 3n * price }).routes })
    const refusal = await refusalOf(w.fetch(`${stall.url}/goods/3`))
    expect(refusal).toBeInstanceOf(RefusedError)
    expect(refusal.reason).toBe('NotApproved')
    // What was paid for the old price stays credit.
    expect(w.paidToday()).toBe('0.00015')
  })

  test('is not asked about a risen price that the budget refuses', async () => {
    const { stall, open } = await openMarket()
    const { w } = await open({ budget: { request: '0.00003' } })
    await w.fetch(`${stall.url}/goods/1`)
    await stall.restart({ routes: openShop({ price: 2n * price }).routes })
    const refusal = await refusalOf(w.fetch(`${stall.url}/goods/2`))
    expect(refusal.message).toMatch(/costs 0\.00006 USD; budget\.request is 0\.00003 USD/)
  })
})
