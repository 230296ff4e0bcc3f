import { describe, expect, test } from 'vitest'
import { RefusedError } from '../../src/client/index.ts'
import { headerNames } from '../../src/http/headers.ts'
import { managementPaths } from '../../src/http/management.ts'
import { type Batch, claim, type StreamRoute, type VendorStore } from '../../src/vendor/index.ts'
import * as Frame from '../../src/wire/Frame.ts'
import * as Statement from '../../src/wire/Statement.ts'
import { openRaw } from '../e2e/rawStream.ts'
import {
  gate,
  openChannel,
  openTown,
  overriding,
  prepare,
  problemIn,
  referenceOf,
  type StallOptions,
  statementIn,
  until,
} from '../e2e/town.ts'
import { openShop, price } from './shop.ts'

/** A store that a test can break, and which remembers what it was given. */
class Breakable {
  /** Commits from now on that fail, and whether the disk has them all the same. */
  failures: ('before' | 'after' | 'never')[] = []
  readonly batches: Batch[] = []
  /** Commits wait here. */
  hold: Promise<void> = Promise.resolve()

  readonly wrap = (store: VendorStore): VendorStore =>
    overriding(store, {
      commit: async (batch) => {
        await this.hold
        const failure = this.failures.shift()
        if (failure === 'before') throw new Error('the disk is full')
        this.batches.push(batch)
        const committed = await store.commit(batch)
        if (failure === 'after') throw new Error('the line to the disk broke')
        return committed
      },
    })
}

async function openBreakable(options: Partial<StallOptions> = {}, shop = openShop()) {
  const breakable = new Breakable()
  const town = await openTown({ routes: shop.routes, wrapStore: breakable.wrap, ...options, wallet: { attempts: 1 } })
  return { breakable, shop, town }
}

describe('a commit that fails', () => {
  test('on the payment fails the request with 503; the retry is served and charged once', async () => {
    const { breakable, shop, town } = await openBreakable()
    const channel = await openChannel(town)
    const { index, send } = await prepare(channel, '/goods/tea', price)
    breakable.failures = ['before']
    const failed = await send()
    expect(failed.headers.has(headerNames.statement)).toBe(false)
    expect(await problemIn(failed)).toMatchObject({ status: 503, reason: 'StoreUnavailable' })
    expect(shop.total()).toBe(0)
    expect(town.stall.errors).toHaveLength(1)
    const retried = await send()
    expect(retried.status).toBe(200)
    expect(statementIn(channel, retried)).toMatchObject({ index, charged: price, spent: price, contiguous: 1 })
    expect(shop.runs(index)).toBe(1)
    expect(await town.stall.running(channel)).toBe(0)
  })

  test('and happened all the same is believed as the store has it: its handler may have begun', async () => {
    const { breakable, shop, town } = await openBreakable()
    const channel = await openChannel(town)
    const { index, send } = await prepare(channel, '/goods/tea', price)
    breakable.failures = ['after']
    expect((await send()).status).toBe(503)
    const retried = await send()
    expect(statementIn(channel, retried)).toMatchObject({ index, charged: 0n, spent: 0n, credit: price, contiguous: 1 })
    expect(await problemIn(retried)).toMatchObject({ status: 409, reason: 'InDoubt' })
    expect(shop.total()).toBe(0)
  })

  test('on the outcome leaves the payment in doubt: listed, not charged, not run again, its credit kept', async () => {
    const { breakable, shop, town } = await openBreakable()
    const channel = await openChannel(town)
    const { index, send } = await prepare(channel, '/goods/tea', price)
    breakable.failures = ['never', 'before']
    expect(await problemIn(await send())).toMatchObject({ status: 503, reason: 'StoreUnavailable' })
    expect(shop.runs(index)).toBe(1)
    const doubted = await send()
    expect(statementIn(channel, doubted)).toMatchObject({ index, charged: 0n, spent: 0n, credit: price })
    expect(await problemIn(doubted)).toMatchObject({ status: 409, reason: 'InDoubt' })
    expect(shop.runs(index)).toBe(1)
    expect(await town.stall.store.running()).toMatchObject([{ index, charged: 0n }])
    channel.abandon([index])
    expect((await channel.fetch(`${town.stall.url}/goods/cake`, price)).status).toBe(200)
    expect(channel.state).toMatchObject({ paid: price, acknowledged: price })
    expect(await channel.close()).toMatchObject({ closing: { spent: price, index: 2 } })
  })

  test('on the outcome of an idempotent route is made good by running it again', async () => {
    const shop = openShop({ idempotent: true })
    const { breakable, town } = await openBreakable({}, shop)
    const channel = await openChannel(town)
    const { index, send } = await prepare(channel, '/goods/tea', price)
    breakable.failures = ['before']
    expect((await send()).status).toBe(503)
    expect(await (await send()).json()).toEqual({ name: 'tea', run: 2 })
    expect(await (await send()).json()).toEqual({ name: 'tea', run: 2 })
    expect(shop.runs(index)).toBe(2)
    expect(await channel.refresh()).toMatchObject({ spent: price })
  })

  test.each([
    { idempotent: true, commits: 1 },
    { idempotent: false, commits: 2 },
  ])('costs a quick handler $commits of them where idempotent is $idempotent', async ({ idempotent, commits }) => {
    const { breakable, town } = await openBreakable({}, openShop({ idempotent }))
    const channel = await openChannel(town)
    await (await prepare(channel, '/goods/first', price)).send()
    const { index, send } = await prepare(channel, '/goods/tea', price)
    const before = breakable.batches.length
    expect((await send()).status).toBe(200)
    const statuses = breakable.batches.slice(before).flatMap(({ payments }) => payments.map(({ status }) => status))
    expect(statuses).toEqual(['running', 'charged'].slice(-commits))
    expect((await town.stall.store.payment(channel.state.channelId, index))?.status).toBe('charged')
  })

  test('fails what is queued behind it on its channel, and nothing on another', async () => {
    const { breakable, shop, town } = await openBreakable()
    const [one, two] = [await openChannel(town, 10_000n), await openChannel(town, 10_000n)]
    for (const channel of [one, two]) await (await prepare(channel, '/goods/first', price)).send()
    const [first, queued, other] = [
      await prepare(one, '/goods/tea', price),
      await prepare(one, '/goods/milk', price),
      await prepare(two, '/goods/cake', price),
    ]
    const { opened, open } = gate()
    breakable.hold = opened
    breakable.failures = ['before']
    const failing = first.send()
    await until(async () => (await town.stall.running(one)) === 1, 'the first is on its way to the disk')
    await new Promise((resolve) => setTimeout(resolve, 30))
    const behind = [queued.send(), other.send()] as const
    await until(
      async () => (await town.stall.running(one)) === 2 && (await town.stall.running(two)) === 1,
      'both are queued',
    )
    open()
    expect((await failing).status).toBe(503)
    // It was judged on a channel of which nothing is left.
    expect((await behind[0]).status).toBe(503)
    expect((await behind[1]).status).toBe(200)
    expect((await queued.send()).status).toBe(200)
    expect((await first.send()).status).toBe(200)
    expect([shop.runs(first.index), shop.total()]).toEqual([2, 5])
    expect(await one.refresh()).toMatchObject({ spent: 3n * price, contiguous: 3 })
    expect(await two.refresh()).toMatchObject({ spent: 2n * price, contiguous: 2 })
    expect(await one.close()).toMatchObject({ receiptsOpened: 4 })
  })

  test('on a closing lets none leave, not even to who asked a moment later, and the channel goes on', async () => {
    const { breakable, town } = await openBreakable()
    const channel = await openChannel(town)
    expect((await channel.fetch(`${town.stall.url}/goods/tea`, price)).status).toBe(200)
    const ask = (): Promise<Response> =>
      fetch(`${town.stall.url}/lockstep/ask`, {
        method: 'POST',
        body: Frame.encodeAsk({ reference: referenceOf(channel), ask: 'closing' }, channel.state.macs.frame),
      })
    const { opened, open } = gate()
    breakable.hold = opened
    breakable.failures = ['before']
    const held = await town.stall.held(channel)
    const answers = [ask()]
    await until(() => held.closing !== undefined, 'it is signed')
    answers.push(ask(), ask())
    await until(() => held.writes === 3, 'all wait')
    open()
    for (const response of await Promise.all(answers)) expect(response.status).toBe(503)
    const stored = await town.stall.store.channel(referenceOf(channel))
    expect(stored).toMatchObject({ phase: 'open', closing: undefined })
    expect((await channel.fetch(`${town.stall.url}/goods/milk`, price)).status).toBe(200)
    expect(await channel.close()).toMatchObject({ receiptsOpened: 3 })
  })

  test('on a claim leaves the channel open, as its store has it, and it goes on', async () => {
    const { breakable, town } = await openBreakable()
    const channel = await openChannel(town)
    expect((await channel.fetch(`${town.stall.url}/goods/tea`, price)).status).toBe(200)
    breakable.failures = ['before']
    await expect(claim(town.stall, await town.stall.held(channel))).rejects.toThrow('the store failed')
    expect(await town.stall.store.channel(referenceOf(channel))).toMatchObject({ phase: 'open', claim: undefined })
    expect((await channel.fetch(`${town.stall.url}/goods/milk`, price)).status).toBe(200)
    expect(await claim(town.stall, await town.stall.held(channel))).toMatchObject({ ok: true })
  })

  test('is retried by the client itself, with the same bytes', async () => {
    const shop = openShop()
    const breakable = new Breakable()
    const town = await openTown({ routes: shop.routes, wrapStore: breakable.wrap })
    const channel = await openChannel(town)
    breakable.failures = ['before', 'before']
    expect((await channel.fetch(`${town.stall.url}/goods/tea`, price)).status).toBe(200)
    expect(channel.state).toMatchObject({ index: 1, paid: price, acknowledged: price })
    expect(shop.total()).toBe(1)
  })
})

test('a stream stops where a commit of another one on its channel failed: what both had is the store’s to say', async () => {
  const { opened, open } = gate()
  const slow: StreamRoute = {
    path: '/slow',
    price: 10n,
    async *source() {
      yield Uint8Array.of(0)
      await opened
      for (let unit = 1; ; unit++) yield Uint8Array.of(unit)
    },
  }
  const { breakable, town } = await openBreakable({ streams: [slow] })
  const channel = await openChannel(town)
  const [failing, other] = [await openRaw(channel, '/slow'), await openRaw(channel, '/slow')]
  const index = await other.pay(10n)
  for (let tick = 0; tick < 9; tick++) await other.tick(index)
  await other.delivered(1)
  const first = await failing.pay(10n)
  await failing.delivered(1)
  breakable.failures = ['before', 'before', 'before']
  await failing.tick(first)
  await failing.closed()
  breakable.failures = []
  open()
  await other.closed()
  expect(other.deliveries()).toHaveLength(1)
  expect(other.problem()).toBe('StoreUnavailable')
  expect((await channel.refresh()).spent).toBeLessThanOrEqual(20n)
})

describe('a store that cannot be read', () => {
  test('refuses with 503, stores nothing, and is read again when it can be', async () => {
    let isAway = true
    const shop = openShop()
    const town = await openTown({
      routes: shop.routes,
      wallet: { attempts: 1 },
      wrapStore: (store) =>
        overriding(store, {
          channel: (reference) => (isAway ? Promise.reject(new Error('no such disk')) : store.channel(reference)),
        }),
    })
    const channel = await openChannel(town)
    const { send } = await prepare(channel, '/goods/tea', price)
    const answers = await Promise.all([send(), send(), send()])
    for (const response of answers)
      expect(await problemIn(response)).toMatchObject({ status: 503, reason: 'StoreUnavailable' })
    await expect(channel.refresh()).rejects.toThrow(RefusedError)
    isAway = false
    expect((await send()).status).toBe(200)
    expect(shop.total()).toBe(1)
  })
})

test('a claim that cannot be made yet has closed the channel in the store as well: who is refused stays refused', async () => {
  let isAway = true
  const town = await openTown({
    routes: openShop().routes,
    wrapStore: (store) =>
      overriding(store, {
        cores: (id, last, first) => (isAway ? Promise.reject(new Error('no such disk')) : store.cores(id, last, first)),
      }),
  })
  const channel = await openChannel(town)
  expect((await channel.fetch(`${town.stall.url}/goods/tea`, price)).status).toBe(200)
  const held = await town.stall.held(channel)
  await expect(claim(town.stall, held)).rejects.toThrow('the store cannot be read')
  expect(await problemIn(await (await prepare(channel, '/goods/milk', price)).send())).toMatchObject({
    reason: 'ChannelClosed',
  })
  expect(await town.stall.store.channel(referenceOf(channel))).toMatchObject({ phase: 'closing', claim: undefined })
  isAway = false
  expect(await claim(town.stall, held)).toMatchObject({ ok: true })
})

describe('a statement', () => {
  test('acknowledges no checkpoint that the store does not have yet', async () => {
    const { breakable, town } = await openBreakable()
    const channel = await openChannel(town)
    expect((await channel.fetch(`${town.stall.url}/goods/tea`, price)).status).toBe(200)
    const { opened, open } = gate()
    breakable.hold = opened
    const checkpoint = (await channel.checkpoint())!
    expect(checkpoint).toBeDefined()
    const waiting = channel.fetch(`${town.stall.url}/goods/milk`, price)
    await until(async () => (await town.stall.running(channel)) === 1, 'the checkpoint is accepted')
    expect((await town.stall.held(channel)).channel.segments.at(-1)?.number).toBe(1)
    // The client's own question would bring the checkpoint along, and wait for it.
    const question = Frame.encodeAsk({ reference: referenceOf(channel), ask: 'statement' }, channel.state.macs.frame)
    const url = `${town.stall.url}${managementPaths.ask}`
    const answer = await fetch(url, { method: 'POST', body: new Uint8Array(question) })
    const statement = Statement.parse(new Uint8Array(await answer.arrayBuffer()), channel.state.macs.statement)
    expect(statement).toMatchObject({ ok: true, value: { segment: 0, contiguous: 1 } })
    expect(channel.state.checkpoint).toBeDefined()
    open()
    expect((await waiting).status).toBe(200)
    expect(channel.state.checkpoint).toBeUndefined()
  })
})

describe('a till with room for two channels', () => {
  test('leaves those that are idle to the store, keeps what is busy, and forgets nothing', async () => {
    let clock = 1_800_000_000n
    const { opened, open } = gate()
    const shop = openShop({
      handler: async (_, { params }) => {
        if (params.name === 'slow') await opened
        return new Response(params.name)
      },
    })
    const town = await openTown({ routes: shop.routes, now: () => clock as never, till: { heldMax: 2 } })
    const busy = await openChannel(town, 1000n)
    const running = busy.fetch(`${town.stall.url}/goods/slow`, price)
    await until(async () => (await town.stall.running(busy)) === 1, 'it runs')
    const held = await town.stall.held(busy)
    const others: { readonly channel: typeof busy; readonly held: typeof held }[] = []
    for (let number = 0; number < 6; number++) {
      clock += 61n
      const channel = await openChannel(town, 1000n)
      expect((await channel.fetch(`${town.stall.url}/goods/${number}`, price)).status).toBe(200)
      others.push({ channel, held: await town.stall.held(channel) })
    }
    expect(held.evicted).toBe(false)
    expect(others.map((other) => other.held.evicted)).toEqual([true, true, true, true, true, false])
    open()
    expect((await running).status).toBe(200)
    for (const { channel } of others) {
      expect((await channel.fetch(`${town.stall.url}/goods/again`, price)).status).toBe(200)
      expect(await channel.close()).toMatchObject({ closing: { spent: 2n * price }, receiptsOpened: 3 })
    }
    await expect(town.stall.till.write(others[0]!.held)).rejects.toThrow('look it up again')
  })
})
