import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type PayingChannel, RefusedError, type StreamOptions, UnansweredError } from '../../src/client/index.ts'
import { collect, type StreamRoute } from '../../src/vendor/index.ts'
import { openShop, price as requestPrice } from '../vendor/shop.ts'
import { gate, openChannel, openTown, type StallOptions, type Town, unitPrice, until } from './town.ts'

/** Sells what `content` holds, in parts of a size that the address names. */
function fileRoute(content: () => Uint8Array, price: bigint = unitPrice): StreamRoute {
  return {
    path: '/file/:size',
    price,
    *source({ params }) {
      const [bytes, size] = [content(), Number(params.size)]
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
    },
  }
}

/** Says numbers for ever. */
const forever: StreamRoute = {
  path: '/forever',
  price: unitPrice,
  *source() {
    for (let unit = 0; ; unit++) yield Uint8Array.of(unit & 0xff)
  },
}

async function openMarket(
  streams: readonly StreamRoute[],
  options: Partial<StallOptions> = {},
): Promise<{ town: Town; channel: PayingChannel }> {
  const town = await openTown({ routes: openShop().routes, streams, wallet: { path: ':memory:' }, ...options })
  return { town, channel: await openChannel(town, 10_000_000n) }
}

/** What both sides say, once nothing runs. */
async function agree(
  { stall }: Town,
  channel: PayingChannel,
): Promise<{ readonly spent: bigint; readonly paid: bigint }> {
  await until(async () => (await stall.running(channel)) === 0, 'nothing runs')
  await channel.resend()
  const { spent, paid } = await channel.refresh()
  expect(channel.state).toMatchObject({ acknowledged: spent, frozen: undefined })
  // Ticks that came after the end were not taken: the next payment's coin is worth them as well.
  expect(paid).toBeLessThanOrEqual(channel.state.paid)
  return { spent, paid }
}

describe.each(['websocket', 'events'] as const)('over %s', (transport) => {
  async function read(
    channel: PayingChannel,
    path: string,
    options: Partial<StreamOptions> & { readonly stopAfter?: number } = {},
  ): Promise<Uint8Array[]> {
    const { stopAfter = Number.POSITIVE_INFINITY, ...stream } = options
    const received: Uint8Array[] = []
    for await (const unit of channel.stream(channel.vendorUrl + path, { transport, price: unitPrice, ...stream })) {
      received.push(unit)
      if (received.length === stopAfter) break
    }
    return received
  }

  describe('a file sold as a stream', () => {
    test('arrives as it is, whatever it is and however it is paid, and costs what was delivered', async () => {
      let content = new Uint8Array(0)
      const { town, channel } = await openMarket([
        fileRoute(() => content),
        { ...fileRoute(() => content, 3n * unitPrice), path: '/dear/:size' },
        { ...fileRoute(() => content, unitPrice - 3n), path: '/odd/:size' },
        { ...fileRoute(() => content, 0n), path: '/free/:size' },
      ])
      let spent = 0n
      const plan = fc.record({
        file: fc.uint8Array({ maxLength: 300 }),
        size: fc.integer({ min: 1, max: 60 }),
        route: fc.constantFrom(
          { path: 'file', price: unitPrice },
          { path: 'dear', price: 3n * unitPrice },
          { path: 'odd', price: unitPrice - 3n },
          { path: 'free', price: 0n },
        ),
        ahead: fc.integer({ min: 1, max: 20 }),
        every: fc.integer({ min: 1, max: 9 }),
      })
      await fc.assert(
        fc.asyncProperty(plan, async ({ file, size, route, ahead, every }) => {
          content = new Uint8Array(file)
          const isPayment = (unit: number): boolean => unit % every === 0
          const received = await read(channel, `/${route.path}/${size}`, { price: route.price, ahead, isPayment })
          expect(new Uint8Array(Buffer.concat(received))).toEqual(content)
          spent += BigInt(received.length) * route.price
          expect(await agree(town, channel)).toMatchObject({ spent })
        }),
        { numRuns: 30 },
      )
      const { closing, receiptsOpened } = await channel.close()
      expect(closing).toMatchObject({ spent, index: channel.state.index })
      expect(receiptsOpened).toBe(channel.state.index + 1)
      expect(await collect(town.stall, await town.stall.held(channel), town.bankUrl)).toMatchObject({
        settled: spent,
        refund: 10_000_000n - spent,
      })
      expect(town.stall.errors).toEqual([])
    })

    test('is talked with while it is paid for, text as text and bytes as bytes', async () => {
      const said = ['hello', '', 'ünï', new Uint8Array([0, 255, 128]), 'x'.repeat(32_768), 'bye']
      const echo: StreamRoute = {
        path: '/echo',
        price: unitPrice,
        async *source({ input }) {
          for await (const one of input) {
            yield new TextEncoder().encode(typeof one === 'string' ? `text ${one}` : `bytes ${one.join()}`)
            if (one === 'bye') return
          }
        },
      }
      const { town, channel } = await openMarket([echo])
      const received = await read(channel, '/echo', { input: said, ahead: 2 })
      expect(received.map((unit) => new TextDecoder().decode(unit))).toEqual([
        'text hello',
        'text ',
        'text ünï',
        'bytes 0,255,128',
        `text ${'x'.repeat(32_768)}`,
        'text bye',
      ])
      expect(await agree(town, channel)).toMatchObject({ spent: 6n * unitPrice })
    })

    test('is left where what is to be said fails, or is too long; what came is paid', async () => {
      const { town, channel } = await openMarket([forever])
      const failing = (async function* () {
        yield 'one'
        throw new Error('the microphone is gone')
      })()
      await expect(read(channel, '/forever', { input: failing })).rejects.toThrow('the microphone is gone')
      await expect(read(channel, '/forever', { input: ['x'.repeat(32_769)] })).rejects.toThrow(/at most 32768 at once/)
      await agree(town, channel)
    })

    test('goes through several segments with ticks alone', async () => {
      const content = new Uint8Array(2500).map((_, at) => at & 0xff)
      const { town, channel } = await openMarket([fileRoute(() => content)])
      const received = await read(channel, '/file/1', { ahead: 64 })
      expect(Buffer.concat(received).equals(content)).toBe(true)
      expect(await agree(town, channel)).toMatchObject({ spent: 2500n * unitPrice })
      expect(channel.state.index).toBe(1)
      expect(channel.state.segment.number).toBeGreaterThanOrEqual(3)
      expect(await channel.close()).toMatchObject({ receiptsOpened: 2 })
    })

    test('ends after as many units as the client wants, and no more is paid', async () => {
      const { town, channel } = await openMarket([forever])
      expect(await read(channel, '/forever', { unitsMax: 25, ahead: 10 })).toHaveLength(25)
      expect(await agree(town, channel)).toEqual({ spent: 25n * unitPrice, paid: 25n * unitPrice })
      expect(channel.state.checkpoint).toBeUndefined()
    })
  })

  describe('a client that stops', () => {
    test('is charged what was delivered; what it paid ahead pays the next thing', async () => {
      const { town, channel } = await openMarket([forever])
      for (let time = 0; time < 5; time++)
        await read(channel, '/forever', { stopAfter: 7, ahead: 10, isPayment: (unit) => unit % 3 === 0 })
      const { spent, paid } = await agree(town, channel)
      expect(spent).toBeGreaterThanOrEqual(35n * unitPrice)
      expect(spent).toBeLessThanOrEqual(85n * unitPrice)
      // Never more is paid than what is on the way and one unit.
      expect(paid - spent).toBeLessThanOrEqual(10n * unitPrice)
      expect(await town.stall.store.running()).toEqual([])
      expect((await channel.fetch(`${town.stall.url}/goods/tea`, requestPrice)).status).toBe(200)
      const after = await agree(town, channel)
      expect(after.spent).toBe(spent + requestPrice)
      expect(after.paid).toBe(paid - spent >= requestPrice ? paid : spent + requestPrice)
      expect(await channel.close()).toMatchObject({ closing: { spent: after.spent } })
    })

    test('may close at once: its stream ends first', async () => {
      const { town, channel } = await openMarket([forever])
      await read(channel, '/forever', { stopAfter: 3 })
      const { closing } = await channel.close()
      expect(closing.spent).toBe((await town.stall.held(channel)).channel.spent)
      expect(closing.spent).toBeGreaterThanOrEqual(3n * unitPrice)
    })

    test('by its signal, while the vendor has nothing to say, gets an error and keeps its credit', async () => {
      const { opened } = gate()
      const stuck: StreamRoute = {
        path: '/stuck',
        price: unitPrice,
        async *source() {
          yield Uint8Array.of(1)
          await opened
        },
      }
      const { town, channel } = await openMarket([stuck])
      const controller = new AbortController()
      const received: Uint8Array[] = []
      const reading = (async () => {
        for await (const unit of channel.stream(`${town.stall.url}/stuck`, {
          transport,
          price: unitPrice,
          signal: controller.signal,
        })) {
          received.push(unit)
          setTimeout(() => controller.abort(), 50)
        }
      })()
      await expect(reading).rejects.toThrow(UnansweredError)
      expect(received).toHaveLength(1)
      expect(await agree(town, channel)).toEqual({ spent: unitPrice, paid: 9n * unitPrice })
      expect((await channel.fetch(`${town.stall.url}/goods/tea`, requestPrice)).status).toBe(200)
      expect(channel.state.paid).toBe(9n * unitPrice)
    })
  })

  describe('a vendor that stops', () => {
    test('in the middle gives an error; once it is back, the stream is opened again and nothing was lost', async () => {
      const { town, channel } = await openMarket([forever])
      const received: Uint8Array[] = []
      const reading = (async () => {
        for await (const unit of channel.stream(`${town.stall.url}/forever`, { transport, price: unitPrice })) {
          received.push(unit)
          if (received.length === 20) void town.stall.close()
        }
      })()
      await expect(reading).rejects.toThrow(UnansweredError)
      const restarted = await town.stall.restart()
      expect(await restarted.store.running()).toEqual([])
      const { spent } = (await restarted.held(channel)).channel
      expect(spent).toBeGreaterThanOrEqual(BigInt(received.length) * unitPrice)
      expect(spent).toBeLessThanOrEqual(BigInt(received.length + 8) * unitPrice)
      expect(await read(channel, '/forever', { unitsMax: 10 })).toHaveLength(10)
      expect(await agree({ ...town, stall: restarted }, channel)).toMatchObject({ spent: spent + 10n * unitPrice })
      expect(await channel.close()).toMatchObject({ closing: { spent: spent + 10n * unitPrice } })
    })

    test('because its source fails says so, and charges what came', async () => {
      const failing: StreamRoute = {
        path: '/failing',
        price: unitPrice,
        *source() {
          for (let unit = 0; unit < 5; unit++) yield Uint8Array.of(unit)
          throw new Error('a secret of the vendor')
        },
      }
      const { town, channel } = await openMarket([failing])
      const reading = read(channel, '/failing')
      await expect(reading).rejects.toThrow(RefusedError)
      await expect(reading).rejects.not.toThrow('secret')
      expect(await agree(town, channel)).toMatchObject({ spent: 5n * unitPrice })
      const { paid } = channel.state
      expect((await channel.fetch(`${town.stall.url}/goods/tea`, requestPrice)).status).toBe(200)
      expect(await agree(town, channel)).toEqual({ spent: 5n * unitPrice + requestPrice, paid })
    })

    test('is not there at all, or sells no such stream', async () => {
      const { town, channel } = await openMarket([forever])
      await expect(read(channel, '/nowhere')).rejects.toThrow(
        transport === 'events' ? /nothing is at \/nowhere/ : /takes no paid stream/,
      )
      await town.stall.close()
      await expect(read(channel, '/forever')).rejects.toThrow(UnansweredError)
      // Events are asked for with the first payment: the vendor that never saw it took nothing.
      const index = transport === 'events' ? 1 : 0
      expect(channel.state).toMatchObject({ index, paid: BigInt(index) * unitPrice, acknowledged: 0n })
    })
  })

  test('a stream waits while its reader does, and goes on with it', async () => {
    let made = 0
    const counted: StreamRoute = {
      path: '/counted',
      price: unitPrice,
      *source() {
        for (; made < 60; made++) yield Uint8Array.of(made)
      },
    }
    const { town, channel } = await openMarket([counted])
    const received: number[] = []
    for await (const unit of channel.stream(`${town.stall.url}/counted`, { transport, price: unitPrice, ahead: 4 })) {
      received.push(unit[0]!)
      if (received.length % 20 === 0) {
        await new Promise((resolve) => setTimeout(resolve, 50))
        // Paid for four ahead, made one more that waits for its price.
        expect(made).toBeLessThanOrEqual(received.length + 4)
        expect(channel.state.paid).toBe(BigInt(received.length + 3) * unitPrice)
      }
    }
    expect(received).toEqual(Array.from({ length: 60 }, (_, at) => at))
    expect(await agree(town, channel)).toMatchObject({ spent: 60n * unitPrice })
  })

  test('two streams and many requests share a channel: each gets what it paid, in any order', async () => {
    const content = new Uint8Array(240).map((_, at) => at)
    const { town, channel } = await openMarket([fileRoute(() => content), forever])
    const requests = async (): Promise<number[]> => {
      const statuses: number[] = []
      for (let round = 0; round < 10; round++) {
        const answers = await Promise.all(
          ['tea', 'milk', 'cake'].map((name) => channel.fetch(`${town.stall.url}/goods/${name}`, requestPrice)),
        )
        const failed = await channel.fetch(`${town.stall.url}/status/500`, requestPrice)
        statuses.push(...answers.map(({ status }) => status), failed.status)
      }
      return statuses
    }
    const isPayment = (unit: number): boolean => unit % 7 === 0
    const [one, two, three, statuses] = await Promise.all([
      read(channel, '/file/1', { ahead: 5, isPayment }),
      read(channel, '/file/3', { ahead: 3, isPayment: (unit) => unit % 4 === 0 }),
      read(channel, '/forever', { unitsMax: 100, ahead: 9, isPayment }),
      requests(),
    ])
    expect(Buffer.concat(one).equals(content)).toBe(true)
    expect(Buffer.concat(two).equals(content)).toBe(true)
    expect(three).toHaveLength(100)
    expect(statuses.filter((status) => status === 200)).toHaveLength(30)
    const worth = (240n + 80n + 100n) * unitPrice + 30n * requestPrice
    expect(await agree(town, channel)).toMatchObject({ spent: worth })
    expect(await channel.close()).toMatchObject({ closing: { spent: worth }, receiptsOpened: channel.state.index + 1 })
    expect(await collect(town.stall, await town.stall.held(channel), town.bankUrl)).toMatchObject({ settled: worth })
    expect(town.stall.errors).toEqual([])
  })
})
