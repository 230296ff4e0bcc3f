import { once } from 'node:events'
import { request } from 'node:http'
import { describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { openTestWallet } from '../client/wallet/market.ts'
import { until } from '../e2e/town.ts'
import { openProxied } from './proxied.ts'

const text = new TextDecoder()

describe('a proxy before WebSockets', () => {
  test.each(['websocket', 'events'] as const)('sells their messages one by one, as %s', async (transport) => {
    const { url, bankUrl, pay, service } = await openProxied({ authorization: 'Bearer secret' })
    const { w, of } = await openTestWallet(bankUrl)
    const said: string[] = []
    for await (const message of w.stream(`${url}/ticks/12`, { transport })) said.push(text.decode(message))
    expect(said).toEqual(Array.from({ length: 12 }, (_, tick) => `tick ${tick}`))
    expect(service.asked).toMatchObject([{ url: '/ticks/12', headers: { authorization: 'Bearer secret' } }])
    expect(of('streamed')).toMatchObject([{ units: 12, unitPrice: '0.0001' }])
    expect(pay.offer().routes).toContainEqual({ method: 'GET', path: '/ticks/:count', price: 100n, per: 'unit' })
  })

  test('leave with a client that does, which pays for what came', async () => {
    const { url, open, service } = await openProxied()
    const channel = await open(url)
    let came = 0
    for await (const message of channel.stream(`${url}/ticks/1000`, { price: 100n })) {
      came += message.length > 0 ? 1 : 0
      if (came === 5) break
    }
    await until(() => service.left() === 1, 'the service hears that nobody listens')
    const { spent } = await channel.refresh()
    expect(spent).toBeGreaterThanOrEqual(500n)
    expect(spent % 100n).toBe(0n)
  })

  test('sells what comes in a second, each text a line', async () => {
    const { url, open } = await openProxied({ routes: [{ match: 'GET /ticks/:count', price: { second: '0.0005' } }] })
    const channel = await open(url)
    let said = ''
    for await (const second of channel.stream(`${url}/ticks/3`, { price: 500n })) said += text.decode(second)
    expect(said).toBe('tick 0\ntick 1\ntick 2\n')
    expect((await channel.refresh()).spent).toBeGreaterThanOrEqual(500n)
  })

  test.each(['websocket', 'events'] as const)(
    'sells a conversation by what the service says in it, as %s',
    async (transport) => {
      const { url, bankUrl, service } = await openProxied({
        routes: [{ match: 'GET /echo', price: { message: '0.0001' } }],
      })
      const { w, of } = await openTestWallet(bankUrl)
      const said: string[] = []
      const input = ['hello', new TextEncoder().encode('bytes'), 'bye']
      for await (const message of w.stream(`${url}/echo?room=1`, { transport, input })) {
        said.push(text.decode(message))
        if (said.length === 3) break
      }
      expect(said).toEqual(['hello', 'bytes', 'bye'])
      expect(of('streamed')).toMatchObject([{ units: 3, unitPrice: '0.0001' }])
      await until(() => service.left() === 1, 'the service hears of the end')
    },
  )

  test('lets both sides talk where that is free', async () => {
    const { url, service } = await openProxied()
    const socket = new WebSocket(`${url}/echo?room=1`)
    await once(socket, 'open')
    socket.send('hello')
    expect(String((await once(socket, 'message'))[0])).toBe('hello')
    socket.close()
    await until(() => service.left() === 1, 'the service hears of the end')
    expect(service.asked).toMatchObject([{ url: '/echo?room=1', headers: { 'x-forwarded-for': '127.0.0.1' } }])
  })

  test('passes nobody on who has not paid, or whom the service does not let in', async () => {
    const { url, service, trouble } = await openProxied({ otherwise: 'free' })
    for (const [path, status] of [
      ['/ticks/3', 400],
      ['/Ticks/3/', 404],
      ['/weather/graz', 404],
      ['/health', 502],
    ] as const) {
      const [error] = (await once(new WebSocket(url + path), 'error')) as [Error]
      expect([path, error.message]).toEqual([path, `Unexpected server response: ${status}`])
    }
    expect(service.asked).toEqual([])
    expect(trouble).toEqual([expect.stringMatching(/answered 401 where a WebSocket was asked for/)])
  })

  test('sells a WebSocket whatever the method of the request that asks for it', async () => {
    const { url, service } = await openProxied({ otherwise: 'free' })
    const upgrade = { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13' }
    const headers = { ...upgrade, 'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==' }
    for (const method of ['POST', 'PUT', 'OPTIONS']) {
      const asked = request(`${url}/ticks/3`, { method, headers }).end()
      const status = await new Promise((resolve, reject) => {
        asked.on('error', reject).on('response', ({ statusCode }) => resolve(statusCode))
        asked.on('upgrade', ({ statusCode }, socket) => resolve([statusCode, socket.destroy()]))
      })
      expect([method, status]).toEqual([method, expect.any(Number)])
    }
    expect(service.asked.filter(({ url: path }) => path.startsWith('/ticks'))).toEqual([])
  })
})
