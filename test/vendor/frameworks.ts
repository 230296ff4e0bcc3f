/** The same shop behind each framework: what it sells is written as that framework has it. */

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream/promises'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import { forExpress } from '../../src/vendor/adapters/express.ts'
import { forFastify } from '../../src/vendor/adapters/fastify.ts'
import { forHono } from '../../src/vendor/adapters/hono.ts'
import { forNode } from '../../src/vendor/adapters/node.ts'
import type { Paywall, Pieces } from '../../src/vendor/index.ts'
import { onEnd } from '../e2e/town.ts'
import { listenTo } from './town.ts'

/** How often a handler ran, by the payment that it served. */
export type Runs = Map<string, number>

export interface Framework {
  readonly name: string
  /** Serves the shop, and gives its address. `words` are what `GET /words` streams. */
  open(pay: Paywall, runs: Runs, words?: () => Pieces): Promise<string>
}

/**
 * `GET /goods/:name` says its name and run; `POST /echo` gives its JSON back; `GET /fail/:how` throws or answers 500; `GET /long`
 * is longer than what is kept; `GET /metered/:count` costs as many times 0.00001, 0.001 at most; `GET /words` streams what it is
 * given, as a framework's handler streams, for 0.000001 a piece up to 0.01.
 */
export const frameworks: readonly Framework[] = [
  {
    name: 'the Fetch API',
    async open(pay, runs, words = () => []) {
      const { url } = await pay.listen({
        routes: {
          'GET /goods/:name': pay.each('0.001', (_, { id, params }) => {
            return Response.json({ name: params.name, run: count(runs, id) })
          }),
          'POST /echo': pay.each('0.001', async (request) => Response.json(await request.json())),
          'GET /fail/:how': pay.each('0.001', (_, { params }) => {
            if (params.how === 'throw') throw new Error('the shop failed')
            return new Response('no', { status: 500 })
          }),
          'GET /long': pay.each('0.001', () => new Response(long)),
          'GET /metered/:count': pay.metered({ max: '0.001' }, (_, meter, { params }) => {
            meter.add(Number(params.count), '0.00001')
            return new Response(meter.charged)
          }),
          'GET /words': pay.metered(wordsMax, (_, meter) => meter.stream(words(), perWord)),
        },
      })
      return url
    },
  },
  {
    name: 'node:http',
    async open(pay, runs, words = () => []) {
      const paid = forNode(pay)
      const goods = paid.each('0.001', (request, response, { id }) => {
        const name = request.url!.split('/').at(-1)
        response.setHeader('Content-Type', 'application/json')
        response.end(JSON.stringify({ name, run: count(runs, id) }))
      })
      const echo = paid.each('0.001', async (request, response) => {
        const chunks: Uint8Array[] = []
        for await (const chunk of request) chunks.push(chunk as Uint8Array)
        response.writeHead(200, { 'Content-Type': 'application/json' })
        for (const chunk of chunks) response.write(chunk)
        response.end()
      })
      const fail = paid.each('0.001', (request, response) => {
        if (request.url === '/fail/throw') throw new Error('the shop failed')
        response.writeHead(500).end('no')
      })
      const longOne = paid.each('0.001', (_, response) => response.end(long))
      const metered = paid.metered({ max: '0.001' }, (request, response, { meter }) => {
        meter.add(Number(request.url!.split('/').at(-1)), '0.00001')
        response.end(meter.charged)
      })
      const spoken = paid.metered(wordsMax, async (_, response, { meter }) => {
        response.setHeader('Content-Type', 'text/x-words')
        await pipeline(meter.stream(words(), perWord).body!, response)
      })
      const routes = { goods, echo, fail, long: longOne, metered, words: spoken }
      const server = createServer((request, response) => {
        const answer = async (): Promise<void> => {
          if (await paid.handle(request, response)) return
          const route = routes[request.url!.split('/')[1] as keyof typeof routes]
          await route(request, response)
        }
        answer().catch(() => response.destroy())
      })
      return listening(server)
    },
  },
  {
    name: 'Express',
    async open(pay, runs, words = () => []) {
      const paid = forExpress(pay)
      const app = express()
      app.use(paid.handle)
      app.get('/goods/:name', paid.each('0.001'), (request, response) => {
        response.json({ name: request.params.name, run: count(runs, paid.payment(request).id) })
      })
      app.post('/echo', paid.each('0.001'), express.json(), (request, response) => response.json(request.body))
      app.get('/fail/:how', paid.each('0.001'), async (request, response) => {
        if (request.params.how === 'throw') throw new Error('the shop failed')
        response.status(500).send('no')
      })
      app.get('/long', paid.each('0.001'), (_, response) => response.send(long))
      app.get('/metered/:count', paid.metered({ max: '0.001' }), (request, response) => {
        const { meter } = paid.payment(request)
        meter.add(Number(request.params.count), '0.00001')
        response.send(meter.charged)
      })
      app.get('/words', paid.metered(wordsMax), async (request, response) => {
        const { meter } = paid.payment(request)
        await pipeline(meter.stream(words(), perWord).body!, response.type('text/x-words'))
      })
      app.use((error: unknown, _request: unknown, response: express.Response, _next: unknown) => {
        response.status(500).send(error instanceof Error ? error.name : 'Error')
      })
      return listening(createServer(app))
    },
  },
  {
    name: 'Fastify',
    async open(pay, runs, words = () => []) {
      const paid = forFastify(pay)
      const app = fastify({ forceCloseConnections: true })
      await app.register(paid.plugin)
      app.get<{ Params: { name: string } }>('/goods/:name', paid.each('0.001'), async (request) => {
        return { name: request.params.name, run: count(runs, paid.payment(request).id) }
      })
      app.post('/echo', paid.each('0.001'), async (request) => request.body)
      app.get<{ Params: { how: string } }>('/fail/:how', paid.each('0.001'), async (request, reply) => {
        if (request.params.how === 'throw') throw new Error('the shop failed')
        return reply.code(500).send('no')
      })
      app.get('/long', paid.each('0.001'), async () => long)
      app.get<{ Params: { count: string } }>('/metered/:count', paid.metered({ max: '0.001' }), async (request) => {
        const { meter } = paid.payment(request)
        meter.add(Number(request.params.count), '0.00001')
        return meter.charged
      })
      app.get('/words', paid.metered(wordsMax), async (request) => {
        return paid.payment(request).meter.stream(words(), perWord)
      })
      const url = await app.listen({ port: 0, host: '127.0.0.1' })
      onEnd(() => app.close())
      return url
    },
  },
  {
    name: 'Hono',
    async open(pay, runs, words = () => []) {
      const paid = forHono(pay)
      const app = new Hono()
      app.use(paid.handle)
      app.get('/goods/:name', paid.each('0.001'), (context) => {
        return context.json({ name: context.req.param('name'), run: count(runs, paid.payment(context).id) })
      })
      app.post('/echo', paid.each('0.001'), async (context) => context.json(await context.req.json()))
      app.get('/fail/:how', paid.each('0.001'), (context) => {
        if (context.req.param('how') === 'throw') throw new Error('the shop failed')
        return context.text('no', 500)
      })
      app.get('/long', paid.each('0.001'), (context) => context.text(long))
      app.get('/metered/:count', paid.metered({ max: '0.001' }), (context) => {
        const { meter } = paid.payment(context)
        meter.add(Number(context.req.param('count')), '0.00001')
        return context.text(meter.charged)
      })
      app.get('/words', paid.metered(wordsMax), (context) => {
        return paid.payment(context).meter.stream(words(), perWord)
      })
      app.onError((error, context) => context.text(error.name, 500))
      return (await listenTo(async (request) => app.fetch(request))).url
    },
  },
]

const wordsMax = { max: '0.01' } as const
const perWord = { perToken: '0.000001', headers: { 'Content-Type': 'text/x-words' } } as const

/** Longer than what is kept for a retry. */
export const long: string = 'pay as you go '.repeat(10_000)

/** Counts a run, as late as the handler's effect is. */
function count(runs: Runs, id: string): number {
  const run = (runs.get(id) ?? 0) + 1
  runs.set(id, run)
  return run
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  onEnd(async () => {
    const closed = new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    await closed
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
