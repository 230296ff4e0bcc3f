import { Mppx as MppxClient } from 'mppx/client'
import { Mppx } from 'mppx/server/core'
import { expect, test } from 'vitest'
import { byMpp, clientMethod, mppFetch, serverMethod } from '../../src/interop/mppx/index.ts'
import { openTestWallet } from '../client/wallet/market.ts'
import { listenTo, openPayTown } from '../vendor/town.ts'

async function openShop() {
  const town = await openPayTown()
  const mppx = Mppx.create({
    methods: [serverMethod(town.pay)],
    secretKey: 'a secret of thirty-two characters',
    realm: 'shop',
  })
  const joke = byMpp(mppx.lockstep.session({ amount: '0.001' }))
  let requests = 0
  const { url } = await listenTo(async (request) => {
    const own = await town.pay.handle(request)
    if (own) return own
    requests++
    return joke.sell(request, () => Response.json({ joke: 'knock' }))
  })
  return { ...town, url, count: () => requests }
}

test('wallet', async () => {
  const shop = await openShop()
  const { w, of } = await openTestWallet(shop.bankUrl, { fetch: mppFetch() })
  for (let i = 0; i < 3; i++) {
    const response = await w.fetch(`${shop.url}/joke`)
    expect([response.status, await response.text(), shop.count()]).toEqual([200, '{"joke":"knock"}', i + 2])
  }
  console.log(of('payment'), shop.errors)
})

test('stock', async () => {
  const shop = await openShop()
  const { w, of } = await openTestWallet(shop.bankUrl)
  const lockstep = clientMethod(w)
  const mppx = MppxClient.create({ methods: [lockstep], fetch: lockstep.fetch, polyfill: false })
  for (let i = 0; i < 3; i++) {
    const response = await mppx.fetch(`${shop.url}/joke`)
    expect([response.status, await response.text(), shop.count()]).toEqual([200, '{"joke":"knock"}', 2 * i + 2])
  }
  console.log(of('payment'), shop.errors)
})
