import { describe, expect, test } from 'vitest'
import { headerNames } from '../../src/http/headers.ts'
import { clientMessageMax, encodeInput } from '../../src/http/input.ts'
import { requestDigest } from '../../src/http/requestDigest.ts'
import { type StreamRoute, StreamSession } from '../../src/vendor/index.ts'
import { parseBase64url } from '../../src/wire/base64url.ts'
import { kinds } from '../../src/wire/kinds.ts'
import { openRaw, type RawStream } from '../e2e/rawStream.ts'
import {
  gate,
  openChannel,
  openTown,
  overriding,
  prepare,
  referenceOf,
  type StallOptions,
  type Town,
  until,
} from '../e2e/town.ts'
import { openShop, price as requestPrice } from './shop.ts'

const price = 10n

/** Units that say their number, as many as the path says. */
const count: StreamRoute = {
  path: '/count/:to',
  price,
  *source({ params }) {
    for (let unit = 0; unit < Number(params.to); unit++) yield Uint8Array.of(unit)
  },
}

async function openStream(
  path = '/count/200',
  options: Partial<StallOptions> = {},
): Promise<{ town: Town; channel: Awaited<ReturnType<typeof openChannel>>; stream: RawStream }> {
  const town = await openTown({
    routes: openShop().routes,
    streams: [count],
    wallet: { path: ':memory:' },
    ...options,
  })
  const channel = await openChannel(town)
  return { town, channel, stream: await openRaw(channel, path) }
}

/** Long enough for what must not come. */
function aWhile(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 60))
}

function units(from: number, to: number): readonly Uint8Array[] {
  return Array.from({ length: to - from }, (_, at) => Uint8Array.of(from + at))
}

describe('a stream', () => {
  test('delivers one unit for each payment and tick, and charges it', async () => {
    const { channel, stream } = await openStream()
    const index = await stream.pay(price)
    await stream.delivered(1)
    for (let tick = 0; tick < 5; tick++) await stream.tick(index)
    await stream.delivered(6)
    await aWhile()
    expect(stream.deliveries()).toEqual(units(0, 6))
    expect(await channel.refresh()).toMatchObject({ spent: 6n * price, paid: 6n * price, credit: 0n })
  })

  test('takes no credit that was paid for something else', async () => {
    const { town, channel, stream } = await openStream()
    const failed = await prepare(channel, '/status/500', requestPrice)
    await failed.send()
    const late = await prepare(channel, '/goods/tea', requestPrice)
    const index = await stream.pay(price)
    await stream.tick(index)
    await stream.delivered(2)
    await aWhile()
    expect(stream.deliveries()).toHaveLength(2)
    expect((await late.send()).status).toBe(200)
    expect((await town.stall.held(channel)).channel).toMatchObject({ spent: 2n * price + requestPrice })
  })

  test('counts no tick twice', async () => {
    const { channel, stream } = await openStream()
    const index = await stream.pay(price)
    const tick = await stream.tick(index)
    stream.send(tick, tick, tick)
    await stream.tick(index)
    await stream.delivered(3)
    stream.send(tick)
    await aWhile()
    expect(stream.deliveries()).toEqual(units(0, 3))
    expect(await channel.refresh()).toMatchObject({ spent: 3n * price })
  })

  test('delivers nothing before its price is on the disk', async () => {
    const { opened, open } = gate()
    const { stream } = await openStream('/count/9', {
      wrapStore: (store) =>
        overriding(store, {
          commit: async (batch) => {
            await opened
            return store.commit(batch)
          },
        }),
    })
    const index = await stream.pay(price)
    await stream.tick(index)
    await aWhile()
    expect(stream.messages).toEqual([])
    open()
    await stream.delivered(2)
  })

  test('passes from payment to payment, each stated with its final charge; units of several coins are ticks of several', async () => {
    const { town, channel, stream } = await openStream('/triple/20', {
      streams: [{ ...count, path: '/triple/:to', price: 3n * price }],
    })
    let index = await stream.pay(3n * price)
    await stream.delivered(1)
    const charges = new Map<number, bigint>()
    for (let unit = 1; unit < 20; unit++) {
      if (unit % 5 === 0) {
        charges.set(index, 15n * price)
        index = await stream.pay(3n * price, index)
      } else await stream.tick(index, 3)
      await stream.delivered(unit + 1)
    }
    charges.set(index, 15n * price)
    await until(() => stream.messages.at(-1)?.kind === 'end', 'the end')
    const stated = stream.statements().map(({ index: stated, charged }) => [stated, charged] as const)
    expect(new Map(stated)).toEqual(charges)
    expect(stream.deliveries()).toEqual(units(0, 20))
    expect((await town.stall.held(channel)).channel).toMatchObject({ spent: 60n * price, reserved: 0n })
    expect(await town.stall.running(channel)).toBe(0)
  })

  test('ends with its statement, then the end; its last checkpoint is acknowledged once it is stored', async () => {
    const { town, channel, stream } = await openStream('/count/3')
    const index = await stream.pay(price)
    for (let tick = 0; tick < 6; tick++) await stream.tick(index)
    await until(() => stream.messages.at(-1)?.kind === 'end', 'the end')
    expect(stream.messages.map(({ kind }) => kind)).toEqual(['delivery', 'delivery', 'delivery', 'statement', 'end'])
    expect(stream.statements()[0]).toMatchObject({ index, charged: 3n * price, credit: 4n * price, segment: 0 })
    stream.send(await channel.checkpoint())
    await until(() => stream.messages.at(-1)?.kind === 'statement', 'the acknowledgement')
    expect(stream.statements().at(-1)).toMatchObject({ index: 0, segment: 1 })
    expect(await town.stall.store.checkpoints(channel.state.channelId)).toHaveLength(1)
    // A payment that was on its way when the source ended is stated, too, and its credit kept.
    const late = await stream.pay(price, index)
    await until(() => stream.statements().at(-1)?.index === late, 'the late one')
    expect(stream.statements().at(-1)).toMatchObject({ charged: 0n, spent: 3n * price })
  })

  test('says what it waits for where less was paid than it costs', async () => {
    const { stream } = await openStream('/dear/9', { streams: [{ ...count, path: '/dear/:to', price: 2n * price }] })
    const index = await stream.pay(price)
    await until(() => stream.statements().length === 1, 'a statement')
    expect(stream.statements()[0]).toMatchObject({ index: 0, credit: price, paid: price })
    await stream.tick(index)
    await stream.delivered(1)
    await stream.tick(index)
    await until(() => stream.statements().length === 2, 'another statement')
    await stream.tick(index)
    await stream.delivered(2)
  })
})

describe('a client that leaves', () => {
  test.each(['with a word', 'without one'])(
    'is charged what was delivered, and the rest stays credit: %s',
    async (how) => {
      const { town, channel, stream } = await openStream()
      const index = await stream.pay(price)
      for (let tick = 0; tick < 50; tick++) await stream.tick(index)
      await stream.delivered(10)
      if (how === 'with a word') stream.socket.close(1000)
      else stream.socket.terminate()
      await stream.closed()
      await until(async () => (await town.stall.running(channel)) === 0, 'the stream has ended there')
      const { channel: held } = await town.stall.held(channel)
      // Everything that left is delivered to a socket that closes with a word.
      if (how === 'with a word') expect(held.spent).toBe(BigInt(stream.deliveries().length) * price)
      expect(held.spent).toBeGreaterThanOrEqual(10n * price)
      expect(held.spent).toBeLessThanOrEqual(51n * price)
      expect(held).toMatchObject({ paid: 51n * price, reserved: 0n })
      expect(await town.stall.store.payment(channel.state.channelId, index)).toMatchObject({
        status: 'charged',
        charged: held.spent,
      })
      expect(await channel.close()).toMatchObject({ closing: { spent: held.spent } })
    },
  )

  test('ends a source that waits for something else, and holds nothing up', async () => {
    let aborted = false
    const waiting: StreamRoute = {
      path: '/count/:to',
      price,
      async *source({ signal }) {
        yield Uint8Array.of(1)
        await new Promise<void>((resolve) =>
          signal.addEventListener('abort', () => {
            aborted = true
            resolve()
          }),
        )
      },
    }
    const deaf: StreamRoute = {
      path: '/deaf',
      price,
      async *source() {
        yield Uint8Array.of(1)
        await new Promise(() => undefined)
      },
    }
    const { town, channel, stream } = await openStream('/count/9', { streams: [waiting, deaf] })
    const other = await openRaw(channel, '/deaf')
    await stream.pay(price)
    await stream.delivered(1)
    await other.pay(price)
    await other.delivered(1)
    stream.socket.close(1000)
    await stream.closed()
    await until(() => aborted, 'the source hears of it')
    const started = performance.now()
    await town.stall.close()
    expect(performance.now() - started).toBeLessThan(3000)
    const again = await town.stall.restart()
    expect((await again.held(channel)).channel).toMatchObject({ spent: 2n * price })
    expect(await again.store.running()).toEqual([])
  })

  test('in the middle of its first payment leaves credit', async () => {
    const { town, channel, stream } = await openStream()
    const { frame } = await channel.pay(price, channel.state.transcript)
    stream.send(frame)
    stream.socket.terminate()
    await stream.closed()
    await until(async () => (await town.stall.running(channel)) === 0, 'nothing runs')
    expect(await channel.resend()).toBeLessThanOrEqual(1)
    expect(await channel.refresh()).toMatchObject({ spent: 0n, paid: price, contiguous: 1 })
  })
})

test('nothing is delivered, and so charged, over a connection that is closing', async () => {
  const town = await openTown({ wallet: { path: ':memory:' } })
  const channel = await openChannel(town)
  const sent: Uint8Array[] = []
  const socket = {
    send: (message: Uint8Array) => sent.push(message),
    close: () => undefined,
    bufferedAmount: 0,
    readyState: 1,
  }
  const target = `${town.stall.url}/count/9`
  const { till, errors } = town.stall
  const onError = (error: unknown): void => void errors.push(error)
  const session = new StreamSession({ till, route: count, params: { to: '9' }, target, socket, onError })
  const payment = await channel.pay(price, requestDigest({ method: 'GET', target }))
  await session.receive(channel.attachment)
  await session.receive(payment.frame)
  await until(() => sent.length === 1, 'the first unit')
  socket.readyState = 2
  for (let tick = 0; tick < 3; tick++) await session.receive((await channel.tick(payment.index, 1)).frame)
  await aWhile()
  await session.leave()
  expect(sent.filter(([kind]) => kind === kinds.delivery)).toHaveLength(1)
  expect(await town.stall.store.channel(referenceOf(channel))).toMatchObject({ spent: price })
  expect(errors).toEqual([])
})

describe('input', () => {
  test.each([
    ['before anything is paid', encodeInput('hello'), 'PaymentMissing'],
    ['of no form', Uint8Array.of(kinds.input), 'Malformed'],
    ['of an unknown form', Uint8Array.of(kinds.input, 2, 65), 'Malformed'],
    ['that says it is text, and is none', Uint8Array.of(kinds.input, 0, 0xff), 'Malformed'],
  ] as const)('%s ends the stream, charged for what was delivered', async (what, message, reason) => {
    const { channel, stream } = await openStream()
    const isPaid = !what.startsWith('before')
    if (isPaid) {
      await stream.pay(price)
      await stream.delivered(1)
    }
    stream.send(message)
    await stream.closed()
    expect(stream.problem()).toBe(reason)
    if (isPaid) expect(await channel.refresh()).toMatchObject({ spent: price })
  })

  test('that nobody reads is kept up to a megabyte, and payments pass it by', async () => {
    const { channel, stream } = await openStream()
    const index = await stream.pay(price)
    const piece = encodeInput('x'.repeat(32_768))
    for (let sent = 0; sent < 31; sent++) stream.send(piece)
    await stream.tick(index)
    await stream.delivered(2)
    expect(stream.problem()).toBeUndefined()
    for (let sent = 0; sent < 3; sent++) stream.send(piece)
    await stream.closed()
    expect(stream.problem()).toBe('BodyTooLarge')
    expect(await channel.refresh()).toMatchObject({ spent: 2n * price })
  })
})

describe('a slow client', () => {
  test('is waited for, and gets everything in the end', async () => {
    let made = 0
    const big: StreamRoute = {
      path: '/big',
      price,
      *source() {
        for (; made < 1000; made++) yield new Uint8Array(32_768).fill(made & 0xff)
      },
    }
    const { town, channel, stream } = await openStream('/big', { streams: [big] })
    stream.socket.pause()
    const index = await stream.pay(price)
    for (let tick = 0; tick < 999; tick++) await stream.tick(index)
    await until(async () => (await town.stall.running(channel)) === 1, 'the stream runs')
    await until(async () => (await town.stall.held(channel)).channel.paid === 1000n * price, 'all is paid')
    let before = -1
    await until(async () => {
      const isStill = made === before
      before = made
      await new Promise((resolve) => setTimeout(resolve, 50))
      return isStill
    }, 'nothing more is made')
    expect(made).toBeLessThan(900)
    stream.socket.resume()
    await until(() => stream.messages.at(-1)?.kind === 'end', 'the end')
    expect(stream.deliveries().map((unit) => unit[32_767])).toEqual(Array.from({ length: 1000 }, (_, at) => at & 0xff))
    expect(await channel.refresh()).toMatchObject({ spent: 1000n * price })
  })
})

test('a stream whose connection was full goes on once there is room, whatever left it last', async () => {
  const town = await openTown({ wallet: { path: ':memory:' } })
  const channel = await openChannel(town)
  const leaving: { readonly message: Uint8Array; readonly left: () => void }[] = []
  const socket = {
    send: (message: Uint8Array, left: () => void) => leaving.push({ message, left }),
    close: () => undefined,
    bufferedAmount: 0,
    readyState: 1,
  }
  const target = `${town.stall.url}/count/9`
  const { till, errors } = town.stall
  const onError = (error: unknown): void => void errors.push(error)
  const session = new StreamSession({ till, route: count, params: { to: '9' }, target, socket, onError })
  const digest = requestDigest({ method: 'GET', target })
  const kindsSent = (): readonly (number | undefined)[] => leaving.map(({ message: [kind] }) => kind)
  const first = await channel.pay(price, digest)
  await session.receive(channel.attachment)
  await session.receive(first.frame)
  await until(() => leaving.length === 1, 'the first unit')
  leaving[0]!.left()
  socket.bufferedAmount = 100_000
  await session.receive((await channel.pay(price, digest, { previous: first.index })).frame)
  await until(() => leaving.length === 2, 'the statement of the first payment')
  await aWhile()
  expect(kindsSent()).toEqual([kinds.delivery, kinds.statement])
  socket.bufferedAmount = 0
  leaving[1]!.left()
  await until(() => leaving.length > 2, 'the second unit')
  expect(kindsSent()).toEqual([kinds.delivery, kinds.statement, kinds.delivery])
  await session.leave()
  expect(errors).toEqual([])
})

describe('a stream ends with a problem, and nothing more is charged', () => {
  test.each([
    ['text', 'Malformed', 'hello'],
    ['nothing', 'VersionUnsupported', new Uint8Array(0)],
    ['another version', 'VersionUnsupported', Uint8Array.of(0x21, 1, 2)],
    ['what a vendor sends', 'Malformed', Uint8Array.of(0x1b)],
    ['half a tick', 'Malformed', new Uint8Array(40).fill(0x12, 0, 1)],
    ['half an attachment', 'Malformed', new Uint8Array(40).fill(0x14, 0, 1)],
    ['half a checkpoint', 'Malformed', new Uint8Array(40).fill(0x13, 0, 1)],
    ['half a payment', 'Malformed', new Uint8Array(40).fill(0x11, 0, 1)],
    ['a tick out of nothing', 'MacMismatch', new Uint8Array(71).fill(0x12)],
  ] as const)('%s: %s', async (_, reason, message) => {
    const { town, channel, stream } = await openStream()
    await stream.pay(price)
    await stream.delivered(1)
    const sent = typeof message !== 'string' && message.length === 71 ? nameChannel(message, channel) : message
    stream.send(sent)
    await stream.closed()
    expect([stream.problem(), stream.code()]).toEqual([reason, 4000])
    // Before the problem, the statement of what it ended.
    expect(stream.statements().at(-1)).toMatchObject({ index: 1, charged: price })
    expect((await town.stall.held(channel)).channel).toMatchObject({ spent: price, reserved: 0n })
    expect(town.stall.errors).toEqual([])
  })

  test('no payment in the time that a request has, and one that pays goes on beyond it', async () => {
    const route = { path: '/words', price, source: () => ['one', 'two'].map((word) => new TextEncoder().encode(word)) }
    const town = await openTown({ streams: [route], serve: { requestTimeoutMs: 300 } })
    const channel = await openChannel(town)
    const [idle, paying] = [await openRaw(channel, '/words'), await openRaw(channel, '/words')]
    await paying.pay(price)
    await paying.delivered(1)
    await idle.closed()
    expect([idle.problem(), idle.code(), paying.code()]).toEqual(['RequestTimeout', 4000, undefined])
    await paying.pay(price, 1)
    await paying.delivered(2)
    expect(town.stall.errors).toEqual([])
  })

  test('too long a message', async () => {
    const { town, channel, stream } = await openStream()
    await stream.pay(price)
    await stream.delivered(1)
    stream.send(new Uint8Array(clientMessageMax + 1).fill(0x11))
    await stream.closed()
    expect(stream.code()).toBe(1009)
    await until(async () => (await town.stall.running(channel)) === 0, 'the stream has ended there')
    expect((await town.stall.held(channel)).channel).toMatchObject({ spent: price })
  })

  test('a payment of another MAC, and nothing is stored', async () => {
    const { town, channel, stream } = await openStream()
    const { headers } = await prepare(channel, '/count/200', price)
    const frame = parseBase64url(headers[headerNames.payment]!, 300)
    stream.send(frame.ok ? frame.value.map((byte, at) => (at === 170 ? byte ^ 1 : byte)) : '')
    await stream.closed()
    expect(stream.problem()).toBe('MacMismatch')
    expect(await town.stall.store.channel(referenceOf(channel))).toBeUndefined()
  })

  test('a payment for another stream, whose credit is kept, and the operator counts it', async () => {
    const problems: string[] = []
    const { town, channel, stream } = await openStream('/count/200', {
      serve: { onProblem: (reason) => void problems.push(reason) },
    })
    const { frame } = await channel.pay(price, new Uint8Array(32))
    stream.send(frame)
    await stream.closed()
    expect(stream.problem()).toBe('RequestMismatch')
    expect(problems).toEqual(['RequestMismatch'])
    const stored = await town.stall.store.channel(referenceOf(channel))
    expect(stored).toMatchObject({ paid: price, spent: 0n, contiguous: 1 })
    expect(await town.stall.store.cores(channel.state.channelId, 1)).toHaveLength(1)
  })

  test('a payment from another channel, whose credit is kept there', async () => {
    const { town, channel, stream } = await openStream()
    await stream.pay(price)
    await stream.delivered(1)
    const other = await openChannel(town)
    const payment = await prepare(other, '/count/200', price)
    const frame = parseBase64url(payment.headers[headerNames.payment]!, 300)
    stream.send(other.attachment, frame.ok ? frame.value : '')
    await stream.closed()
    expect(stream.problem()).toBe('RequestMismatch')
    expect(await other.refresh()).toMatchObject({ paid: price, spent: 0n, contiguous: 1 })
    expect(await town.stall.store.cores(other.state.channelId, 1)).toHaveLength(1)
    expect(await channel.refresh()).toMatchObject({ spent: price })
  })

  test('a tick before any payment, and a payment seen before', async () => {
    const first = await openStream()
    first.stream.send(new Uint8Array(71).fill(0x12).fill(0, 17, 22).fill(1, 22, 23))
    await first.stream.closed()
    expect(first.stream.problem()).toBe('PaymentMissing')
    const { channel, stream } = await openStream()
    const payment = await prepare(channel, '/count/200', price)
    const frame = parseBase64url(payment.headers[headerNames.payment]!, 300)
    stream.send(frame.ok ? frame.value : '', frame.ok ? frame.value : '')
    await stream.closed()
    expect(stream.problem()).toBe('IndexSeen')
    expect(await channel.refresh()).toMatchObject({ paid: price })
  })

  test('a source that fails, whose client hears no more of it than that', async () => {
    const failing: StreamRoute = {
      path: '/count/:to',
      price,
      *source() {
        yield Uint8Array.of(1)
        throw new Error('a secret of the vendor')
      },
    }
    const { town, channel, stream } = await openStream('/count/9', { streams: [failing] })
    const index = await stream.pay(price)
    await stream.tick(index)
    await stream.closed()
    expect(stream.messages.map(({ kind }) => kind)).toEqual(['delivery', 'statement', 'problem'])
    expect(stream.messages.at(-1)).toMatchObject({ problem: { reason: 'HandlerFailed', detail: 'the stream failed' } })
    expect(stream.statements()).toMatchObject([{ index, charged: price, credit: price }])
    expect(town.stall.errors).toMatchObject([{ message: 'a secret of the vendor' }])
    expect(await channel.refresh()).toMatchObject({ spent: price, paid: 2n * price })
  })

  test('a store that fails; the channel goes on as the store has it', async () => {
    let failing = false
    const { town, channel, stream } = await openStream('/count/200', {
      wrapStore: (store) =>
        overriding(store, {
          commit: (batch) => (failing ? Promise.reject(new Error('the disk is full')) : store.commit(batch)),
        }),
    })
    const index = await stream.pay(price)
    for (let tick = 0; tick < 5; tick++) await stream.tick(index)
    await stream.delivered(6)
    failing = true
    await stream.tick(index)
    await stream.closed()
    expect(stream.problem()).toBe('StoreUnavailable')
    failing = false
    const again = await openRaw(channel, '/count/200')
    const next = await again.pay(price, index)
    for (let tick = 0; tick < 3; tick++) await again.tick(next)
    await again.delivered(4)
    expect(again.deliveries()).toEqual(units(0, 4))
    const { channel: held } = await town.stall.held(channel)
    expect(held.spent).toBeLessThanOrEqual(10n * price)
    expect(await town.stall.store.running()).toMatchObject([{ index }, { index: next }])
  })
})

describe('a connection', () => {
  test.each([
    ['/nowhere', 'lockstep.1', 404],
    ['/count/1', 'lockstep.2', 400],
  ])('to %s with %s is refused with a problem: %i', async (path, protocol, status) => {
    const { channel } = await openStream()
    await expect(openRaw(channel, path, protocol)).rejects.toThrow(`Unexpected server response: ${status}`)
  })

  test('is no way around a closing: that waits for the stream, and then ends the channel', async () => {
    const { town, channel, stream } = await openStream()
    const index = await stream.pay(price)
    await stream.delivered(1)
    const closing = channel.close()
    await aWhile()
    await stream.tick(index)
    await stream.delivered(2)
    stream.socket.close(1000)
    expect(await closing).toMatchObject({ closing: { index, spent: 2n * price } })
    const late = await openRaw(channel, '/count/200')
    late.send((await prepareLate(town, channel)) ?? '')
    await late.closed()
    expect(late.problem()).toBe('ChannelClosed')
  })
})

/** A frame of a channel that signs nothing more: its first payment, once again. */
async function prepareLate(
  { client }: Town,
  channel: Awaited<ReturnType<typeof openChannel>>,
): Promise<Uint8Array | undefined> {
  const [payment] = await client.journal.payments(channel.state.channelId)
  return payment?.frame
}

/** A frame with the channel's reference in its place, and nothing else right. */
function nameChannel(frame: Uint8Array, channel: Awaited<ReturnType<typeof openChannel>>): Uint8Array {
  const named = frame.slice()
  named.set(referenceOf(channel), 1)
  named.set([0, 0, 0, 0, 0, 1], 17)
  return named
}
