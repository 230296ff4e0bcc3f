import { x402Facilitator } from '@x402/core/facilitator'
import { x402HTTPResourceServer, x402ResourceServer } from '@x402/core/server'
import { paymentMiddleware } from '@x402/express'
import { wrapFetchWithPayment, x402Client } from '@x402/fetch'
import express from 'express'
import { expect, test } from 'vitest'
import { byX402, clientScheme, facilitatorScheme, network, priced, serverScheme, x402Fetch } from '../../src/interop/x402/index.ts'
import { openTestWallet } from '../client/wallet/market.ts'
import { onEnd } from '../e2e/town.ts'
import { listenTo, openPayTown } from '../vendor/town.ts'
import { forExpress } from '../../src/vendor/adapters/express.ts'

async function openShop(kind: string) {
  const town = await openPayTown()
  const facilitator = new x402Facilitator().register(network, facilitatorScheme)
  const server = new x402ResourceServer(facilitator).register(network, serverScheme(town.pay))
  const routes = { 'GET /joke': { accepts: priced(town.pay, '$0.001') } }
  let requests = 0
  if (kind === 'express') {
    const app = express()
    app.use(forExpress(town.pay).handle)
    app.use((_q, _s, next) => { requests++; next() })
    app.use(paymentMiddleware(routes, server))
    app.get('/joke', (_q, s) => { s.json({ joke: 'knock' }) })
    const http = app.listen(0, '127.0.0.1')
    await new Promise((r) => http.once('listening', r))
    onEnd(async () => { http.closeAllConnections(); http.close() })
    return { ...town, url: `http://127.0.0.1:${(http.address() as any).port}`, count: () => requests }
  }
  const x402 = new x402HTTPResourceServer(server, routes)
  await x402.initialize()
  const joke = byX402(x402)
  const { url } = await listenTo(async (request) => {
    const own = await town.pay.handle(request)
    if (own) return own
    requests++
    return joke.sell(request, () => Response.json({ joke: 'knock' }))
  })
  return { ...town, url, count: () => requests }
}

test.each(['fetch', 'express'])('wallet %s', async (kind) => {
  const shop = await openShop(kind)
  const { w, of } = await openTestWallet(shop.bankUrl, { fetch: x402Fetch() })
  for (let i = 0; i < 3; i++) {
    const response = await w.fetch(`${shop.url}/joke`)
    expect([response.status, await response.text(), shop.count()]).toEqual([200, '{"joke":"knock"}', i + 2])
  }
  console.log(of('payment').map((p) => p.charged), shop.errors)
})

test.each(['fetch', 'express'])('stock %s', async (kind) => {
  const shop = await openShop(kind)
  const { w, of } = await openTestWallet(shop.bankUrl)
  const lockstep = clientScheme(w)
  const fetch = wrapFetchWithPayment(lockstep.fetch, new x402Client().register(network, lockstep))
  for (let i = 0; i < 3; i++) {
    const response = await fetch(`${shop.url}/joke`)
    console.log(response.status, response.headers.get("PAYMENT-REQUIRED") && atob(response.headers.get("PAYMENT-REQUIRED")!), of("payment"), of("refused"))
    expect([response.status, await response.text(), shop.count()]).toEqual([200, '{"joke":"knock"}', 2 * i + 2])
  }
  console.log(of('payment').map((p) => p.charged), shop.errors)
})
