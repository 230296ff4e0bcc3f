import { once } from 'node:events'
import { request as ask } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { validate } from 'mppx/discovery'
import { describe, expect, test } from 'vitest'
import { proxy } from '../../src/proxy/index.ts'
import { PriceError } from '../../src/vendor/index.ts'
import { openTestWallet } from '../client/wallet/market.ts'
import { onEnd, prepare, problemIn, until } from '../e2e/town.ts'
import { openLossyProxy } from '../vendor/lossyProxy.ts'
import { openPayTown } from '../vendor/town.ts'
import { openProxied } from './proxied.ts'

const price = 1000n

describe('a proxy', () => {
  test('sells a service that knows nothing of it', async () => {
    const { url, open, buy, service } = await openProxied()
    const unpaid = await fetch(`${url}/weather/graz`)
    expect(unpaid.headers.get('WWW-Authenticate')).toContain('price="1000"')
    expect(await problemIn(unpaid)).toMatchObject({ status: 402, reason: 'PaymentRequired' })
    expect(service.asked).toEqual([])

    const channel = await open(url)
    const { response, text, charged } = await buy(channel, '/weather/graz?units=c', price)
    expect([JSON.parse(text), charged]).toEqual([{ city: 'graz', sky: 'blue' }, price])
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2'])
    expect(service.asked[0]).toMatchObject({ method: 'GET', url: '/weather/graz?units=c' })
    expect((await channel.close()).closing.spent).toBe(price)
  })

  test('lets through what is free, and nothing that no route names', async () => {
    const { url, service } = await openProxied()
    expect(await (await fetch(`${url}/health`)).text()).toBe('well')
    const moved = await fetch(`${url}/moved`, { redirect: 'manual' })
    expect([moved.status, moved.headers.get('Location')]).toEqual([302, '/health'])
    expect(await problemIn(await fetch(`${url}/admin`))).toMatchObject({ status: 404, reason: 'NotFound' })
    expect(await problemIn(await fetch(`${url}/health`, { method: 'POST' }))).toMatchObject({ reason: 'NotFound' })
    expect(service.asked.map((asked) => asked.url)).toEqual(['/health', '/moved'])
  })

  test('names its prices in its offer', async () => {
    const { pay } = await openProxied()
    expect(pay.offer().routes).toMatchObject([
      { method: 'GET', path: '/weather/:city', price },
      { method: 'POST', path: '/v1/embeddings', price: 50_000n, metered: true },
      { method: 'GET', path: '/ticks/:count', price: 100n, per: 'unit' },
    ])
  })

  test('has its prices in the OpenAPI document of the service, and in one of its own where there is none', async () => {
    const { url, service } = await openProxied({ openapi: '/v0/openapi.json' })
    const offers = (amount: string | null, description: string): object => ({
      'x-payment-info': { offers: [{ method: 'lockstep', currency: 'USD/6', amount, description }] },
      responses: { '200': { description: 'it' }, '402': { description: 'Payment required' } },
    })
    const theirs: unknown = await (await fetch(`${url}/v0/openapi.json`)).json()
    expect(validate(theirs).filter(({ severity }) => severity === 'error')).toEqual([])
    expect(theirs).toMatchObject({
      info: { title: 'Weather' },
      servers: [{ url: '/' }],
      paths: {
        '/Weather/{place}': { get: offers('1000', '0.001 USD for each request') },
        '/health': { get: { responses: { '200': { description: 'it' } } } },
        '/v1/chat/completions': { post: offers(null, 'at most 0.05 USD for each request') },
        '/ticks/{count}': { get: offers('100', '0.0001 USD for each unit of the stream') },
      },
    })
    expect(JSON.stringify(theirs)).not.toContain('internal')
    expect((await fetch(`${url}/openapi.json`)).status).toBe(404)
    expect(service.asked.map((asked) => asked.url)).toEqual(['/v0/openapi.json'])

    const { url: other } = await openProxied()
    const own: unknown = await (await fetch(`${other}/openapi.json`)).json()
    expect(validate(own).filter(({ severity }) => severity === 'error')).toEqual([])
    expect(own).toMatchObject({
      paths: { '/weather/{city}': { get: { 'x-payment-info': { offers: [{ amount: '1000' }] } } } },
    })
  })

  test.each([
    '/Weather/graz',
    '/weather/graz/',
    '/weather/gr%61z',
    '/%77eather/graz',
    '/weather;a=b/graz',
    '/weather%3Ba=b/graz',
    '/x/../weather/graz',
  ])('asks the price of a path however it is written: %s', async (path) => {
    const { url, service } = await openProxied({ otherwise: 'free' })
    expect(await statusOf(url, path)).toBe(402)
    expect(await statusOf(url, path, 'HEAD')).toBe(402)
    expect(service.asked).toEqual([])
  })

  test.each([
    '/weather%2Fgraz',
    '//weather/graz',
    '/weather/graz%5c',
    '/weather/%00',
    '/weather/%zz',
    '/a/..;/weather/graz',
    '/a/..%3B/weather/graz',
    '/weather%252Fgraz',
    '/a/%252e%252E/weather/graz',
    '/%2577eather/graz',
  ])('has no answer for a path that can be read in more than one way: %s', async (path) => {
    const { url, service } = await openProxied({ otherwise: 'free' })
    expect(await statusOf(url, path)).toBe(404)
    expect(service.asked).toEqual([])
  })

  test('has a price for all the rest where it is told one', async () => {
    const { url, open, buy } = await openProxied({ routes: [{ match: '/health', price: 'free' }], otherwise: '0.002' })
    expect((await fetch(`${url}/health`)).status).toBe(200)
    expect((await buy(await open(url), '/weather/graz', 2000n)).charged).toBe(2000n)
  })

  test('passes on what is for the service, and nothing that is for this connection or for the vendor', async () => {
    const { url, open, service } = await openProxied({ authorization: 'Bearer secret' })
    const headers = {
      'X-Mine': 'yes',
      TE: 'trailers',
      'X-Http-Method-Override': 'DELETE',
      Authorization: 'Bearer stolen',
      'X-Forwarded-For': '6.6.6.6',
      'X-Forwarded-Host': 'evil.example',
    }
    const hops = {
      Connection: 'X-Hop, close',
      'X-Hop': '1',
      'Keep-Alive': 'timeout=9',
      'Proxy-Authorization': 'Basic x',
    }
    expect(await statusOf(url, '/health', 'GET', { ...headers, ...hops })).toBe(200)
    const channel = await open(url)
    const { headers: answered } = await channel.fetch(`${url}/weather/graz`, price, { headers })
    expect(answered.get('Lockstep-Statement')).not.toContain('forged')
    for (const asked of service.asked) {
      expect(asked.headers).toMatchObject({
        'x-mine': 'yes',
        authorization: 'Bearer secret',
        'x-forwarded-for': '127.0.0.1',
        'x-forwarded-host': new URL(url).host,
        'x-forwarded-proto': 'http',
        host: new URL(service.url).host,
      })
      const names = Object.keys(asked.headers)
      expect(names.filter((name) => /^lockstep|^te$|x-hop|override|keep-alive|proxy-/.test(name))).toEqual([])
    }
  })

  test('charges nothing for what the service does not do, and says what is wrong', async () => {
    const { url, open, buy, trouble } = await openProxied({ timeoutMs: 200 })
    const channel = await open(url)
    const broken = await buy(channel, '/broken', price)
    expect([broken.response.status, JSON.parse(broken.text), broken.charged]).toEqual([
      503,
      { error: 'overloaded' },
      0n,
    ])
    const late = await buy(channel, '/never', price)
    expect([late.response.status, JSON.parse(late.text).reason, late.charged]).toEqual([504, 'UpstreamTimeout', 0n])
    const cut = await buy(channel, '/cut', price)
    expect([cut.response.status, cut.charged]).toEqual([500, 0n])
    expect(trouble).toEqual([expect.stringMatching(/did not answer GET \/never: it took too long/)])
    expect(await channel.refresh()).toMatchObject({ spent: 0n })
  })

  test('charges nothing where the service is away', async () => {
    const { url, open, buy, trouble } = await openProxied({ upstream: 'http://127.0.0.1:1' })
    const { response, text, charged } = await buy(await open(url), '/weather/graz', price)
    expect([response.status, JSON.parse(text).reason, charged]).toEqual([502, 'UpstreamFailed', 0n])
    expect(text).not.toContain('127.0.0.1:1/')
    expect(trouble).toEqual([expect.stringMatching(/http:\/\/127\.0\.0\.1:1 did not answer GET \/weather\/graz/)])
  })

  test('charges nothing where the service speaks another protocol, and goes on', async () => {
    const server = createServer((socket) => {
      socket.once('data', () =>
        socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'),
      )
    }).listen(0, '127.0.0.1')
    onEnd(async () => void server.close())
    await once(server, 'listening')
    const upstream = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const { url, open, buy, trouble } = await openProxied({ upstream })
    const channel = await open(url)
    for (const path of ['/weather/graz', '/weather/linz']) {
      const { response, text, charged } = await buy(channel, path, price)
      expect([response.status, JSON.parse(text).reason, charged]).toEqual([502, 'UpstreamFailed', 0n])
    }
    expect(trouble).toEqual(
      Array.from({ length: 2 }, () => expect.stringMatching(/it wants to speak another protocol/)),
    )
  })

  test('passes long answers on as they come, and gives them up with their client', async () => {
    const { url, open, buy, service } = await openProxied()
    const channel = await open(url)
    const { text, charged } = await buy(channel, '/long/100', price)
    expect([text.length, charged]).toEqual([1_000_000, price])
    const { response } = await channel.buy(`${url}/long/10000`, price)
    await response.body!.cancel()
    await until(() => service.left() === 1, 'the service hears that nobody reads')
  })

  test('takes no body that is longer than it is told', async () => {
    const { url } = await openProxied({ otherwise: 'free' }, { bodySizeMax: 1000 })
    const response = await fetch(`${url}/anything`, { method: 'POST', body: 'x'.repeat(1001) })
    expect(await problemIn(response)).toMatchObject({ status: 413, reason: 'BodyTooLarge' })
  })

  test('runs the service once for a payment, however often and beside however many others it is sent', async () => {
    const { open, url, service, buy } = await openProxied()
    const channel = await open(url)
    const { send } = await prepare(channel, '/weather/graz', price)
    const texts = await Promise.all([send(), send()].map(async (answer) => (await answer).text()))
    expect(new Set([...texts, await (await send()).text()]).size).toBe(1)
    await Promise.all(Array.from({ length: 20 }, () => buy(channel, '/weather/graz', price)))
    expect(service.asked).toHaveLength(21)
    expect(await channel.refresh()).toMatchObject({ spent: 21n * price })
  })

  test('over a line that eats one answer in twenty two hundred requests are served and charged once each', async () => {
    const { url, bankUrl, service } = await openProxied()
    const line = await openLossyProxy(url, { oneIn: 20, seed: 3 })
    const { w, of } = await openTestWallet(bankUrl, { attempts: 20 })
    const paths = Array.from({ length: 200 }, (_, at) => `/weather/${at}`)
    await w.fetch(`${line.url}/weather/first`)
    const answers = await Promise.all(paths.map(async (path) => (await w.fetch(line.url + path)).json()))
    expect(answers).toEqual(paths.map((_, at) => ({ city: String(at), sky: 'blue' })))
    expect(line.eaten()).toBeGreaterThanOrEqual(5)
    expect(service.asked.map((asked) => asked.url).sort()).toEqual(['/weather/first', ...paths].sort())
    expect(w.paidToday()).toBe('0.201')
    await w.close()
    expect(of('closed').map(({ spent }) => spent)).toEqual(['0.201'])
  })

  test('says what cannot be', async () => {
    const { pay } = await openPayTown()
    const open = (change: object) => (): unknown =>
      proxy({ pay, upstream: 'http://127.0.0.1:1', routes: [], ...change })
    expect(open({ upstream: 'ftp://x' })).toThrow(
      /at an address such as http:\/\/127\.0\.0\.1:8000; 'ftp:\/\/x' is none/,
    )
    expect(open({ routes: [{ match: 'weather', price: 'free' }] })).toThrow(/'weather' is none of them/)
    expect(open({ routes: [{ match: 'GET /a*b', price: 'free' }] })).toThrow(/is none of them/)
    expect(open({ routes: [{ match: 'GET /a', price: '1e3' }] })).toThrow(PriceError)
    expect(open({ routes: [{ match: 'GET /a', price: { prompt: 'x', completion: '0', max: '1' } }] })).toThrow(
      PriceError,
    )
    expect(open({ routes: [{ match: '/a', price: { second: '0.1' } }] })).toThrow(/a WebSocket is at 'GET \/path'/)
    expect(open({ otherwise: 'cheap' })).toThrow(PriceError)
  })
})

/** The status of a path that is sent as it is. */
function statusOf(url: string, path: string, method = 'GET', headers = {}): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const asking = ask(url, { path, method, headers }, (answer) => {
      answer.resume()
      resolve(answer.statusCode)
    })
    asking.once('error', reject).end()
  })
}
