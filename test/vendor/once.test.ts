import { describe, expect, test } from 'vitest'
import { headerNames } from '../../src/http/headers.ts'
import { Client } from '../../src/protocol/index.ts'
import type { VendorStore } from '../../src/vendor/index.ts'
import { unixSeconds } from '../../src/wire/amount.ts'
import { toBase64url } from '../../src/wire/base64url.ts'
import * as Frame from '../../src/wire/Frame.ts'
import { sizes } from '../../src/wire/kinds.ts'
import {
  gate,
  headersOf,
  openChannel,
  openTown,
  overriding,
  prepare,
  problemIn,
  statementIn,
  twinOf,
  until,
} from '../e2e/town.ts'
import { must, now } from '../protocol/world.ts'
import { readHeader, without } from './frames.ts'
import { openShop, price } from './shop.ts'

describe('a lost response', () => {
  test('is had again with the same bytes: one run, one charge, the same answer', async () => {
    const shop = openShop()
    const town = await openTown({ routes: shop.routes })
    const channel = await openChannel(town)
    const { index, send } = await prepare(channel, '/goods/tea', price)
    const [first, again] = [await send(), await send()]
    expect(await again.text()).toBe(await first.text())
    expect(again.headers.get(headerNames.statement)).toBe(first.headers.get(headerNames.statement))
    expect(again.headers.get('content-type')).toBe('application/json')
    expect(shop.runs(index)).toBe(1)
    expect(await channel.refresh()).toMatchObject({ spent: price, paid: price })
  })

  test('is waited for where its request still runs, by all that ask for it', async () => {
    const { opened, open } = gate()
    const shop = openShop({
      handler: async (_, { params }) => {
        await opened
        return new Response(params.name)
      },
    })
    const town = await openTown({ routes: shop.routes })
    const channel = await openChannel(town)
    const { send } = await prepare(channel, '/goods/tea', price)
    const sent = Array.from({ length: 20 }, () => send())
    await until(async () => (await town.stall.running(channel)) === 1, 'the handler runs')
    sent.push(send())
    open()
    const answers = await Promise.all(sent)
    expect(new Set(await Promise.all(answers.map((response) => response.text())))).toEqual(new Set(['tea']))
    expect(new Set(answers.map((response) => response.headers.get(headerNames.statement))).size).toBe(1)
    expect(shop.total()).toBe(1)
    expect(await channel.refresh()).toMatchObject({ spent: price, contiguous: 1 })
  })

  test.each(['stays as it was', 'comes too late'])(
    'runs once among twenty at once that find no channel, whose attachment %s',
    async (how) => {
      const shop = openShop()
      const town = await openTown({ routes: shop.routes })
      const channel = await openChannel(town)
      const { index, headers, send } = await prepare(channel, '/goods/tea', price)
      const bare = without(headerNames.attachment)(headers)
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_none, at) => send(how === 'comes too late' && at < 10 ? { headers: bare } : {})),
      )
      const served = answers.filter(({ status }) => status === 200)
      expect(served.length).toBeGreaterThanOrEqual(10)
      expect(answers.filter(({ status }) => status === 402)).toHaveLength(20 - served.length)
      expect(shop.runs(index)).toBe(1)
      expect(await channel.refresh()).toMatchObject({ spent: price })
    },
  )

  test('is had again after the vendor has started anew, and without the handler', async () => {
    const shop = openShop()
    const town = await openTown({ routes: shop.routes })
    const channel = await openChannel(town)
    const { index, send } = await prepare(channel, '/goods/tea', price)
    const first = await send()
    const body = await first.text()
    await town.stall.restart()
    const again = await send()
    expect([again.status, await again.text()]).toEqual([200, body])
    expect(statementIn(channel, again)).toMatchObject({ index, charged: price, spent: price, contiguous: 1 })
    expect(shop.runs(index)).toBe(1)
  })

  test.each([65_536, 65_537])('of %i bytes is kept up to 64 KiB, and else the statement is', async (size) => {
    const shop = openShop()
    const town = await openTown({ routes: shop.routes })
    const channel = await openChannel(town)
    const { index, send } = await prepare(channel, `/bytes/${size}`, price)
    expect((await (await send()).arrayBuffer()).byteLength).toBe(size)
    const again = await send()
    expect(statementIn(channel, again)).toMatchObject({ index, charged: price, spent: price })
    if (size <= 65_536) expect((await again.arrayBuffer()).byteLength).toBe(size)
    else expect(await problemIn(again)).toMatchObject({ status: 409, reason: 'AnswerGone' })
    expect(shop.runs(index)).toBe(1)
  })

  test('is not had for another request, served or not', async () => {
    const shop = openShop()
    const town = await openTown({ routes: shop.routes })
    const channel = await openChannel(town)
    const { index, send } = await prepare(channel, '/goods/tea', price)
    expect((await send()).status).toBe(200)
    const other = await send({ url: `${town.stall.url}/goods/milk` })
    expect(statementIn(channel, other)).toMatchObject({ index, charged: price })
    expect(await problemIn(other)).toMatchObject({ status: 409, reason: 'IndexConflict' })
    expect(shop.total()).toBe(1)
  })

  test('waits for a request that took its payment for another address, and is then served', async () => {
    const shop = openShop()
    const town = await openTown({ routes: shop.routes, wrapStore: slow(50) })
    const channel = await openChannel(town)
    const { index, send } = await prepare(channel, '/goods/tea', price)
    const [stolen, own] = await Promise.all([send({ url: `${town.stall.url}/goods/milk` }), send()])
    expect(stolen.status).toBe(409)
    expect(own.status).toBe(200)
    expect(shop.runs(index)).toBe(1)
  })
})

describe('an index', () => {
  test('that another payment has is refused, also while that one runs, and changes nothing', async () => {
    const { opened, open } = gate()
    const shop = openShop({ handler: () => opened.then(() => new Response('one')) })
    const town = await openTown({ routes: shop.routes })
    const channel = await openChannel(town)
    const twin = await twinOf(town.client, channel)
    const first = await prepare(channel, '/goods/tea', price)
    // A careless copy of the journal signs the index again, for the same request at another time.
    const headers = headersOf(
      must(Client.pay(twin, { price, digest: first.digest, now: unixSeconds(now + 1n) })).payment,
      twin,
    )
    const running = first.send()
    await until(async () => (await town.stall.running(channel)) === 1, 'the handler runs')
    expect(await problemIn(await first.send({ headers }))).toMatchObject({ status: 409, reason: 'IndexConflict' })
    open()
    expect((await running).status).toBe(200)
    expect(await problemIn(await first.send({ headers }))).toMatchObject({ status: 409, reason: 'IndexConflict' })
    expect((await town.stall.held(channel)).channel.spent).toBe(price)
  })

  test('that was paid is another payment with any one field of its frame changed', async () => {
    const shop = openShop()
    const town = await openTown({ routes: shop.routes })
    const channel = await openChannel(town)
    const { macs } = await twinOf(town.client, channel)
    const { headers, send } = await prepare(channel, '/goods/tea', price)
    expect((await send()).status).toBe(200)
    const frame = readHeader(headers[headerNames.payment]!)
    // Kind, reference and index say which payment it is; the MAC is made for each anew.
    const [first, last] = [17, frame.length - sizes.mac - 1]
    for (const at of [first, 21, 27 + 7, 35, 67, 99, last]) {
      const changed = frame.slice(0, frame.length - sizes.mac)
      changed[at]! ^= 1
      const other = { ...headers, [headerNames.payment]: toBase64url(Frame.seal(changed, macs.frame)) }
      expect(await problemIn(await send({ headers: other })), `byte ${at}`).toMatchObject({ reason: 'IndexConflict' })
    }
    expect(shop.total()).toBe(1)
    expect(await channel.refresh()).toMatchObject({ spent: price })
  })
})

describe('a payment resent alone', () => {
  test('fills the transcript, is credit, and its request may still run once', async () => {
    const shop = openShop()
    const town = await openTown({ routes: shop.routes })
    const channel = await openChannel(town)
    const { index, headers, send } = await prepare(channel, '/goods/tea', price)
    const resend = (): Promise<Response> => fetch(`${town.stall.url}/lockstep/resend`, { method: 'POST', headers })
    for (const response of [await resend(), await resend()]) {
      expect(response.status).toBe(204)
      expect(statementIn(channel, response)).toMatchObject({
        index,
        charged: 0n,
        paid: price,
        credit: price,
        contiguous: 1,
      })
    }
    expect(shop.total()).toBe(0)
    expect((await send()).status).toBe(200)
    expect(statementIn(channel, await resend())).toMatchObject({ index, charged: price, spent: price })
    expect(shop.runs(index)).toBe(1)
  })

  test('while its request runs hears what that one was charged', async () => {
    const { opened, open } = gate()
    const shop = openShop({ handler: () => opened.then(() => new Response('tea')) })
    const town = await openTown({ routes: shop.routes })
    const channel = await openChannel(town)
    const { index, headers, send } = await prepare(channel, '/goods/tea', price)
    const running = send()
    await until(async () => (await town.stall.running(channel)) === 1, 'the handler runs')
    const resent = fetch(`${town.stall.url}/lockstep/resend`, { method: 'POST', headers })
    open()
    expect(statementIn(channel, await resent)).toMatchObject({ index, charged: price })
    expect((await running).status).toBe(200)
  })

  test('is refused as with its request', async () => {
    const town = await openTown({ routes: openShop().routes })
    const channel = await openChannel(town)
    const { headers } = await prepare(channel, '/goods/tea', price)
    const bare = without(headerNames.attachment)(headers)
    const url = `${town.stall.url}/lockstep/resend`
    expect(await problemIn(await fetch(url, { method: 'POST', headers: bare }))).toMatchObject({
      reason: 'ChannelUnknown',
    })
    expect(await problemIn(await fetch(url, { method: 'POST' }))).toMatchObject({ status: 400, reason: 'Malformed' })
  })
})

/** A store whose commits take a while, as on a busy disk. */
function slow(ms: number): (store: VendorStore) => VendorStore {
  return (store) =>
    overriding(store, {
      commit: async (batch) => {
        await new Promise((resolve) => setTimeout(resolve, ms))
        return store.commit(batch)
      },
    })
}
