/** What a vendor offers changes while a wallet buys from it; what it sends has no end. */

import { describe, expect, test } from 'vitest'
import { UnansweredError } from '../../../src/client/index.ts'
import { fromHex } from '../../../src/crypto/bytes.ts'
import { eventsType } from '../../../src/http/events.ts'
import { headerNames } from '../../../src/http/headers.ts'
import { offerPath } from '../../../src/http/Offer.ts'
import type { Paywall, Routes } from '../../../src/vendor/index.ts'
import { temporaryPath } from '../../bank/support.ts'
import { must } from '../../protocol/world.ts'
import { evilServer } from '../../vendor/evil.ts'
import { openPayTown, type PayTown } from '../../vendor/town.ts'
import { openTestWallet, refusalOf, type TestWallet } from './market.ts'

interface Street extends TestWallet {
  readonly town: PayTown
  readonly url: string
  /** Another shop in the same place, by default of the same vendor. */
  replace(routes: (pay: Paywall) => Routes, store?: string): Promise<Paywall>
}

async function openStreet(routes: (pay: Paywall) => Routes): Promise<Street> {
  const town = await openPayTown()
  const { url } = await town.pay.listen({ routes: routes(town.pay) })
  const opened = await openTestWallet(town.bankUrl)
  let last = town.pay
  return {
    ...opened,
    town,
    url,
    async replace(more, store) {
      await last.close()
      last = await town.again(store === undefined ? {} : { store })
      await last.listen({ routes: more(last), port: Number(new URL(url).port) })
      return last
    },
  }
}

const joke = (price: string) => (pay: Paywall) => ({ 'GET /joke': pay.each(price, () => new Response('ha')) })
const words = (price: string) => (pay: Paywall) => ({
  'GET /words': pay.perToken(price, function* () {
    for (let word = 0; ; word++) yield `${word} `
  }),
})

describe('under way', () => {
  test('a price that falls is charged as it is now, and the rest of what was paid buys the next one', async () => {
    const { w, of, url, replace } = await openStreet(joke('0.003'))
    await w.fetch(`${url}/joke`)
    await replace(joke('0.001'))
    for (let time = 0; time < 2; time++) expect(await (await w.fetch(`${url}/joke`)).text()).toBe('ha')
    expect(of('payment').map(({ charged }) => charged)).toEqual(['0.003', '0.001', '0.001'])
    expect(of('opened')).toHaveLength(1)
    await w.close()
    expect(of('closed').map(({ spent }) => spent)).toEqual(['0.005'])
  })

  test('another vendor in the same place is paid over a channel of its own, and the first keeps what it charged', async () => {
    const { w, of, town, url, replace } = await openStreet(joke('0.001'))
    await w.fetch(`${url}/joke`)
    const other = await replace(joke('0.002'), `sqlite:${temporaryPath('other.db')}`)
    expect(other.vendor).not.toBe(town.pay.vendor)
    must(await town.bank.register(fromHex(other.vendor)))
    expect(await (await w.fetch(`${url}/joke`)).text()).toBe('ha')
    expect(of('opened')).toHaveLength(2)
    expect(await (await w.fetch(`${url}/joke`)).text()).toBe('ha')
    const charged = of('payment').map((payment) => payment.charged)
    // What the old channel paid is refused, and what the new one paid at the old price is credit there.
    expect(charged.filter((sum) => sum !== undefined)).toEqual(['0.001', '0', '0.002', '0.002'])
    expect(of('disputed')).toEqual([])
  })

  test('a price that rises takes nothing from the credit besides before that is agreed to', async () => {
    const failing = (price: string) => (pay: Paywall) => ({
      ...joke(price)(pay),
      'GET /fail': pay.each('0.001', () => new Response('no', { status: 500 })),
    })
    const { w, of, url, replace } = await openStreet(failing('0.001'))
    await w.fetch(`${url}/joke`)
    await Promise.all([w.fetch(`${url}/fail`), w.fetch(`${url}/fail`)])
    expect(w.paidToday()).toBe('0.003')
    await replace(failing('0.002'))
    expect(await (await w.fetch(`${url}/joke`)).text()).toBe('ha')
    const told = of('payment').slice(-2)
    expect(told.map(({ price, charged, status }) => [price, charged, status])).toEqual([
      ['0.001', '0', 402],
      ['0.002', '0.002', 200],
    ])
    // It was paid for by what the failures had left.
    expect(w.paidToday()).toBe('0.003')
    expect(of('disputed')).toEqual([])
  })

  test.each(['websocket', 'events'] as const)(
    'a unit that costs more is paid for at its new price, where that is allowed, whatever credit there is: %s',
    async (transport) => {
      const failing = (price: string) => (pay: Paywall) => ({
        ...words(price)(pay),
        'GET /fail': pay.each('0.001', () => new Response('no', { status: 500 })),
      })
      const { w, of, url, replace } = await openStreet(failing('0.00001'))
      const heard = async (options = {}): Promise<number> => {
        let units = 0
        for await (const _ of w.stream(`${url}/words`, { max: '0.0001', transport, ...options })) units += 1
        return units
      }
      expect(await heard()).toBe(10)
      await w.fetch(`${url}/fail`)
      await replace(failing('0.00002'))
      expect(await heard()).toBe(5)
      expect(of('streamed').map(({ units, unitPrice }) => [units, unitPrice])).toEqual([
        [10, '0.00001'],
        [5, '0.00002'],
      ])
      const refusal = await refusalOf(heard({ unitPrice: '0.00001' }))
      expect(refusal.message).toMatch(/a unit costs 0\.00002 USD; unitPrice allows 0\.00001/)
      await w.close()
      expect(of('closed').map(({ spent }) => spent)).toEqual(['0.0002'])
      expect(of('disputed')).toEqual([])
    },
  )
})

describe('a stream that has no end', () => {
  test('in one of its events is given up, and no more is paid than was ahead', async () => {
    const { w, url } = await openStreet(words('0.00001'))
    const giant = await evilServer()
    const offer: unknown = await (await fetch(url + offerPath)).json()
    let sent = 0
    giant.answer((request, response) => {
      if (request.url === offerPath) return void response.end(JSON.stringify(offer))
      if (request.method === 'POST') return void response.writeHead(204).end()
      response.writeHead(200, { 'Content-Type': eventsType, [headerNames.stream]: 'ab'.repeat(16) })
      response.write('data: ')
      const chunk = 'x'.repeat(65_536)
      const more = (): void => {
        do sent += chunk.length
        while (!response.destroyed && response.write(chunk))
      }
      response.on('drain', more)
      more()
    })
    const reading = w.stream(`${giant.url}/words`, { transport: 'events', ahead: 4 }).next()
    await expect(reading).rejects.toThrow(UnansweredError)
    expect(w.paidToday()).toBe('0.00004')
    // What it sent beyond what is read of one event was on its way.
    expect(sent).toBeLessThan(64 * 1_048_576)
  })
})
