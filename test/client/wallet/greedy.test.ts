import type { ServerResponse } from 'node:http'
import { describe, expect, test } from 'vitest'
import { offerPath } from '../../../src/http/Offer.ts'
import { problemOf } from '../../../src/http/problems.ts'
import { evilServer } from '../../vendor/evil.ts'
import { price } from '../../vendor/shop.ts'
import { openMarket, refusalOf, type TestWallet } from './market.ts'

/** What an honest vendor offers, told by one that changes it, and takes every payment for nothing. */
async function openGreedy(change: object = {}) {
  const { stall, bank, open } = await openMarket()
  const offer = (await (await fetch(`${stall.url}${offerPath}`)).json()) as Record<string, unknown>
  const evil = await evilServer()
  let taken = 0
  const say = (response: ServerResponse, told: object): void => {
    response.writeHead(402, { 'Content-Type': 'application/problem+json' }).end(JSON.stringify(told))
  }
  evil.answer((request, response) => {
    const isPaid = request.headers['lockstep-payment'] !== undefined
    taken += isPaid && request.url === '/goods' ? 1 : 0
    if (isPaid || request.method === 'POST') {
      return say(response, problemOf({ reason: 'ChannelUnknown', detail: 'which channel?' }))
    }
    if (request.url === offerPath) return void response.end(JSON.stringify({ ...offer, ...change }))
    return say(response, {
      offer: { ...offer, ...change },
      price: { amount: String(price), asset: 'USD/6', per: 'request' },
    })
  })
  return { url: evil.url, bank, open, taken: () => taken }
}

/** Until nothing more is paid, or too often. */
async function buyOften({ w }: TestWallet, url: string): Promise<string | undefined> {
  for (let time = 0; time < 5; time++) {
    try {
      await w.fetch(`${url}/goods`)
    } catch (error) {
      return String(error)
    }
  }
  return undefined
}

describe('a vendor that takes what it gets', () => {
  test('gets no coin that is worth more than one request may cost, and no channel for such', async () => {
    const { url, open, taken } = await openGreedy({ unitPrice: '500000' })
    const { w, of } = await open({ budget: { request: '0.05', day: '5' } })
    const refusal = await refusalOf(w.fetch(`${url}/goods`))
    expect(refusal).toMatchObject({ reason: 'BudgetExceeded' })
    expect(refusal.message).toMatch(/0\.5 USD at once would pass budget\.request: 0\.05 USD/)
    expect([w.paidToday(), taken(), of('opened')]).toEqual(['0', 0, []])
  })

  test('gets no more than what may be at risk by having its channels replaced', async () => {
    const { url, open, taken } = await openGreedy()
    const wallet = await open({ budget: { atRisk: '0.00006' }, timeoutMs: 2000 })
    expect(await buyOften(wallet, url)).toMatch(/budget\.atRisk is 0\.00006 USD/)
    expect([wallet.w.paidToday(), taken()]).toEqual(['0.00006', 2])
    await wallet.w.stop()
    const again = await open({ store: wallet.store, budget: { atRisk: '0.00006' }, timeoutMs: 2000 })
    expect(await buyOften(again, url)).toMatch(/budget\.atRisk is 0\.00006 USD/)
    expect(taken()).toBe(2)
  })
})
