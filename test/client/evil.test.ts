import { describe, expect, test } from 'vitest'
import { WebSocketServer } from 'ws'
import { type PayingChannel, RefusedError, UnansweredError } from '../../src/client/index.ts'
import { headerNames, statementHeader } from '../../src/http/headers.ts'
import { problemOf } from '../../src/http/problems.ts'
import { encodeDelivery, encodeEnd, encodeProblem, subprotocol } from '../../src/http/stream.ts'
import { amount } from '../../src/wire/amount.ts'
import { kinds } from '../../src/wire/kinds.ts'
import { type ChannelMacs, channelMacs } from '../../src/wire/mac.ts'
import * as Statement from '../../src/wire/Statement.ts'
import { onEnd, openChannel, openTown } from '../e2e/town.ts'
import { frameKey } from '../protocol/world.ts'
import { evilServer } from '../vendor/evil.ts'
import { openShop, price } from '../vendor/shop.ts'

type Said = Partial<Record<'index' | 'contiguous' | 'segment', number>> &
  Partial<Record<'charged' | 'spent' | 'paid' | 'credit', bigint>>

/** A statement as the vendor, who has the key, may say anything. */
function stated(said: Said): Statement.Statement {
  const { index = 0, contiguous = 0, segment = 0, charged = 0n, spent = 0n, paid = 0n, credit = 0n } = said
  return {
    index,
    contiguous,
    segment,
    charged: amount(charged),
    spent: amount(spent),
    paid: amount(paid),
    credit: amount(credit),
  }
}

function macsOf(channel: PayingChannel): ChannelMacs {
  const { channelId, terms } = channel.state
  return channelMacs({ secret: frameKey.secret, publicKey: terms.channelKey, channelId })
}

/** A vendor that has the right keys and follows a script in place of the protocol. */
interface EvilVendor {
  readonly url: string
  readonly channel: PayingChannel
  /** Kinds of what the client sent. */
  readonly heard: number[]
}

type Script = (args: {
  readonly heard: number
  readonly send: (message: Uint8Array) => void
  readonly say: (said: Said) => void
  readonly close: () => void
}) => void

/** Runs the script for each message of the client after its attachment, from number 1 on. */
async function evilVendor(script: Script): Promise<EvilVendor> {
  const town = await openTown({ routes: openShop().routes, wallet: { path: ':memory:' } })
  const channel = await openChannel(town)
  const macs = macsOf(channel)
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => subprotocol })
  onEnd(
    () =>
      new Promise((resolve) => {
        for (const socket of server.clients) socket.terminate()
        server.close(resolve)
      }),
  )
  await new Promise((resolve) => server.once('listening', resolve))
  const heard: number[] = []
  server.on('connection', (socket) => {
    socket.on('error', () => socket.terminate())
    socket.on('message', (data) => {
      const [kind = 0] = new Uint8Array(data as Buffer)
      if (kind === kinds.attachment) return
      heard.push(kind)
      script({
        heard: heard.length,
        send: (message) => socket.send(message),
        say: (said) => socket.send(Statement.encode(stated(said), macs.statement)),
        close: () => socket.close(1000),
      })
    })
  })
  const { port } = server.address() as { port: number }
  return { url: `http://127.0.0.1:${port}/stream`, channel, heard }
}

/** Listens until the stream ends; gives what came and what it ended with. */
async function listen(
  { url, channel }: EvilVendor,
  options: { readonly ahead?: number; readonly unitsMax?: number; readonly signal?: AbortSignal } = {},
): Promise<{ received: number; error: unknown }> {
  let received = 0
  try {
    for await (const _ of channel.stream(url, { price: 10n, ahead: 3, ...options })) received += 1
    return { received, error: undefined }
  } catch (error) {
    return { received, error }
  }
}

describe('on a stream, the client stops and says so', () => {
  test.each<[string, RegExp, Script, number]>([
    [
      'more is delivered than was asked for',
      /unit 4 was delivered and not asked for/,
      ({ heard, send }) => {
        if (heard === 3) for (let unit = 0; unit < 5; unit++) send(encodeDelivery(Uint8Array.of(unit)))
      },
      0,
    ],
    [
      'nothing was delivered and something is charged',
      /charged 10 for 0 units/,
      ({ heard, say }) => {
        if (heard === 3) say({ index: 1, charged: 10n, spent: 10n, paid: 30n, contiguous: 1 })
      },
      0,
    ],
    [
      'a unit is charged twice',
      /charged 20 for 1 units/,
      ({ heard, send, say }) => {
        if (heard === 3) send(encodeDelivery(Uint8Array.of(0)))
        if (heard === 3) say({ index: 1, charged: 20n, spent: 20n, paid: 30n, contiguous: 1 })
      },
      1,
    ],
    [
      'more is charged than was ever agreed',
      /charged 1000 in all; 30 was agreed/,
      ({ heard, say }) => {
        if (heard === 3) say({ index: 0, spent: 1000n, paid: 1000n, contiguous: 1 })
      },
      0,
    ],
    [
      'more was paid than there was',
      /says 31 was paid; it was 30/,
      ({ heard, say }) => {
        if (heard === 3) say({ index: 0, paid: 31n, contiguous: 1 })
      },
      0,
    ],
    [
      'payments were taken that were not made',
      /has 7 payments; 1 were made here/,
      ({ heard, say }) => {
        if (heard === 3) say({ index: 0, paid: 30n, contiguous: 7 })
      },
      0,
    ],
  ])('where %s, and the channel signs nothing more', async (what, says, script, received) => {
    const vendor = await evilVendor(script)
    const result = await listen(vendor, what.startsWith('more is delivered') ? { unitsMax: 3 } : {})
    expect(result.error).toBeInstanceOf(RefusedError)
    expect((result.error as Error).message).toMatch(says)
    expect(result.received).toBe(what.startsWith('more is delivered') ? 3 : received)
    if (what.startsWith('more is delivered')) return
    expect(vendor.channel.state.frozen).toMatch(says)
    await expect(vendor.channel.fetch(`${vendor.channel.vendorUrl}/goods/tea`, price)).rejects.toThrow(RefusedError)
  })

  test.each<[string, RegExp, Script]>([
    [
      'wants more for a unit than was agreed',
      /asks more than 10 for a unit/,
      ({ heard, say }) => {
        if (heard === 3) say({ index: 0, paid: 30n, credit: 0n, contiguous: 1 })
      },
    ],
    [
      'wants more for a unit than was agreed, and has credit for one at that',
      /asks more than 10 for a unit/,
      ({ heard, say }) => {
        if (heard === 3) say({ index: 0, paid: 30n, credit: 30n, contiguous: 1 })
      },
    ],
    [
      'signs with another key',
      /MAC is not the vendor/,
      ({ heard, send }) => {
        if (heard === 3) send(Statement.encode(stated({ paid: 30n }), () => new Uint8Array(16)))
      },
    ],
    ['sends garbage', /no message of a vendor starts with 0x99/, ({ send }) => send(Uint8Array.of(0x99))],
    ['sends an empty message', /no message of a vendor starts with 0x0/, ({ send }) => send(new Uint8Array(0))],
    ['sends what only a client sends', /starts with 0x12/, ({ send }) => send(new Uint8Array(71).fill(0x12))],
    [
      'sends a problem without a reason',
      /no such reason/,
      ({ send }) => send(Buffer.concat([Uint8Array.of(kinds.problem), Buffer.from('{"reason":"Because"}')])),
    ],
    [
      'sends a problem that is too long',
      /more than 4,096 bytes/,
      ({ send }) => send(new Uint8Array(5000).fill(kinds.problem, 0, 1)),
    ],
    [
      'refuses',
      /the shop is shut/,
      ({ send }) => send(encodeProblem(problemOf({ reason: 'HandlerFailed', detail: 'the shop is shut' }))),
    ],
  ])('where the vendor %s', async (_, says, script) => {
    const vendor = await evilVendor(script)
    const { received, error } = await listen(vendor)
    expect(error).toBeInstanceOf(RefusedError)
    expect((error as Error).message).toMatch(says)
    expect(received).toBe(0)
    expect(vendor.channel.state).toMatchObject({ frozen: undefined, paid: 30n, acknowledged: 0n })
  })

  test('where it breaks off, and where it never says anything and the caller has waited enough', async () => {
    const broken = await listen(await evilVendor(({ close }) => close()))
    expect(broken.error).toBeInstanceOf(UnansweredError)
    const silent = await listen(await evilVendor(() => undefined), { signal: AbortSignal.timeout(100) })
    expect(silent.error).toBeInstanceOf(UnansweredError)
    expect((silent.error as Error).message).toContain('given up')
    const early = await listen(await evilVendor(() => undefined), { signal: AbortSignal.abort() })
    expect(early.error).toBeInstanceOf(UnansweredError)
  })

  test('where it sends faster than is read', async () => {
    const vendor = await evilVendor(({ heard, send }) => {
      if (heard === 3) for (let block = 0; block < 40; block++) send(encodeDelivery(new Uint8Array(1_048_576)))
    })
    let received = 0
    const reading = (async () => {
      for await (const _ of vendor.channel.stream(vendor.url, { price: 10n, ahead: 3 })) {
        received += 1
        await new Promise((resolve) => setTimeout(resolve, 1500))
      }
    })()
    await expect(reading).rejects.toThrow(/faster than it is read|not asked for/)
    expect(received).toBeLessThanOrEqual(3)
  })

  test('and does not wait for ever for the last word of one that ended well', async () => {
    const vendor = await evilVendor(({ heard, send }) => {
      if (heard === 1) send(encodeDelivery(Uint8Array.of(1)))
      if (heard === 1) send(encodeEnd())
    })
    const started = performance.now()
    expect(await listen(vendor, { ahead: 1 })).toEqual({ received: 1, error: undefined })
    expect(performance.now() - started).toBeLessThan(4000)
    expect(vendor.heard.at(-1)).toBe(kinds.checkpoint)
    // Not acknowledged: it goes along with the next payment.
    expect(vendor.channel.state.checkpoint).toBeDefined()
  })
})

describe('on a request', () => {
  async function pay(said: Said, change: (value: string) => string = (value) => value) {
    const town = await openTown({ wallet: { path: ':memory:', timeoutMs: 300 } })
    const channel = await openChannel(town)
    const server = await evilServer()
    const [[name, value]] = Object.entries(statementHeader(stated(said), macsOf(channel).statement)) as [
      [string, string],
    ]
    server.answer((_, response) => response.writeHead(200, { [name]: change(value) }).end('goods'))
    return { channel, server, response: channel.fetch(`${server.url}/goods`, price) }
  }

  test.each<[string, RegExp, Said]>([
    ['more than its price', /charged 31 instead of at most 30/, { index: 1, charged: 31n, spent: 30n, paid: price }],
    ['more than was agreed', /charged 31 in all; 30 was agreed/, { index: 1, charged: 30n, spent: 31n, paid: price }],
    ['what was not paid', /says 31 was paid/, { index: 1, charged: 30n, spent: 30n, paid: 31n }],
  ])('a vendor that charges %s gets nothing more from this channel', async (_, says, said) => {
    const { channel, response } = await pay(said)
    await expect(response).rejects.toThrow(RefusedError)
    await expect(response).rejects.toThrow(says)
    expect(channel.state.frozen).toMatch(says)
    await expect(channel.fetch(`${channel.vendorUrl}/goods`, price)).rejects.toThrow(RefusedError)
    expect(channel.state).toMatchObject({ index: 1, paid: price })
  })

  test('a statement that is not the vendor’s is not believed', async () => {
    for (const change of [
      (value: string) => value.slice(1),
      (value: string) => `${value.slice(0, -2)}AA`,
      () => '***',
    ]) {
      const { channel, response } = await pay({ index: 1, charged: price, spent: price, paid: price }, change)
      await expect(response).rejects.toThrow(RefusedError)
      expect(channel.state).toMatchObject({ acknowledged: 0n, frozen: undefined })
    }
  })

  test('an answer without a statement is the caller’s; before it pays again, the client asks', async () => {
    const town = await openTown({ routes: openShop().routes, wallet: { path: ':memory:' } })
    const channel = await openChannel(town)
    const server = await evilServer()
    server.answer((_, response) => response.writeHead(200).end('goods'))
    expect(await (await channel.fetch(`${server.url}/goods`, price)).text()).toBe('goods')
    // The vendor itself never saw it: its price is credit.
    expect((await channel.fetch(`${town.stall.url}/goods/tea`, price)).status).toBe(200)
    expect(channel.state).toMatchObject({ index: 2, paid: price, acknowledged: price })
  })

  test('questions that are answered with garbage, without an end, or not at all, are given up', async () => {
    const town = await openTown({ wallet: { timeoutMs: 200 } })
    const server = await evilServer()
    const offer = await (await fetch(`${town.stall.url}/.well-known/lockstep`)).text()
    server.answer((request, response) => response.end(request.url?.startsWith('/.well-known') ? offer : ''))
    const channel = await town.client.wallet.open(server.url, { funds: 10_000n })
    expect(channel.vendorUrl).toBe(server.url)
    for (const answer of [
      server.says('x'.repeat(61)),
      server.says(''),
      server.endless('x'),
      server.silent(),
      server.cuts(),
      server.says('no', 500, 'text/plain'),
      server.says('{"reason":', 500, 'application/problem+json'),
      server.says('', 302),
    ]) {
      server.answer(answer)
      const error = await channel.refresh().catch((caught: unknown) => caught)
      expect(error instanceof RefusedError || error instanceof UnansweredError).toBe(true)
    }
    expect(channel.state).toMatchObject({ index: 0, frozen: undefined })
    expect(headerNames.statement).toBeDefined()
  })
})
