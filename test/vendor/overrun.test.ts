import { describe, expect, test } from 'vitest'
import { collect } from '../../src/vendor/index.ts'
import { sell } from '../../src/vendor/sell.ts'
import { type UnixSeconds, unixSeconds } from '../../src/wire/amount.ts'
import { gate, openChannel, openTown, prepare, until } from '../e2e/town.ts'
import { now } from '../protocol/world.ts'
import { openShop, price } from './shop.ts'

/** A vendor whose clock is set by hand. */
async function openLate(more: Parameters<typeof openTown>[0] = {}) {
  let clock: UnixSeconds = now
  const town = await openTown({ ...more, now: () => clock })
  return {
    ...town,
    /** The channel is over; its claim is not due yet. */
    pass: (expiresAt: bigint): void => {
      clock = unixSeconds(expiresAt)
    },
  }
}

describe('a channel that is over', () => {
  test('is claimed though a stream of it waits for more', async () => {
    const { opened } = gate()
    const town = await openLate({
      routes: openShop().routes,
      streams: [
        {
          path: '/ticks',
          price,
          source: async function* () {
            yield new Uint8Array(1)
            yield new Uint8Array(2)
            await opened
          },
        },
      ],
    })
    const { stall } = town
    const channel = await openChannel(town)
    await channel.fetch(`${stall.url}/goods/tea`, price)
    const stream = channel.stream(`${stall.url}/ticks`, { price, ahead: 1 })
    await stream.next()
    const held = await stall.held(channel)
    expect(held.running.size).toBe(1)
    await expect(collect(stall, held, town.bankUrl)).rejects.toThrow(/under way/)
    town.pass(channel.state.terms.expiresAt)
    expect(await collect(stall, held, town.bankUrl)).toMatchObject({ settled: held.channel.spent })
    expect(held.channel.spent).toBeGreaterThanOrEqual(2n * price)
    await stream.return()
  })

  test('is claimed though a handler runs on, whose answer then costs nothing and is not given', async () => {
    const { opened, open } = gate()
    const shop = openShop({ handler: () => opened.then(() => new Response('tea')) })
    const town = await openLate({ routes: shop.routes })
    const { stall } = town
    const channel = await openChannel(town)
    await channel.fetch(`${stall.url}/echo`, price, { method: 'POST', body: 'first' })
    const running = channel.buy(`${stall.url}/goods/tea`, price)
    await until(async () => (await stall.running(channel)) === 1, 'the handler runs')
    town.pass(channel.state.terms.expiresAt)
    const held = await stall.held(channel)
    expect(await collect(stall, held, town.bankUrl)).toMatchObject({ settled: price })
    open()
    const { response, charged } = await running
    expect([response.status, charged]).toEqual([402, 0n])
    expect(await response.json()).toMatchObject({ reason: 'ChannelClosed' })
    await until(() => held.running.size === 0, 'the request ends')
    expect(held.channel).toMatchObject({ spent: price, reserved: 0n })
  })

  test('is claimed though an answer is still on its way: it costs what was sent, and breaks off', async () => {
    const town = await openLate({ routes: openShop().routes })
    const { stall } = town
    const channel = await openChannel(town)
    let sent = 0n
    const drip = new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        pull(controller) {
          if (sent === 3n) return new Promise(() => undefined)
          sent += 1n
          return controller.enqueue(new Uint8Array(1))
        },
      },
      { highWaterMark: 0 },
    )
    const url = `${stall.url}/drip`
    const { headers } = await prepare(channel, '/drip', 10n * price)
    const response = await sell(
      { till: stall.till, bodySizeMax: 0, onError: () => undefined },
      new Request(url, { headers }),
      {
        params: {},
        target: url,
        idempotent: false,
        onCrash: 'release',
        price: () => 10n * price,
        asking: (due) => ({ headers: {}, members: { due } }),
        demand: () => new Response(),
        handle: () => ({ response: new Response(drip), charge: () => sent * price, isStreamed: true }),
      },
    )
    const reader = response.body!.getReader()
    for (let piece = 0; piece < 3; piece++) await reader.read()
    const held = await stall.held(channel)
    const broken = expect(reader.read()).rejects.toThrow(/is over/)
    town.pass(channel.state.terms.expiresAt)
    expect(await collect(stall, held, town.bankUrl)).toMatchObject({ settled: 3n * price })
    await broken
    expect(held.running.size).toBe(0)
  })
})
