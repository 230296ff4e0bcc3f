import { expect, test } from 'vitest'
import { openMarket } from './market.ts'

test('pays for what it fetches, opens one channel for it, and asks for nothing first once it knows the offer', async () => {
  const { stall, shop, open } = await openMarket()
  const requests: string[] = []
  const { w, of } = await open({
    fetch: (input, init) => {
      requests.push(`${init?.method ?? 'GET'} ${new URL(input instanceof Request ? input.url : input).pathname}`)
      return fetch(input, init)
    },
  })
  const response = await w.fetch(`${stall.url}/goods/tea`)
  expect(await response.json()).toEqual({ name: 'tea', run: 1 })
  requests.length = 0
  await w.fetch(new URL(`${stall.url}/goods/tea`))
  await w.fetch(new Request(`${stall.url}/echo`, { method: 'POST', body: 'hello' }))
  expect(requests).toEqual(['GET /goods/tea', 'POST /echo'])
  expect(shop.total()).toBe(3)
  expect(of('opened')).toHaveLength(1)
  expect(of('payment').map(({ price, charged, status }) => [price, charged, status])).toEqual(
    Array.from({ length: 3 }, () => ['0.00003', '0.00003', 200]),
  )
})

test('opens one channel when 200 requests start at once, and pays each of them once', async () => {
  const { stall, shop, open } = await openMarket()
  const { w, of } = await open()
  const responses = await Promise.all(Array.from({ length: 200 }, (_, at) => w.fetch(`${stall.url}/goods/${at}`)))
  expect(responses.every(({ status }) => status === 200)).toBe(true)
  expect(of('opened')).toHaveLength(1)
  expect(shop.total()).toBe(200)
  expect(new Set(of('payment').map(({ index }) => index)).size).toBe(200)
})

test('closes its channels, and the next start takes up what was left open', async () => {
  const { stall, open } = await openMarket()
  const first = await open()
  await first.w.fetch(`${stall.url}/goods/tea`)
  await first.w.stop()
  const second = await open({ store: first.store })
  await second.w.fetch(`${stall.url}/goods/tea`)
  expect(second.of('opened')).toEqual([])
  await second.w.close()
  expect(second.of('closed').map(({ spent, receiptsOpened }) => [spent, receiptsOpened])).toEqual([['0.00006', 3]])
})
