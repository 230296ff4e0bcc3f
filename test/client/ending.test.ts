/** How channels end from the client's side, whatever their vendors do: real bank, vendor and client over sockets. */

import { DatabaseSync } from 'node:sqlite'
import { describe, expect, test } from 'vitest'
import { type Fetch, RefusedError, UnansweredError } from '../../src/client/index.ts'
import { bankPaths } from '../../src/http/bank.ts'
import { managementPaths } from '../../src/http/management.ts'
import { close, collect } from '../../src/vendor/index.ts'
import { backupVendor, restoreVendor } from '../../src/vendor/store/backup.ts'
import { amount, unixSeconds } from '../../src/wire/amount.ts'
import * as Closing from '../../src/wire/Closing.ts'
import { commandOf } from '../bank/acts.ts'
import { temporaryPath } from '../bank/support.ts'
import { openChannel, openClient, openTown, type Town } from '../e2e/town.ts'
import { account, bytesOf, must, now, vendorKey } from '../protocol/world.ts'
import { openShop, price } from '../vendor/shop.ts'

const funds = 10_000n

/** A town whose client does not reach what `isAway` names. */
async function openWithLine(): Promise<Town & { readonly line: { isAway: (url: string) => boolean } }> {
  const line: { isAway: (url: string) => boolean } = { isAway: () => false }
  const through: Fetch = (input, init) => {
    const url = typeof input === 'string' ? input : input.url
    return line.isAway(url) ? Promise.reject(new TypeError('no way there')) : fetch(input, init)
  }
  const town = await openTown({ routes: openShop().routes, fetch: through })
  return { ...town, line }
}

async function paid(town: Town, options: { readonly lockScheme?: 'ecdsa-xor' } = {}) {
  const channel = await town.client.wallet.open(town.stall.url, { funds, ...options })
  for (const name of ['tea', 'milk']) await channel.fetch(`${town.stall.url}/goods/${name}`, price)
  return channel
}

const spent = 2n * price

describe('a release that the vendor does not take', () => {
  test('is left at the bank, and opens every receipt once the vendor fetches it', async () => {
    const town = await openWithLine()
    const channel = await paid(town)
    town.line.isAway = (url) => url.endsWith(managementPaths.release)
    expect(await channel.close()).toMatchObject({ closing: { spent, index: 2 }, released: 'bank', receiptsOpened: 0 })
    const held = await town.stall.held(channel)
    expect(held.release).toBeUndefined()
    expect(await collect(town.stall, held, town.bankUrl)).toMatchObject({ settled: spent, basis: 'proven' })
    expect(held.release).toBeDefined()
    // Closed again, the vendor has it from the client as well.
    town.line.isAway = () => false
    expect(await channel.close()).toMatchObject({ released: 'vendor', receiptsOpened: 3 })
  })

  test('is told to the bank once, however often its client asks what came back', async () => {
    const told: string[] = []
    const town = await openTown({
      routes: openShop().routes,
      fetch: (input, init) => {
        const url = typeof input === 'string' ? input : input.url
        if (init?.method === 'POST' && url.includes('/v1/')) told.push(new URL(url).pathname)
        return url.endsWith(managementPaths.release)
          ? Promise.reject(new TypeError('no way there'))
          : fetch(input, init)
      },
    })
    const channel = await paid(town)
    await channel.close()
    const once = [bankPaths.open, bankPaths.closing, bankPaths.command]
    expect(told).toEqual(once)
    for (let times = 0; times < 3; times++) await town.client.wallet.sync()
    expect(told).toEqual(once)
    // Who starts again does not know that, and says it once more.
    await town.client.close()
    const client = openClient(town.bankUrl, { path: town.client.path })
    expect(await client.wallet.sync()).toEqual({ opened: [], ended: [], failed: [] })
    await collect(town.stall, await town.stall.held(channel), town.bankUrl)
    expect(await client.wallet.sync()).toMatchObject({ ended: [{ outcome: { settled: spent } }] })
  })

  test('is kept by the client where the bank is away too, and given to either the next time', async () => {
    const town = await openWithLine()
    const channel = await paid(town)
    town.line.isAway = (url) => url.endsWith(managementPaths.release) || url.startsWith(town.bankUrl)
    await expect(channel.close()).rejects.toThrow(UnansweredError)
    town.line.isAway = (url) => url.startsWith(town.stall.url)
    expect(await channel.close()).toMatchObject({ released: 'bank' })
  })

  test('reaches a vendor that lost its store: it is paid what it had charged, and no closing says less', async () => {
    const town = await openWithLine()
    const channel = await town.client.wallet.open(town.stall.url, { funds })
    await channel.fetch(`${town.stall.url}/goods/tea`, price)
    const [copy, path] = [temporaryPath('copy.sqlite'), temporaryPath('restored.sqlite')]
    await backupVendor(town.stall.path, copy)
    await channel.fetch(`${town.stall.url}/goods/milk`, price)
    town.line.isAway = (url) => url.endsWith(managementPaths.release)
    await channel.close()
    await restoreVendor(copy, path, now)
    const stall = await town.stall.restart({ path, identity: bytesOf('since') })
    expect((await stall.held(channel)).channel.spent).toBe(price)
    expect(await collect(stall, await stall.held(channel), town.bankUrl)).toMatchObject({ settled: spent })
    expect(await town.client.wallet.sync()).toMatchObject({ ended: [{ outcome: { settled: spent, returned: 0n } }] })
  })
})

describe('a closing that the vendor left at the bank', () => {
  test('is answered there where the vendor is away', async () => {
    const town = await openWithLine()
    const channel = await paid(town)
    await town.bank.leaveClosing(must(await close(town.stall, await town.stall.held(channel))).closing)
    town.line.isAway = (url) => url.startsWith(town.stall.url)
    expect(await channel.close()).toMatchObject({ closing: { spent }, released: 'bank' })
    town.line.isAway = () => false
    expect(await collect(town.stall, await town.stall.held(channel), town.bankUrl)).toMatchObject({ basis: 'proven' })
  })

  test('is left there by a vendor that claims, where only its client can open the receipts, and answered when that is back', async () => {
    const town = await openWithLine()
    const channel = await paid(town, { lockScheme: 'ecdsa-xor' })
    const { channelId } = channel.state
    town.line.isAway = () => true
    const held = await town.stall.held(channel)
    expect(await collect(town.stall, held, town.bankUrl)).toMatchObject({ settled: spent })
    expect(held.release).toBeUndefined()
    // It comes back, and looks how its channels stand: that is all it takes.
    town.line.isAway = (url) => url.startsWith(town.stall.url)
    expect(await town.client.wallet.sync()).toMatchObject({ ended: [{ outcome: { settled: spent, returned: 0n } }] })
    expect(await town.bank.status(channelId)).toMatchObject({ status: 'closed', settled: spent })
    expect(await collect(town.stall, held, town.bankUrl)).toMatchObject({ settled: spent })
    expect(Closing.parseRelease(held.release!)).toMatchObject({ ok: true, value: { channelId } })
    expect(await scoreOf(town)).toBe(61)
  })

  test('is not left where the receipts open from the bank’s own', async () => {
    const town = await openWithLine()
    const channel = await paid(town)
    const held = await town.stall.held(channel)
    expect(await collect(town.stall, held, town.bankUrl)).toMatchObject({ settled: spent })
    expect(held.closing).toBeUndefined()
    await expect(channel.bank.fetchClosing()).resolves.toBeUndefined()
  })

  test('is disputed where it is wrong: nothing is released, and nobody says that it was withheld', async () => {
    const town = await openWithLine()
    const channel = await paid(town, { lockScheme: 'ecdsa-xor' })
    const { channelId, transcript, terms } = channel.state
    const wrong = Closing.sign(vendorKey, { channelId, index: 2, spent: amount(spent + 1n), transcript })
    await town.bank.leaveClosing(Closing.encode(wrong))
    town.line.isAway = (url) => url.startsWith(town.stall.url)
    await expect(channel.close()).rejects.toThrow(RefusedError)
    expect(channel.kept).toEqual({ closing: undefined, release: undefined })
    await town.setClock(terms.expiresAt + 2n * BigInt(terms.graceSeconds))
    expect(await town.bank.review()).toBe(0)
    expect(await scoreOf(town)).toBe(60)
  })

  test('is not there: the vendor’s silence, or what it said, is what the caller hears', async () => {
    const town = await openWithLine()
    const channel = await paid(town)
    town.line.isAway = (url) => url.startsWith(town.stall.url)
    await expect(channel.close()).rejects.toThrow(UnansweredError)
    // Nothing was given up: the channel goes on.
    town.line.isAway = () => false
    expect((await channel.fetch(`${town.stall.url}/goods/cake`, price)).status).toBe(200)
  })
})

describe('a channel that was never paid with', () => {
  test('is closed by its vendor for nothing, and all of it comes back', async () => {
    const town = await openWithLine()
    const channel = await openChannel(town, funds)
    expect(await channel.close()).toMatchObject({ closing: { index: 0, spent: 0n }, released: 'nobody' })
    expect(await channel.close()).toMatchObject({ released: 'nobody' })
    await expect(channel.fetch(`${town.stall.url}/goods/tea`, price)).rejects.toThrow(RefusedError)
    const [reference] = await town.stall.store.unsettled()
    expect(reference).toEqual(channel.state.channelId.slice(0, 16))
    expect(await collect(town.stall, await town.stall.held(channel), town.bankUrl)).toMatchObject({
      settled: 0n,
      refund: funds,
    })
    expect(await town.client.wallet.sync()).toMatchObject({ ended: [{ outcome: { settled: 0n, refund: funds } }] })
  })
})

describe('what came back', () => {
  test('is known after a claim, once, and the channel is in use no more', async () => {
    const town = await openWithLine()
    const [one, two] = [await paid(town), await paid(town)]
    expect(await town.client.wallet.sync()).toEqual({ opened: [], ended: [], failed: [] })
    await collect(town.stall, await town.stall.held(one), town.bankUrl)
    const outcome = { status: 'closed', settled: spent, refund: funds - spent, returned: 0n }
    const { channelId } = one.state
    expect(await town.client.wallet.sync()).toEqual({
      opened: [],
      ended: [{ channelId, vendorUrl: town.stall.url, outcome }],
      failed: [],
    })
    expect(await town.client.wallet.sync()).toEqual({ opened: [], ended: [], failed: [] })
    expect(await town.client.wallet.channels()).toEqual([two])
    expect(await town.client.journal.ended()).toMatchObject([{ channelId, outcome }])
    await expect(one.fetch(`${town.stall.url}/goods/tea`, price)).rejects.toThrow(RefusedError)
    expect(await one.settle()).toEqual(outcome)
  })

  test('is everything after the deadline, asked for by the client or given back by the bank itself', async () => {
    let clock = now
    const town = await openTown({ routes: openShop().routes, wallet: { now: () => clock } })
    const [one, two] = [await paid(town), await paid(town)]
    const { expiresAt, graceSeconds } = one.state.terms
    const deadline = expiresAt + BigInt(graceSeconds)
    clock = unixSeconds(deadline + 1n)
    // Too early by the bank's clock.
    expect(await town.client.wallet.sync()).toEqual({ opened: [], ended: [], failed: [] })
    await town.setClock(deadline + 1n)
    expect(await one.settle()).toEqual({ status: 'expired', settled: 0n, refund: funds, returned: 0n })
    expect(await town.bank.expire()).toBe(1)
    expect(await town.client.wallet.sync()).toMatchObject({
      ended: [{ channelId: two.state.channelId, outcome: { status: 'expired', refund: funds } }],
      failed: [],
    })
    expect(await town.bank.balance(account.publicKey, 'USD/6')).toMatchObject({ balance: 100_000_000n })
  })

  test('is more where the vendor claimed above its own closing: the bank takes that back', async () => {
    const town = await openWithLine()
    const channel = await paid(town)
    await channel.close()
    const held = await town.stall.held(channel)
    // A vendor that cheats: it claims all that was paid, and says that it had charged less.
    const { channelId, transcript } = channel.state
    const less = Closing.sign(vendorKey, { channelId, index: 2, spent: amount(price), transcript })
    expect(await collect(town.stall, held, town.bankUrl)).toMatchObject({ settled: spent })
    await town.client.close()
    const client = openClient(town.bankUrl, { path: town.client.path })
    const [stored] = await client.journal.channels()
    await client.journal.commit(channelId, { ...stored!.state!, closing: Closing.encode(less) })
    expect(await client.wallet.sync()).toMatchObject({ ended: [{ outcome: { settled: spent, returned: price } }] })
    expect(await town.bank.balance(vendorKey.publicKey, 'USD/6')).toMatchObject({ balance: price })
    expect(await town.bank.proofs(channelId)).toMatchObject([{ cause: 'overcharge', amount: price }])
  })

  test('comes also from channels that sign nothing any more, and one that fails does so alone', async () => {
    const town = await openWithLine()
    const [one, two] = [await paid(town), await paid(town)]
    for (const channel of [one, two]) await collect(town.stall, await town.stall.held(channel), town.bankUrl)
    town.line.isAway = (url) => url.endsWith(bankPaths.channel(one.state.channelId))
    const first = await town.client.wallet.sync()
    expect(first.ended).toMatchObject([{ channelId: two.state.channelId }])
    expect(first.failed).toMatchObject([{ channelId: one.state.channelId, cause: { name: 'UnansweredError' } }])
    await town.client.close()
    const db = new DatabaseSync(town.client.path)
    db.exec(`UPDATE channels SET retired = 'an old copy'; DELETE FROM secrets`)
    db.close()
    const client = openClient(town.bankUrl, { path: town.client.path })
    expect(await client.wallet.channels()).toEqual([])
    expect(await client.wallet.sync()).toMatchObject({
      ended: [{ channelId: one.state.channelId, outcome: { status: 'closed', refund: funds - spent } }],
    })
    expect(await client.journal.retired()).toEqual([])
  })
})

describe('a claim and the client’s own asking, at once and repeated', () => {
  test.each([
    ['in the last second of the deadline', 0n, 'closed'],
    ['in the second after it', 1n, 'expired'],
  ] as const)('move the money once, %s', async (_, late, status) => {
    const clock = { now: now as bigint }
    const town = await openTown({ routes: openShop().routes, wallet: { now: () => unixSeconds(clock.now) } })
    const channels = [await paid(town), await paid(town), await paid(town)]
    const { expiresAt, graceSeconds } = channels[0]!.state.terms
    // The client's clock is ahead: it asks in any case.
    clock.now = expiresAt + BigInt(graceSeconds) + 1n
    await town.setClock(expiresAt + BigInt(graceSeconds) + late)
    for (const [number, channel] of channels.entries()) {
      const held = await town.stall.held(channel)
      const acts = [
        () => collect(town.stall, held, town.bankUrl),
        () => channel.settle(),
        () => collect(town.stall, held, town.bankUrl),
        () => channel.settle(),
        () => town.bank.expire(),
      ]
      await Promise.allSettled((number % 2 === 0 ? acts : acts.toReversed()).map((act) => act()))
      expect(await town.bank.status(channel.state.channelId)).toMatchObject({ status })
      expect(await channel.settle()).toMatchObject({ status })
    }
    const settled = status === 'closed' ? 3n * spent : 0n
    expect(await town.bank.balance(account.publicKey, 'USD/6')).toMatchObject({ balance: 100_000_000n - settled })
    expect(await town.bank.balance(vendorKey.publicKey, 'USD/6')).toMatchObject({ balance: settled })
  })
})

describe('a release that came too late', () => {
  test('gives the score back once the client is there again', async () => {
    const town = await openWithLine()
    const channel = await paid(town, { lockScheme: 'ecdsa-xor' })
    const { channelId, terms } = channel.state
    const held = await town.stall.held(channel)
    await town.bank.leaveClosing(must(await close(town.stall, held)).closing)
    // It fetched the closing, and was gone before it could answer.
    must(
      await town.bank.command(
        commandOf({ kind: 'fetchClosing', channelId }, { id: 'fetch', validUntil: now + 80_000n }),
      ),
    )
    await collect(town.stall, held, town.bankUrl)
    await town.setClock(terms.expiresAt + 2n * BigInt(terms.graceSeconds))
    expect(await town.bank.review()).toBe(1)
    expect(await scoreOf(town)).toBe(56)
    const later = terms.expiresAt + 2n * BigInt(terms.graceSeconds)
    await town.client.close()
    const client = openClient(town.bankUrl, { path: town.client.path, now: () => unixSeconds(later) })
    expect(await client.wallet.sync()).toMatchObject({ ended: [{ outcome: { settled: spent } }], failed: [] })
    expect(await scoreOf(town)).toBe(61)
  })
})

async function scoreOf({ bank }: Town): Promise<number | undefined> {
  return (await bank.reputation(account.publicKey, { before: undefined, limit: 10 }))?.score
}
