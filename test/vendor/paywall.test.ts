import { describe, expect, test } from 'vitest'
import * as Offer from '../../src/http/Offer.ts'
import { problemIn } from '../e2e/town.ts'
import { openPayTown } from './town.ts'

describe('a paywall', () => {
  test('sells at a fixed price, and charges it once', async () => {
    const town = await openPayTown()
    const { pay } = town
    const { url } = await pay.listen({
      routes: {
        'GET /hello/:name': pay.each('0.001', (_, { params, price, credit, id }) =>
          Response.json({ hello: params.name, price, credit, id }),
        ),
        'GET /free': () => new Response('free'),
      },
    })
    expect(await (await fetch(`${url}/free`)).text()).toBe('free')
    const channel = await town.open(url)
    const response = await channel.fetch(`${url}/hello/Ada`, 1000n)
    expect(await response.json()).toMatchObject({ hello: 'Ada', price: '0.001', credit: '0' })
    expect(await channel.refresh()).toMatchObject({ spent: 1000n, paid: 1000n, contiguous: 1 })
    await channel.close()
    expect(await pay.collect()).toEqual([])
    expect(town.said).toEqual([expect.stringContaining('claimed 1000')])
    expect(town.errors).toEqual([])
  })

  test('asks for its price: in a header, in a problem document, with the offer', async () => {
    const { pay } = await openPayTown()
    const { url } = await pay.listen({ routes: { 'GET /joke': pay.each('0.001', () => new Response('ha')) } })
    const response = await fetch(`${url}/joke`)
    expect(response.status).toBe(402)
    expect(response.headers.get('WWW-Authenticate')).toBe(
      'Lockstep offer="/.well-known/lockstep", price="1000", asset="USD/6"',
    )
    const body = (await response.clone().json()) as { readonly price: unknown; readonly offer: unknown }
    expect(await problemIn(response)).toMatchObject({ detail: 'GET /joke costs 0.001 USD' })
    expect(body.price).toEqual({ amount: '1000', asset: 'USD/6', per: 'request' })
    expect(Offer.parse(JSON.stringify(body.offer))).toMatchObject({
      ok: true,
      value: { routes: [{ method: 'GET', path: '/joke', price: 1000n, per: 'request' }], unitPrice: 1000n },
    })
    expect(await (await fetch(`${url}/.well-known/lockstep`)).json()).toEqual(body.offer)
  })
})
