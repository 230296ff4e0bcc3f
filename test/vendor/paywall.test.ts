import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { validate } from 'mppx/discovery'
import { describe, expect, test } from 'vitest'
import { serveBank } from '../../src/bank/server.ts'
import { fromHex, toHex } from '../../src/crypto/bytes.ts'
import * as Schnorr from '../../src/crypto/Schnorr.ts'
import * as Offer from '../../src/http/Offer.ts'
import { type Paywall, type PaywallOptions, PriceError, paywall } from '../../src/vendor/index.ts'
import { openFundedBank, temporaryPath } from '../bank/support.ts'
import { gate, onEnd, openBankServer, prepare, problemIn, statementIn, until } from '../e2e/town.ts'
import { forward, listenTo, openPayTown } from './town.ts'

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
    expect(await response.json()).toEqual({
      hello: 'Ada',
      price: '0.001',
      credit: '0',
      id: `${toHex(channel.state.channelId.subarray(0, 16))}-1`,
    })
    expect(await channel.refresh()).toMatchObject({ spent: 1000n, paid: 1000n, contiguous: 1 })
    expect(town.errors).toEqual([])
  })

  test('claims a channel as soon as its client has released it', async () => {
    const town = await openPayTown()
    const { pay } = town
    const { url } = await pay.listen({ routes: { 'GET /': pay.each('0.001', () => new Response('served')) } })
    const channel = await town.open(url)
    await channel.fetch(url, 1000n)
    await channel.close()
    await until(() => town.said.length > 0, 'a claim')
    expect(town.said).toEqual([`claimed 1000 on channel ${toHex(channel.state.channelId)}`])
    expect(await pay.collect()).toEqual([])
  })

  test('claims every channel when it is told to', async () => {
    const town = await openPayTown()
    const { pay } = town
    const { url } = await pay.listen({ routes: { 'GET /': pay.each('0.002', () => new Response('served')) } })
    const channel = await town.open(url)
    await channel.fetch(url, 2000n)
    expect(await pay.collect()).toMatchObject([{ channel: toHex(channel.state.channelId), settled: 2000n }])
    expect(await problemIn(await channel.fetch(url, 2000n))).toMatchObject({ reason: 'ChannelClosed' })
  })

  test('is the same vendor at every start, with a key that its owner alone may read', async () => {
    const town = await openPayTown()
    const { pay } = town
    const { url } = await pay.listen({ routes: { 'GET /': pay.each('0.001', () => new Response('served')) } })
    const channel = await town.open(url)
    await channel.fetch(url, 1000n)
    await pay.close()
    const again = await town.again()
    expect(again.vendor).toBe(pay.vendor)
    const second = await again.listen({
      port: Number(new URL(url).port),
      routes: { 'GET /': again.each('0.001', () => new Response('served again')) },
    })
    expect(await (await channel.fetch(second.url, 1000n)).text()).toBe('served again')
    expect(await channel.refresh()).toMatchObject({ spent: 2000n, contiguous: 2 })
    expect(statSync(town.keyPath).mode & 0o777).toBe(0o600)
  })

  test('goes on while its bank is away, and does not believe another one in its place', async () => {
    const { bank } = await openFundedBank(1_000_000n)
    const server = await serveBank(bank)
    const options = { bank: server.url, asset: 'USD', store: `sqlite:${temporaryPath('vendor.db')}` }
    const said: string[] = []
    const note = (message: string): void => void said.push(message)
    const first = await paywall(options)
    await first.close()
    await server.close()
    const second = await paywall({ ...options, logger: { info: note, warn: note, error: note } })
    expect(second.vendor).toBe(first.vendor)
    expect(said[0]).toMatch(/does not answer.*goes on with what it said last/)
    await second.close()
    const { bank: other } = await openFundedBank(1n, { key: Schnorr.keyPair(new Uint8Array(32).fill(9)) })
    const otherServer = await serveBank(other, { port: Number(new URL(server.url).port) })
    onEnd(() => otherServer.close())
    await expect(paywall(options)).rejects.toThrow(/this is another bank, or somebody in between/)
  })
})

describe('a vendor that its bank does not know', () => {
  test.each([
    [0n, []],
    [
      2_000_000n,
      [
        expect.stringMatching(
          /not registered at the bank .*: deposit 2 USD there for account [0-9a-f]{64}, and start again/,
        ),
      ],
    ],
  ])('registers where that costs nothing, and says what it costs elsewhere: %s', async (deposit, said) => {
    const commandRules = { lifeMax: 86_400n, depositMin: new Map([['USD/6', deposit]]) }
    const { bank, store } = await openFundedBank(1n, { commandRules })
    const server = await serveBank(bank)
    onEnd(() => server.close())
    const heard: string[] = []
    const note = (message: string): void => void heard.push(message)
    const options = { bank: server.url, asset: 'USD', store: `sqlite:${temporaryPath('vendor.db')}` }
    const pay = await paywall({ ...options, logger: { info: note, warn: note, error: note } })
    onEnd(() => pay.close())
    expect(heard).toEqual(said)
    expect((await store.account(fromHex(pay.vendor))) !== undefined).toBe(deposit === 0n)
  })
})

describe('an unpaid request', () => {
  test('is told its price: in a header, in a problem document, with the offer', async () => {
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
    expect(Offer.parsePrice(body.price)).toEqual({ ok: true, value: { amount: 1000n, asset: 'USD/6', per: 'request' } })
    expect(Offer.parse(JSON.stringify(body.offer))).toMatchObject({
      ok: true,
      value: { routes: [{ method: 'GET', path: '/joke', price: 1000n, per: 'request' }], unitPrice: 1000n },
    })
    expect(await (await fetch(`${url}/.well-known/lockstep`)).json()).toEqual(body.offer)
  })

  test('of a person’s browser is told in a page that runs nothing and repeats nothing as markup', async () => {
    const { pay } = await openPayTown()
    const { url } = await pay.listen({ routes: { 'GET /:what': pay.each('0.001', () => new Response('ha')) } })
    const browser = { Accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' }
    const response = await fetch(`${url}/x?q='"><script>alert(1)</script>`, { headers: browser })
    expect(response.status).toBe(402)
    expect(response.headers.get('Content-Type')).toBe('text/html; charset=utf-8')
    expect(response.headers.get('WWW-Authenticate')).toContain('price="1000"')
    const policy = response.headers.get('Content-Security-Policy')
    expect(policy).toMatch(/^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/=]+'; base-uri 'none'/)
    const page = await response.text()
    expect(page).toContain('<h1>This costs <strong>0.001 USD</strong></h1>')
    expect(page).not.toMatch(/<script|onload|javascript:|https?:\/\/(?!127)/i)
    expect(page).toContain('href="/.well-known/lockstep"')
  })
})

describe('a price', () => {
  test('that is none is refused where its route is made, and never rounded', async () => {
    const { pay } = await openPayTown()
    const none = [
      '0.0000001',
      '-1',
      '1e3',
      '',
      'abc',
      '.5',
      '1.',
      '01',
      ' 1',
      '1,5',
      '9223372036854.775808',
      1 as unknown as string,
    ]
    for (const price of none) {
      expect(() => pay.each(price, () => new Response())).toThrow(PriceError)
      expect(() => pay.metered({ max: price }, () => new Response())).toThrow(/a price is a decimal string in USD/)
      expect(() => pay.price('1', { max: price })).toThrow(PriceError)
    }
    expect(() => pay.price('2', { max: '1' })).toThrow('the price 2 USD is above the ceiling 1')
  })

  test('may be made for a request, which nobody pays who is not told of it', async () => {
    const { pay, ...town } = await openPayTown()
    const perLetter = pay.price(async (request) => `0.00${(await request.text()).length}`, { max: '0.005' })
    const shout = async (paid: Request): Promise<Response> => new Response((await paid.text()).toUpperCase())
    const { url } = await listenTo(
      async (request) => (await pay.handle(request)) ?? pay.sell(request, perLetter, shout),
    )
    const asked = await fetch(url, { method: 'POST', body: 'abc' })
    expect(((await asked.json()) as { price: unknown }).price).toMatchObject({ amount: '3000' })
    const channel = await town.open(url)
    const served = await channel.fetch(url, 3000n, { method: 'POST', body: 'abc' })
    expect(await served.text()).toBe('ABC')
    const tooLittle = await channel.fetch(url, 3000n, { method: 'POST', body: 'abcd' })
    expect(tooLittle.headers.get('WWW-Authenticate')).toContain('price="4000"')
    expect(await problemIn(tooLittle)).toMatchObject({ status: 402, reason: 'CreditTooLow' })
    expect(await channel.refresh()).toMatchObject({ spent: 3000n, paid: 6000n })
  })

  test('above its ceiling charges nothing, and its operator hears why', async () => {
    const { pay, ...town } = await openPayTown()
    const { url } = await pay.listen({
      routes: {
        'POST /': pay.each(
          async (request) => request.text(),
          () => new Response('served'),
          { max: '0.005' },
        ),
      },
    })
    const channel = await town.open(url)
    for (const price of ['0.006', 'nonsense']) {
      const response = await channel.fetch(url, 5000n, { method: 'POST', body: price })
      expect(statementIn(channel, response)).toMatchObject({ charged: 0n })
      expect(await problemIn(response)).toMatchObject({ status: 500, reason: 'HandlerFailed' })
    }
    expect(town.errors.map(String)).toEqual([
      'PriceError: the price 0.006 USD is above the ceiling 0.005: nothing was charged',
      expect.stringContaining('"nonsense" is no decimal amount'),
    ])
    expect(await (await channel.fetch(url, 5000n, { method: 'POST', body: '0.005' })).text()).toBe('served')
    expect(await channel.refresh()).toMatchObject({ spent: 5000n, paid: 5000n })
  })

  test.each(['charge', 'release'] as const)('in doubt after a crash: %s, as its route chose', async (onCrash) => {
    const { pay, ...town } = await openPayTown()
    const started = gate()
    let runs = 0
    const routes = (of: Paywall): Parameters<Paywall['listen']>[0]['routes'] => ({
      'GET /work': of.each(
        '0.001',
        async () => {
          runs += 1
          started.open()
          if (runs === 1) await new Promise(() => undefined)
          return new Response('worked')
        },
        { onCrash },
      ),
    })
    const stuck = pay.fetch(routes(pay))
    const { url, close } = await listenTo(stuck)
    const channel = await town.open(url)
    const { send } = await prepare(channel, '/work', 1000n)
    const left = send()
    left.catch(() => undefined)
    await started.opened
    // Ends as a process that is killed does: its handler never returns.
    await pay.close()
    await close()
    const again = await town.again()
    await listenTo(again.fetch(routes(again)), Number(new URL(url).port))
    const response = await send()
    const [reason, charged] = onCrash === 'charge' ? ['AnswerGone', 1000n] : ['InDoubt', 0n]
    expect(statementIn(channel, response)).toMatchObject({ charged })
    expect(await problemIn(response)).toMatchObject({ reason })
    expect(await channel.refresh()).toMatchObject({ spent: charged })
    expect(runs).toBe(1)
  })

  test('of an endless answer is charged once, and the answer ends when its reader has enough', async () => {
    const { pay, ...town } = await openPayTown()
    let isStopped = false
    const { url } = await pay.listen({
      routes: {
        'GET /': pay.each('0.001', () => {
          const pull = (controller: ReadableStreamDefaultController): void => controller.enqueue(new Uint8Array(10_000))
          const cancel = (): void => {
            isStopped = true
          }
          return new Response(new ReadableStream({ pull, cancel }))
        }),
      },
    })
    const channel = await town.open(url)
    const { send } = await prepare(channel, '/', 1000n)
    const response = await send()
    const reader = response.body!.getReader()
    for (let size = 0; size < 1_000_000; size += (await reader.read()).value!.length);
    await reader.cancel()
    await until(() => isStopped, 'the end of the stream')
    expect(await channel.refresh()).toMatchObject({ spent: 1000n })
    expect(await problemIn(await send())).toMatchObject({ reason: 'AnswerGone' })
  })
})

describe('behind a proxy that', () => {
  test('rewrites paths, a payment is for another request: told so, its credit is kept', async () => {
    const town = await openPayTown()
    const { pay } = town
    const seen = await pay.listen({ routes: { 'GET /joke': pay.each('0.001', () => new Response('ha')) } })
    const proxy = await listenTo((request) => forward(request, seen.url, '/api'))
    const channel = await town.open(seen.url)
    const response = await channel.fetch(`${proxy.url}/api/joke`, 1000n)
    expect(statementIn(channel, response)).toMatchObject({ index: 1, charged: 0n, paid: 1000n })
    expect(await problemIn(response)).toMatchObject({
      reason: 'RequestMismatch',
      detail: `payment 1 names another request than this one, which is ${seen.url}/joke here`,
    })
    expect(await (await channel.fetch(`${seen.url}/joke`, 1000n)).text()).toBe('ha')
    expect(await channel.refresh()).toMatchObject({ spent: 1000n, paid: 1000n })
  })

  test('rewrites them is no trouble for a vendor that is told its public address', async () => {
    const proxied = Promise.withResolvers<string>()
    const proxy = await listenTo(async (request) => forward(request, await proxied.promise, '/api'))
    const town = await openPayTown({ publicUrl: `${proxy.url}/api/` })
    const { pay } = town
    const { url } = await pay.listen({ routes: { 'GET /joke': pay.each('0.001', () => new Response('ha')) } })
    proxied.resolve(url)
    const channel = await town.open(url)
    expect(await (await channel.fetch(`${proxy.url}/api/joke`, 1000n)).text()).toBe('ha')
  })

  test.each([
    [true, 200],
    [false, 409],
  ])('says where the client was is believed where that was allowed: %s', async (trustProxy, status) => {
    const town = await openPayTown({ trustProxy })
    const { pay } = town
    const { url } = await pay.listen({ routes: { 'GET /joke': pay.each('0.001', () => new Response('ha')) } })
    const channel = await town.open(url)
    const { headers } = await prepare(channel, '/joke', 1000n, { vendorUrl: 'https://shop.example' })
    const forwarded = { 'X-Forwarded-Proto': 'https', 'X-Forwarded-Host': 'shop.example, inner.example' }
    expect(await fetch(`${url}/joke`, { headers: { ...headers, ...forwarded } })).toMatchObject({ status })
  })
})

describe('prices in an OpenAPI document', () => {
  test('are what the peer protocol reads, in the service’s own document and in one that it serves', async () => {
    const { pay } = await openPayTown()
    const { url } = await pay.listen({
      routes: {
        'GET /jokes/:number': pay.each('0.001', () => new Response('ha')),
        'POST /chat': pay.metered({ max: '0.05' }, () => new Response('…')),
        'GET /free': () => new Response('free'),
      },
    })
    const served: unknown = await (await fetch(`${url}/openapi.json`)).json()
    expect(validate(served).filter(({ severity }) => severity === 'error')).toEqual([])
    const own = {
      openapi: '3.1.0',
      info: { title: 'Jokes', version: '7' },
      paths: {
        '/jokes/{id}': { get: { summary: 'A joke', responses: { '200': { description: 'it' } } } },
        '/free': { get: {} },
      },
    }
    const priced = pay.openapi(own)
    expect(validate(priced).filter(({ severity }) => severity === 'error')).toEqual([])
    expect(priced.paths['/jokes/{id}'].get).toMatchObject({
      summary: 'A joke',
      'x-payment-info': {
        offers: [
          {
            method: 'lockstep',
            intent: 'session',
            currency: 'USD/6',
            amount: '1000',
            description: '0.001 USD for each request',
          },
        ],
      },
      responses: { '200': { description: 'it' }, '402': { description: 'Payment required' } },
    })
    expect(priced.paths['/free']).toEqual({ get: {} })
    expect(served).toMatchObject({
      paths: {
        '/chat': {
          post: { 'x-payment-info': { offers: [{ amount: null, description: 'at most 0.05 USD for each request' }] } },
        },
      },
    })
  })
})

describe('a paywall says in one line', () => {
  test.each<[string, (options: PaywallOptions, place: string) => PaywallOptions, RegExp]>([
    [
      'that the bank is away',
      (options) => ({ ...options, bank: 'http://127.0.0.1:9' }),
      /the bank at http:\/\/127.0.0.1:9 does not answer: start it, or correct its address/,
    ],
    [
      'that the address is none',
      (options) => ({ ...options, bank: 'bank.example' }),
      /the address of a bank starts with https:\/\//,
    ],
    ['that there is no bank', (options) => ({ ...options, bank: [] }), /a paywall needs a bank/],
    [
      'that it is another bank',
      (options) => ({ ...options, bank: { url: options.bank as string, key: '11'.repeat(32) } }),
      /has the key [0-9a-f]{64}, not (11){32}/,
    ],
    [
      'that a key is none',
      (options) => ({ ...options, bank: { url: options.bank as string, key: 'abc' } }),
      /the key of a bank is 64 hex digits/,
    ],
    [
      'which assets there are',
      (options) => ({ ...options, asset: 'BTC' }),
      /no asset 'BTC' is held at .*: there is USD\/6, EUR\/2/,
    ],
    ['what a store is', (options) => ({ ...options, store: 'vendor.db' }), /a store is 'sqlite:PATH'/],
    [
      'that the store cannot be opened',
      (options, place) => ({ ...options, store: `sqlite:${place}/no/such/folder/vendor.db`, key: `${place}.key` }),
      /the store cannot be opened/,
    ],
    [
      'that a public address is none',
      (options) => ({ ...options, publicUrl: 'shop.example' }),
      /publicUrl is an address such as/,
    ],
    [
      'that a PostgreSQL store needs a key',
      (options) => ({ ...options, store: 'postgres://127.0.0.1/x' }),
      /name the file of the vendor's key/,
    ],
  ])('%s', async (_, change, says) => {
    const { bankUrl } = await openBankServer()
    const place = temporaryPath('vendor')
    const options = { bank: bankUrl, asset: 'USD', store: `sqlite:${place}.db` }
    await expect(paywall(change(options, place))).rejects.toThrow(says)
    expect(existsSync(`${place}.db`)).toBe(false)
  })

  test('that a key file holds no key, and leaves it', async () => {
    const { bankUrl } = await openBankServer()
    const key = temporaryPath('vendor.key')
    writeFileSync(key, 'not a key')
    await expect(paywall({ bank: bankUrl, asset: 'USD', store: 'sqlite::memory:', key })).rejects.toThrow(
      /holds no key/,
    )
    expect(readFileSync(key, 'utf8')).toBe('not a key')
  })

  test('that a route is named otherwise', async () => {
    const { pay } = await openPayTown()
    expect(() => pay.fetch({ '/joke': () => new Response() })).toThrow(/a route is named 'GET \/path'/)
  })
})
