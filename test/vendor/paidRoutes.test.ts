import { describe, expect, test } from 'vitest'
import { headerNames } from '../../src/http/headers.ts'
import * as Offer from '../../src/http/Offer.ts'
import { windowSize } from '../../src/wire/kinds.ts'
import { isSealed } from '../../src/wire/mac.ts'
import { contents } from '../bank/support.ts'
import { openChannel, openTown, prepare, problemIn, statementIn } from '../e2e/town.ts'
import { now } from '../protocol/world.ts'
import { changeFrame, changeHeader, readHeader, without } from './frames.ts'
import { openShop, price } from './shop.ts'

describe('a paid request', () => {
  test('is served and charged once, and its statement is the vendor’s', async () => {
    const town = await openTown({ routes: openShop().routes })
    const channel = await openChannel(town)
    const { index, send } = await prepare(channel, '/goods/tea', price)
    const response = await send()
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({ name: 'tea', run: 1 })
    expect(statementIn(channel, response)).toMatchObject({
      index,
      charged: price,
      spent: price,
      paid: price,
      credit: 0n,
      contiguous: 1,
      segment: 0,
    })
    const sealed = readHeader(response.headers.get(headerNames.statement)!)
    expect(isSealed(sealed, channel.state.macs.statement)).toBe(true)
    expect(isSealed(sealed, channel.state.macs.frame)).toBe(false)
    expect(response.headers.get('cache-control')).toBe('private, no-store')
    expect(await town.stall.store.payment(channel.state.channelId, index)).toMatchObject({
      status: 'charged',
      charged: price,
    })
  })

  test('covers its body and its query, and its handler sees the public address, whatever the Host header says', async () => {
    const town = await openTown({ routes: openShop().routes, publicUrl: 'https://shop.example' })
    const channel = await openChannel(town)
    const asked = { method: 'POST', body: 'milk?', vendorUrl: 'https://shop.example' }
    const first = await prepare(channel, '/echo?cup=1', price, asked)
    const response = await first.send({ url: `${town.stall.url}/echo?cup=1` })
    expect(await response.text()).toBe('milk?')
    expect(response.headers.get('x-url')).toBe('https://shop.example/echo?cup=1')
    for (const change of [
      { url: `${town.stall.url}/echo?cup=2` },
      { url: `${town.stall.url}/echo` },
      { url: `${town.stall.url}/echo?cup=1`, body: 'milk!' },
    ]) {
      const { send } = await prepare(channel, '/echo?cup=1', price, asked)
      expect(await problemIn(await send(change))).toMatchObject({ status: 409, reason: 'RequestMismatch' })
    }
  })

  test('for another address keeps its credit, which pays the next one', async () => {
    const shop = openShop()
    const town = await openTown({ routes: shop.routes })
    const channel = await openChannel(town)
    const { index, send } = await prepare(channel, '/goods/tea', price)
    const response = await send({ url: `${town.stall.url}/goods/milk` })
    expect(statementIn(channel, response)).toMatchObject({ index, charged: 0n, spent: 0n, paid: price, credit: price })
    expect(await problemIn(response)).toMatchObject({ status: 409, reason: 'RequestMismatch' })
    expect(shop.total()).toBe(0)
    channel.abandon([index])
    expect((await channel.fetch(`${town.stall.url}/goods/milk`, price)).status).toBe(200)
    expect(channel.state.paid).toBe(price)
    // Its own request may still run, once, where there is credit for it.
    expect((await send()).status).toBe(402)
    await (await prepare(channel, '/goods/x', price)).send({ url: `${town.stall.url}/goods/y` })
    expect((await send()).status).toBe(200)
    expect(shop.runs(index)).toBe(1)
  })

  test('that costs more than there is keeps its credit, and the next one pays the rest', async () => {
    const shop = openShop()
    const town = await openTown({ routes: shop.routes })
    const channel = await openChannel(town)
    const response = await channel.fetch(`${town.stall.url}/goods/tea`, price - 10n)
    expect(response.headers.get('www-authenticate')).toBe(
      'Lockstep offer="/.well-known/lockstep", price="30", asset="USD/6"',
    )
    expect(statementIn(channel, response)).toMatchObject({ index: 1, charged: 0n, paid: price - 10n })
    expect(await problemIn(response)).toMatchObject({ status: 402, reason: 'CreditTooLow' })
    expect((await channel.fetch(`${town.stall.url}/goods/tea`, price)).status).toBe(200)
    expect(channel.state).toMatchObject({ paid: price, acknowledged: price })
    expect(shop.total()).toBe(1)
  })

  test('that costs nothing runs once as well', async () => {
    const shop = openShop()
    const town = await openTown({ routes: shop.routes })
    const channel = await openChannel(town)
    const { index, send } = await prepare(channel, '/free', 0n)
    expect(await (await send()).text()).toBe('free')
    expect(await (await send()).text()).toBe('free')
    expect(shop.runs(index)).toBe(1)
  })

  test.each(['204', '205', '304'])('may have an empty answer: %s', async (status) => {
    const town = await openTown({ routes: openShop().routes })
    const channel = await openChannel(town)
    const { send } = await prepare(channel, `/empty/${status}`, price)
    for (const response of [await send(), await send()]) {
      expect(response.status).toBe(Number(status))
      expect(statementIn(channel, response)?.charged).toBe(price)
    }
  })
})

describe('a handler that fails', () => {
  test.each([
    ['/throw/now', 500],
    ['/throw/later', 500],
    ['/throw/body', 500],
    ['/throw/nothing', 500],
    ['/throw/error', 500],
    ['/status/404', 404],
    ['/status/503', 503],
  ])('is not charged, and its payment is credit for the next: %s', async (path, status) => {
    const shop = openShop()
    const town = await openTown({ routes: shop.routes })
    const channel = await openChannel(town)
    const response = await channel.fetch(town.stall.url + path, price)
    expect(response.status).toBe(status)
    expect(await response.text()).not.toContain('secret')
    expect(statementIn(channel, response)).toMatchObject({ index: 1, charged: 0n, spent: 0n, credit: price })
    expect(await town.stall.store.payment(channel.state.channelId, 1)).toMatchObject({
      status: 'released',
      charged: 0n,
    })
    expect((await channel.fetch(`${town.stall.url}/goods/tea`, price)).status).toBe(200)
    expect(channel.state).toMatchObject({ paid: price, acknowledged: price })
    expect(town.stall.errors).toHaveLength(status === 500 ? 1 : 0)
    expect(await town.stall.store.running()).toEqual([])
  })

  test('has run: the same payment gets the same failure', async () => {
    const shop = openShop()
    const town = await openTown({ routes: shop.routes })
    const channel = await openChannel(town)
    const { index, send } = await prepare(channel, '/throw/now', price)
    expect(await problemIn(await send())).toEqual(await problemIn(await send()))
    expect(shop.runs(index)).toBe(1)
  })
})

describe('a refusal reaches its client as a problem document, and nothing is stored', () => {
  test.each([
    ['no payment', 402, 'PaymentRequired', () => ({})],
    ['no base64url', 400, 'Malformed', changeHeader(headerNames.payment, () => '$$$')],
    ['too long', 400, 'Malformed', changeHeader(headerNames.payment, (value) => value.repeat(2))],
    ['half of it', 400, 'Malformed', changeHeader(headerNames.payment, (value) => value.slice(0, 100))],
    ['another version', 400, 'VersionUnsupported', changeHeader(headerNames.payment, (value) => `I${value.slice(1)}`)],
    ['a broken checkpoint', 400, 'Malformed', (headers: Headers) => ({ ...headers, [headerNames.checkpoint]: 'AAAA' })],
    ['a broken attachment', 400, 'Malformed', changeHeader(headerNames.attachment, (value) => value.slice(4))],
    ['a price that is none', 400, 'Malformed', (headers: Headers) => ({ ...headers, [headerNames.price]: '0.5' })],
    ['no attachment', 402, 'ChannelUnknown', without(headerNames.attachment)],
    ['a grant by nobody', 402, 'GrantInvalid', changeFrame(headerNames.attachment, (bytes) => flip(bytes, 400))],
    ['another MAC', 401, 'MacMismatch', changeFrame(headerNames.payment, (bytes) => flip(bytes, bytes.length - 1))],
    ['another digest', 401, 'MacMismatch', changeFrame(headerNames.payment, (bytes) => flip(bytes, 40))],
  ] as const)('%s: %i %s', async (_, status, reason, change) => {
    const shop = openShop()
    const town = await openTown({ routes: shop.routes })
    const channel = await openChannel(town)
    const { headers, send } = await prepare(channel, '/goods/tea', price)
    const before = contents(town.stall.path)
    const response = await send({ headers: change(headers) })
    expect(statementIn(channel, response)).toBeUndefined()
    expect(await problemIn(response)).toMatchObject({ status, reason })
    expect(response.headers.get('www-authenticate') !== null).toBe(status === 402)
    expect(contents(town.stall.path)).toEqual(before)
    expect(shop.total()).toBe(0)
    expect((await send()).status).toBe(200)
  })

  test('an expired channel, which hears where it stands', async () => {
    let clock = now
    const town = await openTown({ routes: openShop().routes, now: () => clock })
    const channel = await openChannel(town)
    expect((await channel.fetch(`${town.stall.url}/goods/tea`, price)).status).toBe(200)
    const { send } = await prepare(channel, '/goods/tea', price)
    clock = channel.state.terms.expiresAt
    const response = await send()
    expect(statementIn(channel, response)).toMatchObject({ index: 0, spent: price, paid: price })
    expect(await problemIn(response)).toMatchObject({ status: 402, reason: 'ChannelExpired' })
  })

  test('too many new channels', async () => {
    const town = await openTown({ routes: openShop().routes, till: { attachmentRate: 1 } })
    const [first, second] = [await openChannel(town, 1000n), await openChannel(town, 1000n)]
    expect((await first.fetch(`${town.stall.url}/goods/tea`, price)).status).toBe(200)
    const { send } = await prepare(second, '/goods/tea', price)
    expect(await problemIn(await send())).toMatchObject({ status: 429, reason: 'AttachmentRateLimited' })
  })

  test('wrong coins, of which three suspend the channel for good', async () => {
    const town = await openTown({ routes: openShop().routes })
    const channel = await openChannel(town)
    expect((await channel.fetch(`${town.stall.url}/goods/tea`, price)).status).toBe(200)
    const { headers, send } = await prepare(channel, '/goods/tea', price)
    const { macs } = channel.state
    const wrong = changeFrame(headerNames.payment, (bytes) => {
      const unsealed = flip(bytes, 70).subarray(0, -16)
      return Buffer.concat([unsealed, macs.frame(unsealed)])
    })(headers)
    for (const strikes of [1, 2, 3]) {
      const response = await send({ headers: wrong })
      expect(statementIn(channel, response)).toMatchObject({ index: 0, spent: price })
      expect(await problemIn(response)).toMatchObject({ status: 402, reason: 'CoinMismatch' })
      const stored = await town.stall.store.channel(channel.state.channelId.subarray(0, 16))
      expect(stored).toMatchObject({ strikes, paid: price, spent: price })
    }
    expect(await problemIn(await send())).toMatchObject({ status: 403, reason: 'ChannelSuspended' })
    const restarted = await town.stall.restart()
    expect(await problemIn(await send())).toMatchObject({ status: 403, reason: 'ChannelSuspended' })
    expect((await restarted.held(channel)).channel.spent).toBe(price)
  })

  test('an index past the window, until what is missing is there', async () => {
    const town = await openTown({ routes: openShop().routes, wallet: { path: ':memory:' } })
    const channel = await openChannel(town)
    const first = await prepare(channel, '/goods/tea', price)
    for (let index = 2; index <= windowSize; index++) await prepare(channel, '/free', 0n)
    const inside = await prepare(channel, '/free', 0n)
    const outside = await prepare(channel, '/free', 0n)
    // What comes last lies one past the window of nothing at all.
    const response = await inside.send()
    expect(statementIn(channel, response)).toMatchObject({ index: 0, contiguous: 0, paid: 0n })
    expect(await problemIn(response)).toMatchObject({ status: 409, reason: 'IndexOutsideWindow' })
    expect((await first.send()).status).toBe(200)
    expect((await inside.send()).status).toBe(200)
    const refused = await outside.send()
    expect(statementIn(channel, refused)).toMatchObject({ index: 0, contiguous: 1 })
    expect(await problemIn(refused)).toMatchObject({ status: 409, reason: 'IndexOutsideWindow' })
    expect(await channel.resend()).toBe(windowSize + 1)
    expect((await outside.send()).status).toBe(200)
    expect(await channel.refresh()).toMatchObject({ contiguous: windowSize + 2, spent: price })
  })
})

describe('the offer', () => {
  test('is at its place, comes with what is not paid, and is not sent twice', async () => {
    const town = await openTown({ routes: openShop().routes })
    const url = town.stall.url + Offer.offerPath
    const response = await fetch(url)
    const offer = Offer.parse(await response.text())
    expect(offer).toMatchObject({ ok: true, value: { version: 1, unitPrice: 10n } })
    const etag = response.headers.get('etag')!
    for (const known of [etag, `"other", W/${etag}`, '*']) {
      const again = await fetch(url, { headers: { 'If-None-Match': known } })
      expect([again.status, await again.text()]).toEqual([304, ''])
    }
    expect((await fetch(url, { headers: { 'If-None-Match': '"other"' } })).status).toBe(200)
    const head = await fetch(url, { method: 'HEAD' })
    expect([head.status, head.headers.get('etag'), await head.text()]).toEqual([200, etag, ''])
    const unpaid = (await (await fetch(`${town.stall.url}/goods/tea`)).json()) as { offer: unknown }
    expect(Offer.parse(JSON.stringify(unpaid.offer))).toEqual(offer)
  })
})

describe('a page in a browser', () => {
  test('may pay, and asks for that once a day', async () => {
    const town = await openTown({ routes: openShop().routes })
    const channel = await openChannel(town)
    for (const path of ['/goods/tea', Offer.offerPath, '/lockstep/ask', '/nothing']) {
      const preflight = await fetch(town.stall.url + path, {
        method: 'OPTIONS',
        headers: { 'Access-Control-Request-Method': 'GET', Origin: 'https://page.example' },
      })
      expect(preflight.status).toBe(204)
      expect(preflight.headers.get('access-control-allow-origin')).toBe('*')
      expect(preflight.headers.get('access-control-allow-headers')).toContain(headerNames.payment)
      expect(preflight.headers.get('access-control-max-age')).toBe('86400')
    }
    const paid = await channel.fetch(`${town.stall.url}/goods/tea`, price)
    const unpaid = await fetch(`${town.stall.url}/goods/tea`)
    for (const response of [paid, unpaid]) {
      expect(response.headers.get('access-control-allow-origin')).toBe('*')
      expect(response.headers.get('access-control-expose-headers')).toContain(headerNames.statement)
    }
  })
})

test('a method that a path does not have is refused with those it has', async () => {
  const town = await openTown({ routes: openShop().routes })
  for (const [path, allow] of [
    ['/goods/tea', 'GET'],
    [Offer.offerPath, 'GET, HEAD'],
    ['/lockstep/ask', 'POST'],
    ['/lockstep/resend', 'POST'],
    ['/lockstep/release', 'POST'],
  ] as const) {
    const response = await fetch(town.stall.url + path, { method: 'DELETE' })
    expect(response.headers.get('allow')).toBe(allow)
    expect(await problemIn(response)).toMatchObject({ status: 405, reason: 'MethodNotAllowed' })
  }
  expect(await problemIn(await fetch(`${town.stall.url}/nothing`))).toMatchObject({ status: 404, reason: 'NotFound' })
})

type Headers = Record<string, string>

function flip(bytes: Uint8Array, at: number): Uint8Array {
  return bytes.map((byte, place) => (place === at ? byte ^ 1 : byte))
}
