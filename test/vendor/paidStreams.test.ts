import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { describe, expect, test } from 'vitest'
import type { PayingChannel, StreamOptions } from '../../src/client/index.ts'
import { PaywallError, PriceError } from '../../src/vendor/index.ts'
import { onEnd, until } from '../e2e/town.ts'
import { openPayTown } from './town.ts'

const words = 'Micropayments are paid by the word'.split(' ').map((word) => `${word} `)

async function read(channel: PayingChannel, path: string, options: StreamOptions): Promise<string[]> {
  const units: string[] = []
  for await (const unit of channel.stream(channel.vendorUrl + path, options)) {
    units.push(Buffer.from(unit).toString())
  }
  return units
}

async function spent(channel: PayingChannel): Promise<bigint> {
  await until(
    async () => (await channel.refresh()).credit === channel.state.paid - channel.state.acknowledged,
    'it ends',
  )
  return (await channel.refresh()).spent
}

describe.each(['websocket', 'events'] as const)('a paywall’s stream over %s', (transport) => {
  test('costs as much for each token as it delivers', async () => {
    const { pay, open, errors } = await openPayTown()
    const { url } = await pay.listen({
      routes: {
        'GET /say/:what': pay.perToken('0.00002', function* (request, { params, payer, id }) {
          expect(new URL(request.url).searchParams.get('to')).toBe('you')
          expect(id).toBe(`${payer}-1`)
          yield `${params.what}: `
          yield* words
        }),
      },
    })
    expect(pay.offer()).toMatchObject({ unitPrice: 20n, routes: [{ path: '/say/:what', price: 20n, per: 'unit' }] })
    const channel = await open(url)
    const said = await read(channel, '/say/wisdom?to=you', { transport, price: 20n })
    expect(said).toEqual(['wisdom: ', ...words])
    expect(await spent(channel)).toBe(20n * BigInt(said.length))
    expect(errors).toEqual([])
  })

  test('costs as much for each block of bytes, whatever pieces its source gives', async () => {
    const { pay, open } = await openPayTown()
    const bytes = new Uint8Array(2500).map((_, at) => at & 0x7f)
    const { url } = await pay.listen({
      routes: {
        'GET /file': pay.perByte(
          '0.000001',
          function* () {
            for (let at = 0; at < bytes.length; at += 7) yield bytes.subarray(at, at + 7)
          },
          { block: 1000 },
        ),
      },
    })
    const channel = await open(url)
    const blocks = await read(channel, '/file', { transport, price: 1000n })
    expect(blocks.map(({ length }) => length)).toEqual([1000, 1000, 500])
    expect(Buffer.from(blocks.join('')).equals(Buffer.from(bytes))).toBe(true)
    expect(await spent(channel)).toBe(3000n)
  })

  test('costs as much for each second, also one in which nothing comes, and none while nobody pays', async () => {
    const { pay, open } = await openPayTown()
    let given = 0
    const { url } = await pay.listen({
      routes: {
        'GET /readings': pay.perSecond('0.0005', async function* (_, { signal }) {
          yield 'a'
          yield 'b'
          given = 2
          await new Promise((resolve) => signal.addEventListener('abort', resolve))
        }),
      },
    })
    const channel = await open(url)
    expect(await read(channel, '/readings', { transport, price: 500n, unitsMax: 2, ahead: 1 })).toEqual(['ab', ''])
    expect(given).toBe(2)
    expect(await spent(channel)).toBe(1000n)
  })
})

test('a paywall’s stream is served as events wherever the Fetch API is', async () => {
  const { pay, open } = await openPayTown()
  const fetch = pay.fetch({ 'GET /say': pay.perToken('0.00002', () => words), 'GET /free': () => new Response('free') })
  const server = serve({ fetch, port: 0, hostname: '127.0.0.1' })
  onEnd(() => new Promise((resolve) => server.close(resolve)))
  await until(() => server.listening, 'it listens')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const channel = await open(url)
  expect(await read(channel, '/say', { transport: 'events', price: 20n })).toEqual(words)
  expect(await spent(channel)).toBe(20n * BigInt(words.length))
})

test('a stream is at an address that is read, for a price that is one', async () => {
  const { pay } = await openPayTown()
  expect(() => pay.perToken('0.0000001', () => words)).toThrow(PriceError)
  expect(() => pay.perByte('0.001', () => words, { block: 0 })).toThrow(PriceError)
  expect(() => pay.fetch({ 'POST /say': pay.perToken('0.00002', () => words) })).toThrow(PaywallError)
})
