import { describe, expect, test } from 'vitest'
import { equal } from '../../src/crypto/bytes.ts'
import { Client } from '../../src/protocol/index.ts'
import { CollectError, claim, close, collect } from '../../src/vendor/index.ts'
import * as Close from '../../src/wire/Close.ts'
import * as Closing from '../../src/wire/Closing.ts'
import * as Frame from '../../src/wire/Frame.ts'
import {
  gate,
  openChannel,
  openTown,
  prepare,
  problemIn,
  referenceOf,
  statementIn,
  type Town,
  twinOf,
  until,
} from '../e2e/town.ts'
import { must } from '../protocol/world.ts'
import { evilServer } from './evil.ts'
import { openShop, price } from './shop.ts'

type Channel = Awaited<ReturnType<typeof openChannel>>

function ask(
  town: Town,
  channel: Channel,
  asked: Frame.Ask['ask'],
  change?: (frame: Uint8Array) => Uint8Array,
): Promise<Response> {
  const frame = Frame.encodeAsk({ reference: referenceOf(channel), ask: asked }, channel.state.macs.frame)
  return fetch(`${town.stall.url}/lockstep/ask`, { method: 'POST', body: new Uint8Array(change?.(frame) ?? frame) })
}

async function bytesOf(response: Response): Promise<Uint8Array> {
  expect(response.status).toBe(200)
  return new Uint8Array(await response.arrayBuffer())
}

describe('a question', () => {
  test('is answered to the channel’s holder alone', async () => {
    const town = await openTown({ routes: openShop().routes })
    const channel = await openChannel(town)
    expect(await problemIn(await ask(town, channel, 'statement'))).toMatchObject({ reason: 'ChannelUnknown' })
    await channel.fetch(`${town.stall.url}/goods/tea`, price)
    expect(await channel.refresh()).toMatchObject({ index: 0, spent: price, contiguous: 1 })
    const flip = (frame: Uint8Array): Uint8Array => frame.map((byte, at) => (at === 20 ? byte ^ 1 : byte))
    expect(await problemIn(await ask(town, channel, 'closing', flip))).toMatchObject({
      status: 401,
      reason: 'MacMismatch',
    })
    expect(await problemIn(await ask(town, channel, 'statement', (frame) => frame.subarray(1)))).toMatchObject({
      status: 400,
    })
    expect(
      await problemIn(await ask(town, channel, 'statement', (frame) => Buffer.concat([frame, frame]))),
    ).toMatchObject({
      status: 413,
      reason: 'BodyTooLarge',
    })
  })
})

describe('a closing', () => {
  test('is the same bytes however often it is asked for, at once, later and after a restart', async () => {
    const town = await openTown({ routes: openShop().routes })
    const channel = await openChannel(town)
    await channel.fetch(`${town.stall.url}/goods/tea`, price)
    const first = await bytesOf(await ask(town, channel, 'closing'))
    expect(Closing.parse(first)).toMatchObject({ ok: true, value: { index: 1, spent: price } })
    const more = await Promise.all(Array.from({ length: 5 }, async () => bytesOf(await ask(town, channel, 'closing'))))
    await town.stall.restart()
    more.push(await bytesOf(await ask(town, channel, 'closing')))
    for (const bytes of more) expect(equal(bytes, first)).toBe(true)
  })

  test('ends the channel: nothing is accepted after it, also after a restart, and what was answered is answered again', async () => {
    const shop = openShop()
    const town = await openTown({ routes: shop.routes })
    const channel = await openChannel(town)
    const served = await prepare(channel, '/goods/tea', price)
    await served.send()
    const late = await prepare(channel, '/goods/milk', price)
    await bytesOf(await ask(town, channel, 'closing'))
    for (const stall of [town.stall, await town.stall.restart()]) {
      const response = await late.send()
      expect(statementIn(channel, response)).toMatchObject({ index: 0, spent: price, contiguous: 1 })
      expect(await problemIn(response)).toMatchObject({ status: 402, reason: 'ChannelClosed' })
      expect((await stall.held(channel)).channel).toMatchObject({ phase: 'closing', paid: price, spent: price })
    }
    expect(shop.total()).toBe(1)
  })

  test('waits for what runs, and charges it', async () => {
    const { opened, open } = gate()
    const shop = openShop({ handler: () => opened.then(() => new Response('tea')) })
    const town = await openTown({ routes: shop.routes })
    const channel = await openChannel(town)
    const running = channel.fetch(`${town.stall.url}/goods/tea`, price)
    await until(async () => (await town.stall.running(channel)) === 1, 'the handler runs')
    const refused = await ask(town, channel, 'closing')
    expect(statementIn(channel, refused)).toMatchObject({ spent: 0n, credit: 0n })
    expect(await problemIn(refused)).toMatchObject({ status: 409, reason: 'RequestsRunning' })
    await expect(collect(town.stall, await town.stall.held(channel), town.bankUrl)).rejects.toThrow(CollectError)
    const closed = channel.close()
    open()
    expect((await running).status).toBe(200)
    expect(await closed).toMatchObject({ closing: { spent: price } })
  })

  test('waits for what costs nothing, too', async () => {
    const { opened, open } = gate()
    const shop = openShop({ price: 0n, handler: () => opened.then(() => new Response('tea')) })
    const town = await openTown({ routes: shop.routes })
    const channel = await openChannel(town)
    const running = channel.fetch(`${town.stall.url}/goods/tea`, 0n)
    await until(async () => (await town.stall.running(channel)) === 1, 'the handler runs')
    expect(await problemIn(await ask(town, channel, 'closing'))).toMatchObject({ reason: 'RequestsRunning' })
    open()
    expect((await running).status).toBe(200)
  })

  test('names what is missing, and is had once that is resent', async () => {
    const town = await openTown({ routes: openShop().routes })
    const channel = await openChannel(town)
    await prepare(channel, '/goods/lost', price)
    await (await prepare(channel, '/goods/tea', price)).send()
    const refused = await ask(town, channel, 'closing')
    expect(statementIn(channel, refused)).toMatchObject({ contiguous: 0, spent: price, paid: 2n * price })
    expect(await problemIn(refused)).toMatchObject({ status: 409, reason: 'PaymentsMissing' })
    expect(await channel.close()).toMatchObject({ closing: { index: 2, spent: price }, receiptsOpened: 3 })
  })

  test('is made over the last payment as well where that one was lost', async () => {
    const town = await openTown({ routes: openShop().routes })
    const channel = await openChannel(town)
    await (await prepare(channel, '/goods/tea', price)).send()
    await prepare(channel, '/goods/lost', price)
    expect(await channel.close()).toMatchObject({ closing: { index: 2, spent: price }, receiptsOpened: 3 })
  })
})

describe('a release', () => {
  test('opens every receipt, as often as it is sent, and nothing else does', async () => {
    const town = await openTown({ routes: openShop().routes })
    const channel = await openChannel(town)
    for (const name of ['tea', 'milk', 'cake']) await channel.fetch(`${town.stall.url}/goods/${name}`, price)
    const twin = await twinOf(town.client, channel)
    const post = (body: Uint8Array): Promise<Response> =>
      fetch(`${town.stall.url}/lockstep/release`, { method: 'POST', body: new Uint8Array(body) })
    const forged = Closing.encodeRelease({
      channelId: twin.channelId,
      receipt: twin.receipt,
      checkpoint: new Uint8Array(171),
    })
    expect(await problemIn(await post(forged))).toMatchObject({ status: 400, reason: 'ReleaseInvalid' })

    const closing = Closing.parse(await bytesOf(await ask(town, channel, 'closing')))
    const { release } = must(Client.release(twin, closing.ok ? closing.value : (undefined as never)))
    for (const [at, reason] of [
      [0, 'Malformed'],
      [5, 'ChannelUnknown'],
      [40, 'ReleaseInvalid'],
      [120, 'ReleaseInvalid'],
      [260, 'CheckpointSignature'],
    ] as const) {
      const changed = release.map((byte, place) => (place === at ? byte ^ 1 : byte))
      expect(await problemIn(await post(changed))).toMatchObject({ reason })
    }
    expect((await town.stall.held(channel)).release).toBeUndefined()
    expect(await channel.close()).toMatchObject({ receiptsOpened: 4 })
    expect(await channel.close()).toMatchObject({ receiptsOpened: 4 })
    expect(await (await post(release)).json()).toMatchObject({ receiptsOpened: 4 })
  })
})

describe('a claim', () => {
  test('is paid once, however often it is collected, also by another process', async () => {
    const town = await openTown({ routes: openShop().routes })
    const channel = await openChannel(town, 10_000n)
    await channel.fetch(`${town.stall.url}/goods/tea`, price)
    await channel.close()
    const held = await town.stall.held(channel)
    const settlements = await Promise.all([1, 2, 3].map(() => collect(town.stall, held, town.bankUrl)))
    for (const settlement of settlements) expect(settlement).toMatchObject({ settled: price, refund: 10_000n - price })
    expect(held.channel.phase).toBe('closed')
    const restarted = await town.stall.restart()
    expect((await restarted.held(channel)).channel.phase).toBe('closed')
    expect(await collect(restarted, await restarted.held(channel), town.bankUrl)).toEqual(settlements[0])
    expect(await restarted.store.unsettled()).toEqual([])
  })

  test('keeps its bytes, whatever arrives after it', async () => {
    const town = await openTown({ routes: openShop().routes })
    const channel = await openChannel(town)
    await channel.fetch(`${town.stall.url}/goods/tea`, price)
    const held = await town.stall.held(channel)
    must(await close(town.stall, held))
    const claims = await Promise.all([claim(town.stall, held), claim(town.stall, held)])
    await channel.close()
    expect(held.release).toBeDefined()
    claims.push(await claim(town.stall, held))
    const [first, ...others] = claims.map((made) => must(made).claim)
    for (const other of others) expect(equal(other, first!)).toBe(true)
    expect(Close.parse(first!)).toMatchObject({ ok: true, value: { amount: price, index: 1 } })
  })

  test('is made without the client, and without a closing where payments are missing', async () => {
    const town = await openTown({ routes: openShop().routes })
    const channel = await openChannel(town, 10_000n)
    await (await prepare(channel, '/goods/tea', price)).send()
    await prepare(channel, '/goods/lost', price)
    const last = await prepare(channel, '/goods/milk', price)
    expect((await last.send()).status).toBe(200)
    const held = await town.stall.held(channel)
    expect(await close(town.stall, held)).toMatchObject({ ok: false, reason: 'PaymentsMissing' })
    expect(await collect(town.stall, held, town.bankUrl)).toMatchObject({ settled: 2n * price, basis: 'claimed' })
    expect(await problemIn(await (await prepare(channel, '/goods/tea', price)).send())).toMatchObject({
      reason: 'ChannelClosed',
    })
  })

  test('is sent again where the bank did not answer, answered garbage, or without an end', async () => {
    const town = await openTown({ routes: openShop().routes })
    const channel = await openChannel(town, 10_000n)
    await channel.fetch(`${town.stall.url}/goods/tea`, price)
    await channel.close()
    const held = await town.stall.held(channel)
    const bank = await evilServer()
    const attempt = (): Promise<unknown> => collect({ ...town.stall, timeoutMs: 300 }, held, bank.url)
    for (const [answer, says] of [
      [bank.refuses(), /refused the claim: .*the till is empty/],
      [bank.says('{"settled":"1"'), /cannot be read/],
      [
        bank.says(JSON.stringify({ settled: '1', refund: '9', receipt: '00'.repeat(64), basis: 'proven' })),
        /paid 1; 30 was claimed/,
      ],
      [bank.endless('x'), /cannot be read/],
      [bank.silent(), /whether it has paid is unknown/],
      [bank.cuts(), /whether it has paid is unknown/],
    ] as const) {
      bank.answer(answer)
      await expect(attempt()).rejects.toThrow(says)
      expect(held.channel.phase).toBe('closing')
    }
    await bank.close()
    await expect(attempt()).rejects.toThrow(CollectError)
    expect(await collect(town.stall, held, town.bankUrl)).toMatchObject({ settled: price })
  })
})
