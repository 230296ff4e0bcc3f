/** What can go wrong between a framework and the paywall. */

import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import { describe, expect, test } from 'vitest'
import { forExpress } from '../../src/vendor/adapters/express.ts'
import { forFastify } from '../../src/vendor/adapters/fastify.ts'
import { forHono } from '../../src/vendor/adapters/hono.ts'
import { forNode } from '../../src/vendor/adapters/node.ts'
import { gate, onEnd, prepare, problemIn, statementIn, until } from '../e2e/town.ts'
import { listenTo, openPayTown } from './town.ts'

const price = 1000n
const json = { 'Content-Type': 'application/json' }

describe('Express', () => {
  test('with a parser before the price is told so, and nothing is charged or lost', async () => {
    const { pay, ...town } = await openPayTown()
    const paid = forExpress(pay)
    const url = await openExpress((app) => {
      app.use(paid.handle)
      app.post('/wrong', express.json(), paid.each('0.001'), (request, response) => response.json(request.body))
      app.post('/right', paid.each('0.001'), express.json(), (request, response) => response.json(request.body))
      app.use((error: Error, _request: unknown, response: express.Response, _next: unknown) => {
        response.status(500).send(error.message)
      })
    })
    const channel = await town.open(url)
    const { headers, send } = await prepare(channel, '/wrong', price, { method: 'POST', body: '{"a":1}' })
    const wrong = await send({ headers: { ...headers, ...json } })
    expect(wrong.status).toBe(500)
    expect(await wrong.text()).toMatch(/a body parser has read the request before the paywall.*Nothing was charged/)
    const right = await channel.fetch(`${url}/right`, price, { method: 'POST', body: '{"a":1}', headers: json })
    expect(await right.json()).toEqual({ a: 1 })
    expect(await channel.refresh()).toMatchObject({ spent: price })
  })

  test('with a parser that keeps the bytes is served all the same', async () => {
    const { pay, ...town } = await openPayTown()
    const paid = forExpress(pay)
    const url = await openExpress((app) => {
      app.use(paid.handle)
      app.use(
        express.json({
          verify: (request, _response, bytes) => {
            Object.assign(request, { rawBody: bytes })
          },
        }),
      )
      app.post('/echo', paid.each('0.001'), (request, response) => response.json(request.body))
    })
    const channel = await town.open(url)
    const response = await channel.fetch(`${url}/echo`, price, { method: 'POST', body: '{"a": 1}', headers: json })
    expect(await response.json()).toEqual({ a: 1 })
    expect(await channel.refresh()).toMatchObject({ spent: price })
  })

  test('with a router that is mounted at a path charges for the whole address', async () => {
    const { pay, ...town } = await openPayTown()
    const paid = forExpress(pay)
    const url = await openExpress((app) => {
      app.use(paid.handle)
      const router = express.Router()
      router.get('/joke', paid.each('0.001'), (_request, response) => response.send('ha'))
      app.use('/v1', router)
    })
    const channel = await town.open(url)
    expect(await (await channel.fetch(`${url}/v1/joke?of=the&day`, price)).text()).toBe('ha')
  })

  test('keeps the cookies and headers of other middleware, once each, also on a retry and on a refusal', async () => {
    const { pay, ...town } = await openPayTown()
    const paid = forExpress(pay)
    const url = await openExpress((app) => {
      app.use((_request, response, next) => {
        response.cookie('a', '1').set('X-Request-Id', '7').set('Access-Control-Allow-Origin', 'https://shop.example')
        next()
      })
      app.use(paid.handle)
      app.get('/joke', paid.each('0.001'), (_request, response) => response.cookie('b', '2').send('ha'))
    })
    const channel = await town.open(url)
    const { send } = await prepare(channel, '/joke', price)
    for (const response of [await send(), await send()]) {
      expect(response.headers.getSetCookie().map((cookie) => cookie.slice(0, 3))).toEqual(['a=1', 'b=2'])
      expect(response.headers.get('X-Request-Id')).toBe('7')
      expect(response.headers.get('Access-Control-Allow-Origin')).toBe('https://shop.example')
    }
    const unpaid = await fetch(`${url}/joke`)
    expect(unpaid.headers.get('X-Request-Id')).toBe('7')
    expect(unpaid.headers.get('Access-Control-Allow-Origin')).toBe('https://shop.example')
  })

  test('whose client leaves while the handler runs charges it, and gives a retry the answer', async () => {
    const { pay, ...town } = await openPayTown()
    const paid = forExpress(pay)
    const [started, finish] = [gate(), gate()]
    let runs = 0
    const url = await openExpress((app) => {
      app.use(paid.handle)
      app.get('/slow', paid.each('0.001'), async (_request, response) => {
        runs += 1
        started.open()
        await finish.opened
        response.send('done')
      })
    })
    const channel = await town.open(url)
    const { headers, send } = await prepare(channel, '/slow', price)
    const leaving = new AbortController()
    const left = fetch(`${url}/slow`, { headers, signal: leaving.signal })
    await started.opened
    leaving.abort()
    await expect(left).rejects.toThrow()
    finish.open()
    const response = await send()
    expect(statementIn(channel, response)).toMatchObject({ charged: price })
    expect(await response.text()).toBe('done')
    expect(runs).toBe(1)
  })

  test('whose handler pipes a stream that fails charges nothing', async () => {
    const { pay, ...town } = await openPayTown()
    const paid = forExpress(pay)
    const url = await openExpress((app) => {
      app.use(paid.handle)
      app.get('/broken', paid.each('0.001'), async (_request, response) => {
        const source = new PassThrough()
        source.write('a beginning')
        setImmediate(() => source.destroy(new Error('the source failed')))
        await pipeline(source, response)
      })
    })
    const channel = await town.open(url)
    const { send } = await prepare(channel, '/broken', price)
    await expect(send()).rejects.toThrow()
    expect(await problemIn(await send())).toMatchObject({ reason: 'HandlerFailed' })
    expect(await channel.refresh()).toMatchObject({ spent: 0n })
  })

  test('streams what is longer than is kept at the pace of its reader', async () => {
    const { pay, ...town } = await openPayTown()
    const paid = forExpress(pay)
    let written = 0
    const url = await openExpress((app) => {
      app.use(paid.handle)
      app.get('/endless', paid.each('0.001'), async (_request, response) => {
        const closed = once(response, 'close')
        const isOpen = (): boolean => !response.destroyed
        while (isOpen()) {
          written += 16_384
          if (!response.write(Buffer.alloc(16_384))) await Promise.race([once(response, 'drain'), closed])
        }
      })
    })
    const channel = await town.open(url)
    const { send } = await prepare(channel, '/endless', price)
    const response = await send()
    const reader = response.body!.getReader()
    for (let size = 0; size < 1_000_000; size += (await reader.read()).value!.length);
    let seen = -1
    await until(async () => {
      await new Promise((resolve) => setTimeout(resolve, 100))
      const isStill = seen === written
      seen = written
      return isStill
    }, 'a handler that waits for its reader')
    await reader.cancel()
    expect(await channel.refresh()).toMatchObject({ spent: price })
  })
})

describe('a route behind two prices', () => {
  test('of Express is told so, and charges neither', async () => {
    const { pay, ...town } = await openPayTown()
    const paid = forExpress(pay)
    const said: unknown[] = []
    const url = await openExpress((app) => {
      app.use(paid.handle)
      app.use(paid.each('0.001'))
      app.get('/twice', paid.each('0.001'), (_request, response) => response.send('twice'))
      app.use((error: unknown, _request: unknown, response: express.Response, _next: unknown) => {
        said.push(error)
        response.status(500).end()
      })
    })
    const channel = await town.open(url)
    const { send } = await prepare(channel, '/twice', price)
    expect((await send()).status).toBe(500)
    expect(String(said[0])).toMatch(/behind two prices/)
    expect(await channel.refresh()).toMatchObject({ spent: 0n, paid: price })
  })

  test('of Hono is told so, and charges neither', async () => {
    const { pay, ...town } = await openPayTown()
    const paid = forHono(pay)
    const app = new Hono()
    app.use(paid.handle)
    app.use('/twice', paid.each('0.001'))
    app.get('/twice', paid.each('0.001'), (context) => context.text('twice'))
    const { url } = await listenTo(async (request) => app.fetch(request))
    const channel = await town.open(url)
    const { send } = await prepare(channel, '/twice', price)
    expect((await send()).status).toBe(500)
    expect(String(town.errors[0])).toMatch(/behind two prices/)
    expect(await channel.refresh()).toMatchObject({ spent: 0n, paid: price })
  })
})

test('Fastify sends a long answer as it comes, also where its length is known', async () => {
  const { pay, ...town } = await openPayTown()
  const paid = forFastify(pay)
  const app = fastify({ forceCloseConnections: true })
  await app.register(paid.plugin)
  const rest = gate()
  app.get('/long', paid.each('0.001'), (_request, reply) => {
    const pieces = async function* (): AsyncGenerator<Buffer> {
      yield Buffer.alloc(100_000)
      await rest.opened
      yield Buffer.alloc(100_000)
    }
    return reply.header('Content-Length', '200000').send(Readable.from(pieces()))
  })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  onEnd(() => app.close())
  const channel = await town.open(url)
  const { send } = await prepare(channel, '/long', price)
  const response = await send()
  expect(response.headers.get('Content-Length')).toBe('200000')
  const reader = response.body!.getReader()
  let size = 0
  while (size < 100_000) size += (await reader.read()).value!.length
  rest.open()
  for (let read = await reader.read(); !read.done; read = await reader.read()) size += read.value.length
  expect(size).toBe(200_000)
  expect(await channel.refresh()).toMatchObject({ spent: price })
})

test('Fastify tells a handler that answers past its reply, and charges nothing', async () => {
  const { pay, ...town } = await openPayTown()
  const paid = forFastify(pay)
  const app = fastify({ forceCloseConnections: true })
  await app.register(paid.plugin)
  app.get('/past', paid.each('0.001'), (_request, reply) => {
    reply.hijack()
    reply.raw.end('past it')
  })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  onEnd(() => app.close())
  const channel = await town.open(url)
  const { send } = await prepare(channel, '/past', price)
  await send()
  await until(() => town.errors.length > 0, 'an error')
  expect(String(town.errors[0])).toMatch(/reply.raw and hijack\(\) pass it by/)
  expect(await channel.refresh()).toMatchObject({ spent: 0n, paid: price })
})

describe('Hono', () => {
  test('serves a handler of the Fetch API as it is', async () => {
    const { pay, ...town } = await openPayTown()
    const joke = pay.each('0.001', () => new Response('ha'))
    const app = new Hono()
    app.use(forHono(pay).handle)
    app.get('/joke', (context) => joke(context.req.raw))
    const { url } = await listenTo(async (request) => app.fetch(request))
    const channel = await town.open(url)
    expect(await (await channel.fetch(`${url}/joke`, price)).text()).toBe('ha')
  })

  test('with a middleware that has read the body is told so, or is served where the bytes are kept', async () => {
    const { pay, ...town } = await openPayTown()
    const paid = forHono(pay)
    const app = new Hono()
    app.use(paid.handle)
    app.use('/json', async (context, next) => {
      await context.req.json()
      await next()
    })
    app.use('/bytes', async (context, next) => {
      await context.req.arrayBuffer()
      await next()
    })
    for (const path of ['/json', '/bytes']) {
      app.post(path, paid.each('0.001'), async (context) => context.json(await context.req.json()))
    }
    app.onError((error, context) => context.text(error.message, 500))
    const { url } = await listenTo(async (request) => app.fetch(request))
    const channel = await town.open(url)
    const post = { method: 'POST', body: '{"a":1}', headers: json }
    const told = await channel.fetch(`${url}/json`, price, post)
    expect(await told.text()).toMatch(/a middleware has read the request before the paywall/)
    expect(await (await channel.fetch(`${url}/bytes`, price, post)).json()).toEqual({ a: 1 })
    expect(await channel.refresh()).toMatchObject({ spent: price })
  })
})

describe('a path that is no address of its own', () => {
  test.each(['//[', '//a:b', '//shop.example/.well-known/lockstep', '/%', '*'])(
    'is left to the framework, and stops nobody: %s',
    async (path) => {
      const { pay, errors } = await openPayTown()
      const [node, app] = [forNode(pay), fastify({ forceCloseConnections: true })]
      await app.register(forFastify(pay).plugin)
      onEnd(() => app.close())
      const urls = [
        await openServer(async (incoming, outgoing) => {
          if (!(await node.handle(incoming, outgoing))) outgoing.writeHead(404).end()
        }),
        await openExpress((shop) => void shop.use(forExpress(pay).handle)),
        await app.listen({ port: 0, host: '127.0.0.1' }),
      ]
      for (const url of urls) {
        expect(await statusOf(url, `GET ${path} HTTP/1.1\r\nHost: shop.example\r\n\r\n`)).toBe(
          url === urls[2] && path === '/%' ? 400 : 404,
        )
        expect((await fetch(`${url}/.well-known/lockstep`)).status).toBe(200)
      }
      expect(errors).toEqual([])
    },
  )
})

describe('a body that is announced as too large', () => {
  test.each(['/paid', '/lockstep/ask'])('is refused before it has come: %s', async (path) => {
    const { pay } = await openPayTown({ bodySizeMax: 1000 })
    const [node, shop] = [forNode(pay), fastify({ forceCloseConnections: true })]
    const paid = node.each('0.001', (_incoming, outgoing) => outgoing.end())
    const inFastify = forFastify(pay)
    await shop.register(inFastify.plugin)
    shop.post('/paid', inFastify.each('0.001'), async () => '')
    onEnd(() => shop.close())
    const urls = [
      await openServer(async (incoming, outgoing) => {
        if (!(await node.handle(incoming, outgoing))) await paid(incoming, outgoing)
      }),
      await openExpress((app) => {
        const inExpress = forExpress(pay)
        app.use(inExpress.handle)
        app.post('/paid', inExpress.each('0.001'), (_request, response) => response.send(''))
      }),
      await shop.listen({ port: 0, host: '127.0.0.1' }),
    ]
    const body = 'Content-Length: 1001\r\n\r\nthe rest never comes'
    for (const url of urls) expect(await statusOf(url, `POST ${path} HTTP/1.1\r\nHost: x\r\n${body}`)).toBe(413)
  })
})

describe('a body that is not for the vendor', () => {
  test('reaches whoever answers it whole, behind a price too', async () => {
    const { pay, errors } = await openPayTown()
    const [node, shop] = [forNode(pay), fastify({ forceCloseConnections: true })]
    const paid = node.each('0.001', (_incoming, outgoing) => outgoing.end())
    // Vendors have it where they serve streams, which a framework's paywall does not.
    const unserved = '/lockstep/stream'
    const inFastify = forFastify(pay)
    await shop.register(inFastify.plugin)
    shop.options('/free', async (request) => request.body)
    shop.options('/paid', inFastify.each('0.001'), async () => '')
    shop.post(unserved, inFastify.each('0.001'), async () => '')
    onEnd(() => shop.close())
    const urls = [
      await openServer(async (incoming, outgoing) => {
        if (await node.handle(incoming, outgoing)) return
        if (incoming.url === '/free') incoming.pipe(outgoing)
        else await paid(incoming, outgoing)
      }),
      await openExpress((app) => {
        const inExpress = forExpress(pay)
        app.use(inExpress.handle)
        app.options('/free', (request, response) => void request.pipe(response))
        app.options('/paid', inExpress.each('0.001'), (_request, response) => response.send(''))
        app.post(unserved, inExpress.each('0.001'), (_request, response) => response.send(''))
      }),
      await shop.listen({ port: 0, host: '127.0.0.1' }),
    ]
    for (const url of urls) {
      const ask = { method: 'OPTIONS', body: 'hello', headers: { 'Content-Type': 'text/plain' } }
      expect(await (await fetch(`${url}/free`, ask)).text()).toBe('hello')
      expect(await problemIn(await fetch(`${url}/paid`, ask))).toMatchObject({ status: 402 })
      expect(await problemIn(await fetch(url + unserved, { ...ask, method: 'POST' }))).toMatchObject({ status: 402 })
    }
    expect(errors).toEqual([])
  })
})

/** Of a request as it is: no client of the Fetch API sends such a one. */
async function statusOf(url: string, request: string): Promise<number> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.write(request)
  const [heard] = (await once(socket, 'data')) as [Buffer]
  socket.destroy()
  return Number(heard.toString().split(' ')[1])
}

async function openExpress(routes: (app: express.Express) => void): Promise<string> {
  const app = express()
  routes(app)
  return openServer(app)
}

async function openServer(listener: (incoming: IncomingMessage, outgoing: ServerResponse) => unknown): Promise<string> {
  const server = createServer((incoming, outgoing) => void listener(incoming, outgoing))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  onEnd(async () => {
    const closed = new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    await closed
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
