/** One shop three times: behind mppx, behind x402 for the Fetch API, and behind x402's own middleware for Express. */

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { x402HTTPResourceServer, x402ResourceServer } from '@x402/core/server'
import { paymentMiddleware } from '@x402/express'
import { wrapFetchWithPayment, x402Client } from '@x402/fetch'
import express from 'express'
import { Mppx as MppxClient } from 'mppx/client'
import { Mppx } from 'mppx/server'
import type { Fetch, PayingWallet } from '../../src/client/index.ts'
import { byMpp, clientMethod, mppFetch, serverMethod } from '../../src/interop/mppx/index.ts'
import {
  byX402,
  clientScheme,
  facilitator,
  network,
  priced,
  serverScheme,
  x402Fetch,
} from '../../src/interop/x402/index.ts'
import { forExpress } from '../../src/vendor/adapters/express.ts'
import { type Paywall, sideBySide } from '../../src/vendor/index.ts'

/** What is sold: each path a price, how often each was run. */
export interface Goods {
  readonly runs: Map<string, number>
  answer(request: Request): Promise<Response>
}

export interface OpenShop {
  readonly url: string
  close(): Promise<void>
}

/** A protocol: a server of its packages that sells through a paywall, its stock client, and what a wallet fetches with. */
export interface Protocol {
  readonly name: string
  open(pay: Paywall, goods: Goods): Promise<OpenShop>
  stock(wallet: PayingWallet): typeof fetch
  line(): Fetch
}

export function openGoods(): Goods {
  const runs = new Map<string, number>()
  return {
    runs,
    async answer(request) {
      const { pathname } = new URL(request.url)
      const run = (runs.get(pathname) ?? 0) + 1
      runs.set(pathname, run)
      if (pathname.startsWith('/fail/throw')) throw new Error('the kettle is broken')
      if (pathname.startsWith('/fail')) return Response.json({ error: 'no tea' }, { status: 503 })
      const amount = { '/part': '400', '/more': '5000' }[pathname]
      const headers: HeadersInit = amount === undefined ? {} : { 'Settlement-Overrides': JSON.stringify({ amount }) }
      if (pathname === '/long') return Response.json({ long: 'ä'.repeat(100_000) })
      if (request.method === 'POST') return Response.json({ said: await request.text() })
      return Response.json({ name: pathname, run }, { headers })
    },
  }
}

const mpp: Protocol = {
  name: 'mppx',
  async open(pay, goods) {
    const mppx = Mppx.create({ methods: [serverMethod(pay)], secretKey, realm: 'shop.example' })
    const charge = mppx.lockstep.session({ amount: '0.001' })
    return listen(pay, sideBySide([byMpp(charge)], goods.answer, { onError: () => undefined }))
  },
  stock(wallet) {
    const lockstep = clientMethod(wallet)
    return MppxClient.create({ methods: [lockstep], fetch: lockstep.fetch, polyfill: false }).fetch
  },
  line: () => mppFetch(),
}

const x402: Protocol = {
  name: 'x402',
  async open(pay, goods) {
    const server = new x402HTTPResourceServer(resourceServer(pay), { '*': { accepts: priced(pay, '$0.001') } })
    await server.initialize()
    return listen(pay, sideBySide([byX402(server)], goods.answer, { onError: () => undefined }))
  },
  stock: x402Stock,
  line: () => x402Fetch(),
}

const x402Express: Protocol = {
  ...x402,
  name: '@x402/express',
  async open(pay, goods) {
    const app = express()
    app.use(forExpress(pay).handle)
    app.use(paymentMiddleware({ '*': { accepts: priced(pay, '$0.001') } }, resourceServer(pay)))
    app.use(express.text({ type: '*/*' }))
    app.use(async (incoming, outgoing) => {
      const { method } = incoming
      const body = method === 'POST' ? { body: incoming.body as string } : {}
      const response = await goods.answer(new Request(`http://shop.example${incoming.url}`, { method, ...body }))
      const part = response.headers.get('Settlement-Overrides')
      if (part !== null) outgoing.setHeader('Settlement-Overrides', part)
      outgoing.status(response.status).json(await response.json())
    })
    app.use((_error: unknown, _request: unknown, outgoing: express.Response, _next: unknown) => {
      outgoing.status(500).end()
    })
    return listenOn(createServer(app))
  },
}

export const protocols: readonly Protocol[] = [mpp, x402, x402Express]

export const secretKey = 'a secret of a test, thirty-two bytes or more'

export function resourceServer(pay: Paywall): x402ResourceServer {
  return new x402ResourceServer(facilitator).register(network, serverScheme(pay))
}

export function x402Stock(wallet: PayingWallet): typeof fetch {
  const lockstep = clientScheme(wallet)
  return wrapFetchWithPayment(lockstep.fetch, new x402Client().register(network, lockstep))
}

/** Serves the paywall's own paths, and the handler everywhere else. */
export function listen(pay: Paywall, handler: (request: Request) => Promise<Response>): Promise<OpenShop> {
  const answer = async (request: Request): Promise<Response> => (await pay.handle(request)) ?? handler(request)
  const listener = getRequestListener(answer, { overrideGlobalObjects: false })
  return listenOn(createServer((incoming, outgoing) => void listener(incoming, outgoing)))
}

async function listenOn(server: Server): Promise<OpenShop> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}
