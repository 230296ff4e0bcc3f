import { describe, expect, test } from 'vitest'
import type { Routes } from '../../../src/vendor/index.ts'
import { onEnd } from '../../e2e/town.ts'
import { openLossyProxy } from '../../vendor/lossyProxy.ts'
import { openPayTown, type PayTown } from '../../vendor/town.ts'
import { openTestWallet, refusalOf, type TestWallet } from './market.ts'

async function openPlace(
  routes: (town: PayTown) => Routes,
): Promise<{ url: string; town: PayTown; sent: string[]; open: (store?: string) => Promise<TestWallet> }> {
  const town = await openPayTown()
  const { url, close } = await town.pay.listen({ routes: routes(town) })
  onEnd(close)
  const sent: string[] = []
  const open = (store?: string): Promise<TestWallet> =>
    openTestWallet(town.bankUrl, {
      ...(store !== undefined && { store }),
      attempts: 8,
      fetch: (input, init) => {
        const { pathname } = new URL(input instanceof Request ? input.url : input)
        if (!pathname.startsWith('/v1/')) sent.push(pathname)
        return fetch(input, init)
      },
    })
  return { url, town, sent, open }
}

describe('at a paywall', () => {
  test('a route that is offered takes one request a payment, from a wallet that has been there', async () => {
    const { url, sent, open } = await openPlace(({ pay }) => ({
      'GET /jokes/:number': pay.each('0.001', (_, { params }) => new Response(`joke ${params.number}`)),
    }))
    const first = await open()
    expect(await (await first.w.fetch(`${url}/jokes/1`)).text()).toBe('joke 1')
    await first.w.stop()
    sent.length = 0
    const second = await open(first.store)
    expect(await (await second.w.fetch(`${url}/jokes/2`)).text()).toBe('joke 2')
    // A channel that was open before asks once how it stands.
    expect(sent.filter((path) => !path.startsWith('/lockstep/'))).toEqual(['/jokes/2'])
    sent.length = 0
    await second.w.fetch(`${url}/jokes/3`)
    expect(sent).toEqual(['/jokes/3'])
  })

  test('a price that depends on the request is learnt from its 402, and paid where it rises', async () => {
    const { url, open } = await openPlace(({ pay }) => ({
      'GET /pages': pay.each(
        (request) => (Number(new URL(request.url).searchParams.get('count')) * 0.0001).toFixed(4),
        (request, { price }) => new Response(`${new URL(request.url).search} for ${price}`),
      ),
    }))
    const { w, of } = await open()
    expect(await (await w.fetch(`${url}/pages?count=3`)).text()).toBe('?count=3 for 0.0003')
    expect(await (await w.fetch(`${url}/pages?count=9`)).text()).toBe('?count=9 for 0.0009')
    // What is known is paid for at once; its vendor charges what it costs.
    expect(await (await w.fetch(`${url}/pages?count=2`)).text()).toBe('?count=2 for 0.0002')
    expect(of('payment').map(({ price, charged }) => [price, charged])).toEqual([
      ['0.0003', '0.0003'],
      ['0.0003', '0'],
      ['0.0009', '0.0009'],
      ['0.0009', '0.0002'],
    ])
    expect(w.paidToday()).toBe('0.0021')
  })

  test('a metered answer streams through, and costs what it used', async () => {
    const { url, open } = await openPlace(({ pay }) => ({
      'POST /chat': pay.metered({ max: '0.01' }, async (request, meter) => {
        const words = (await request.text()).split(' ')
        return meter.stream(
          words.map((word) => new TextEncoder().encode(`${word} `)),
          { perToken: '0.0002' },
        )
      }),
    }))
    const { w, of } = await open()
    const response = await w.fetch(`${url}/chat`, { method: 'POST', body: 'to be or not to be' })
    expect(await response.text()).toBe('to be or not to be ')
    await w.fetch(`${url}/chat`, { method: 'POST', body: 'that is' }).then((next) => next.text())
    expect(of('payment').map(({ charged }) => charged)).toEqual(['0.0012', '0.0004'])
    await w.close()
    expect(of('closed').map(({ spent }) => spent)).toEqual(['0.0016'])
  })

  test('a metered answer is at risk until it was read: another waits for it', async () => {
    const { url, town, open } = await openPlace(({ pay }) => ({
      'GET /words': pay.metered({ max: '0.01' }, (_, meter) =>
        meter.stream([new TextEncoder().encode('so '), new TextEncoder().encode('it goes')], { perToken: '0.001' }),
      ),
    }))
    const first = await open()
    await first.w.stop()
    const { w } = await openTestWallet(town.bankUrl, { store: first.store, budget: { atRisk: '0.015' } })
    const order: string[] = []
    const one = await w.fetch(`${url}/words`)
    const two = w.fetch(`${url}/words`).then((response) => {
      order.push('two is served')
      return response.text()
    })
    // Neither is what the first costs known, nor does the second go out, before this.
    await Promise.all([fetch(url), fetch(url)])
    order.push('one is read')
    expect(await one.text()).toBe('so it goes')
    expect(await two).toBe('so it goes')
    expect(order).toEqual(['one is read', 'two is served'])
    expect(w.paidToday()).toBe('0.012')
  })

  test('a metered answer that nobody reads is not waited for without an end', async () => {
    const { url, town } = await openPlace(({ pay }) => ({
      'GET /words': pay.metered({ max: '0.01' }, (_, meter) =>
        meter.stream([new TextEncoder().encode('so '), new TextEncoder().encode('it goes')], { perToken: '0.001' }),
      ),
    }))
    const { w } = await openTestWallet(town.bankUrl, { timeoutMs: 500, budget: { atRisk: '0.015' } })
    const unread = await w.fetch(`${url}/words`)
    const refusal = await refusalOf(w.fetch(`${url}/words`))
    expect(refusal.message).toMatch(/budget\.atRisk is 0\.015 USD; answers not read to their end: 1; read or/)
    await unread.body?.cancel()
    expect(await (await w.fetch(`${url}/words`)).text()).toBe('so it goes')
  })

  test('two hundred requests at once are served and charged once each, on a line that eats one answer in twenty', async () => {
    let runs = 0
    const { url, open } = await openPlace(({ pay }) => ({
      'GET /jokes/:number': pay.each('0.001', () => new Response(String(++runs))),
    }))
    const line = await openLossyProxy(url, { oneIn: 20, seed: 11 })
    const { w, of } = await open()
    await w.fetch(`${line.url}/jokes/first`)
    const responses = await Promise.all(Array.from({ length: 200 }, (_, at) => w.fetch(`${line.url}/jokes/${at}`)))
    expect(responses.every(({ status }) => status === 200)).toBe(true)
    const answers = await Promise.all(responses.map((response) => response.text()))
    expect(new Set(answers).size).toBe(200)
    expect(runs).toBe(201)
    expect(line.eaten()).toBeGreaterThan(0)
    expect(of('opened')).toHaveLength(1)
    expect(w.paidToday()).toBe('0.201')
    await w.close()
    expect(of('closed').map(({ spent }) => spent)).toEqual(['0.201'])
  })
})
