import { describe, expect, test } from 'vitest'
import type { PayingWalletOptions } from '../../src/client/index.ts'
import { openTestWallet, type TestWallet } from '../client/wallet/market.ts'
import { onEnd } from '../e2e/town.ts'
import { openPayTown, type PayTown } from '../vendor/town.ts'
import { openRecorder, type Recorder } from './recorder.ts'
import { type Goods, openGoods, type Protocol, protocols } from './shops.ts'

describe.each(protocols)('in the envelope of $name', (protocol) => {
  test('the wallet pays with one request each, once it knows what is asked', async () => {
    const { recorder, goods, open } = await openStreet(protocol)
    const { w, of } = await open()
    for (let number = 1; number <= 5; number++) {
      expect(await (await w.fetch(`${recorder.url}/tea`)).json()).toEqual({ name: '/tea', run: number })
    }
    expect(recorder.requests.filter((line) => line === 'GET /tea')).toHaveLength(6)
    expect(of('payment').map(({ charged }) => charged)).toEqual(Array.from({ length: 5 }, () => '0.001'))
    expect(goods.runs).toEqual(new Map([['/tea', 5]]))
  })

  test('the stock client pays with two', async () => {
    const { recorder, goods, open } = await openStreet(protocol, 'stock')
    const { w, of } = await open()
    const fetch = protocol.stock(w)
    for (let number = 1; number <= 3; number++) {
      expect(await (await fetch(`${recorder.url}/tea`)).json()).toEqual({ name: '/tea', run: number })
    }
    expect(recorder.requests.filter((line) => line === 'GET /tea')).toHaveLength(6)
    expect(of('payment').map(({ charged }) => charged)).toEqual(Array.from({ length: 3 }, () => '0.001'))
    expect(goods.runs).toEqual(new Map([['/tea', 3]]))
  })

  test.each(['the wallet', 'the stock client'])(
    'fifty at once by %s are served, and charged once each',
    async (who) => {
      const { town, recorder, goods, open } = await openStreet(protocol, who === 'the wallet' ? 'wallet' : 'stock')
      const { w, of } = await open()
      const fetch = who === 'the wallet' ? w.fetch : protocol.stock(w)
      const paths = Array.from({ length: 50 }, (_, number) => `/goods/${number}`)
      const answers = await Promise.all(paths.map(async (path) => (await fetch(recorder.url + path)).json()))
      expect(answers).toEqual(paths.map((name) => ({ name, run: 1 })))
      expect([...goods.runs.values()]).toEqual(paths.map(() => 1))
      expect(of('opened')).toHaveLength(1)
      expect(new Set(of('payment').map(({ index }) => index)).size).toBe(50)
      expect(await w.balance()).toMatchObject({ inChannels: '0.974' })
      expect(town.errors).toEqual([])
    },
  )

  test('an answer that is eaten is given again: no second charge, no second run', async () => {
    const { recorder, goods, open } = await openStreet(protocol)
    const { w, of } = await open()
    await w.fetch(`${recorder.url}/tea`)
    recorder.eat(3)
    expect(await (await w.fetch(`${recorder.url}/tea`)).json()).toEqual({ name: '/tea', run: 2 })
    expect(recorder.eaten()).toBe(3)
    expect(of('retried')).toHaveLength(3)
    expect(goods.runs).toEqual(new Map([['/tea', 2]]))
    expect(of('payment').map(({ index, charged }) => [index, charged])).toEqual([
      [1, '0.001'],
      [2, '0.001'],
    ])
  })

  test('a handler that fails charges nothing, and what was paid buys the next one', async () => {
    const { recorder, open } = await openStreet(protocol)
    const { w } = await open()
    await w.fetch(`${recorder.url}/tea`)
    expect((await w.fetch(`${recorder.url}/fail/status`)).status).toBe(503)
    expect((await w.fetch(`${recorder.url}/fail/throw`)).status).toBe(500)
    expect((await w.fetch(`${recorder.url}/tea`)).status).toBe(200)
    const [channel] = await w.channels()
    expect(channel).toMatchObject({ paid: '0.002', spent: '0.002' })
  })

  test('a body is paid for as it arrives', async () => {
    const { recorder, open } = await openStreet(protocol)
    const { w } = await open()
    for (const body of ['one lump', 'two lumps', 'ä'.repeat(20_000)]) {
      const response = await w.fetch(`${recorder.url}/orders`, { method: 'POST', body })
      expect(await response.json()).toEqual({ said: body })
    }
    const stock = protocol.stock(w)
    const response = await stock(`${recorder.url}/orders`, { method: 'POST', body: 'no milk' })
    expect(await response.json()).toEqual({ said: 'no milk' })
  })

  test('an answer longer than what is kept arrives whole, and is charged', async () => {
    const { recorder, open } = await openStreet(protocol)
    const { w, of } = await open()
    expect(await (await w.fetch(`${recorder.url}/long`)).json()).toEqual({ long: 'ä'.repeat(100_000) })
    expect(of('payment')).toMatchObject([{ charged: '0.001' }])
  })

  test('a budget holds under the stock client, too', async () => {
    const { recorder, goods, open } = await openStreet(protocol, 'stock')
    const { w, of } = await open({ budget: { request: '0.0005' } })
    await expect(protocol.stock(w)(`${recorder.url}/tea`)).rejects.toThrow('budget.request is 0.0005 USD')
    expect(of('refused')).toHaveLength(1)
    expect(goods.runs.size).toBe(0)
  })

  test('a channel is released: every receipt opens, and the bank pays what was charged', async () => {
    const { town, recorder, open } = await openStreet(protocol)
    const { w, of } = await open()
    for (let number = 0; number < 4; number++) await w.fetch(`${recorder.url}/tea`)
    await w.close()
    expect(of('closed')).toMatchObject([{ spent: '0.004', receiptsOpened: 5 }])
    const [collected] = await town.pay.collect()
    expect(collected === undefined || collected.settled === 4000n).toBe(true)
  })
})

interface Street {
  readonly town: PayTown
  readonly recorder: Recorder
  readonly goods: Goods
  open(options?: Partial<PayingWalletOptions>): Promise<TestWallet>
}

/** A shop that sells by this protocol, behind a recorder. `stock`: its wallets do not speak the protocol themselves. */
async function openStreet(protocol: Protocol, who: 'wallet' | 'stock' = 'wallet'): Promise<Street> {
  const town = await openPayTown()
  const goods = openGoods()
  const shop = await protocol.open(town.pay, goods)
  onEnd(shop.close)
  const recorder = await openRecorder(shop.url)
  onEnd(recorder.close)
  const line = who === 'wallet' ? { fetch: protocol.line() } : {}
  return { town, recorder, goods, open: (options) => openTestWallet(town.bankUrl, { ...line, ...options }) }
}
