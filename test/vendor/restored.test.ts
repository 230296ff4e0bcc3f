/** A vendor whose store came back from a backup: what it forgot is never held against it, and costs it no more than that. */

import { describe, expect, test } from 'vitest'
import type { PayingChannel } from '../../src/client/index.ts'
import { managementPaths } from '../../src/http/management.ts'
import { collect } from '../../src/vendor/index.ts'
import { backupVendor, restoreVendor } from '../../src/vendor/store/backup.ts'
import * as Frame from '../../src/wire/Frame.ts'
import { temporaryPath } from '../bank/support.ts'
import {
  gate,
  onEnd,
  openChannel,
  openTown,
  prepare,
  problemIn,
  referenceOf,
  type Stall,
  statementIn,
  type Town,
  until,
} from '../e2e/town.ts'
import { bytesOf, now } from '../protocol/world.ts'
import { openShop, price } from './shop.ts'

const identity = bytesOf('identity since the restore')

/** The vendor with the copy in place of its store, at the same address. */
async function restore(
  { stall }: Pick<Town, 'stall'>,
  copy: string,
  options: Parameters<Stall['restart']>[0] = {},
): Promise<Stall> {
  const path = temporaryPath('restored.sqlite')
  await restoreVendor(copy, path, now)
  return stall.restart({ path, identity, ...options })
}

async function copyOf(stall: Stall): Promise<string> {
  const copy = temporaryPath('copy.sqlite')
  await backupVendor(stall.path, copy)
  return copy
}

async function askClosing(stall: Stall, channel: PayingChannel): Promise<Response> {
  const question = Frame.encodeAsk({ reference: referenceOf(channel), ask: 'closing' }, channel.state.macs.frame)
  return fetch(stall.url + managementPaths.ask, { method: 'POST', body: new Uint8Array(question) })
}

describe('a channel that the copy has', () => {
  test('is charged and closed no more, is claimed for what the copy has, and no closing of the lost life shows more', async () => {
    const shop = openShop()
    const town = await openTown({ routes: shop.routes })
    const channel = await openChannel(town)
    await channel.fetch(`${town.stall.url}/goods/tea`, price)
    const copy = await copyOf(town.stall)
    await channel.fetch(`${town.stall.url}/goods/milk`, price)
    const late = await prepare(channel, '/goods/cake', price)
    const closing = new Uint8Array(await (await askClosing(town.stall, await resent(channel))).arrayBuffer())

    const stall = await restore(town, copy)
    const refused = await late.send()
    expect(statementIn(channel, refused)).toMatchObject({ spent: price, contiguous: 1 })
    expect(await problemIn(refused)).toMatchObject({ status: 402, reason: 'ChannelClosed' })
    // Asked for its last it signs none, and claims at once: its client has the rest.
    expect(await stall.store.unsettled()).toEqual([referenceOf(channel)])
    expect(await problemIn(await askClosing(stall, channel))).toMatchObject({ reason: 'ChannelClosed' })
    expect((await stall.held(channel)).closing).toBeUndefined()
    expect((await stall.held(channel)).channel.phase).toBe('closing')
    expect(shop.total()).toBe(2)

    expect(await collect(stall, await stall.held(channel), town.bankUrl)).toMatchObject({ settled: price })
    expect(await town.bank.overcharge(closing)).toMatchObject({ ok: false, reason: 'EvidenceInvalid' })
    expect(await stall.store.unsettled()).toEqual([])
  })

  test('was closed in the copy: the same closing is had again, and the same claim is paid', async () => {
    const town = await openTown({ routes: openShop().routes })
    const channel = await openChannel(town)
    await channel.fetch(`${town.stall.url}/goods/tea`, price)
    const before = await (await askClosing(town.stall, channel)).arrayBuffer()
    const stall = await restore(town, await copyOf(town.stall))
    expect(await (await askClosing(stall, channel)).arrayBuffer()).toEqual(before)
    expect(await channel.close()).toMatchObject({ closing: { spent: price }, receiptsOpened: 2 })
    expect(await collect(stall, await stall.held(channel), town.bankUrl)).toMatchObject({
      settled: price,
      basis: 'proven',
    })
  })

  test('was claimed in the life that was lost: the bank says for how much, and nothing is left to do', async () => {
    const town = await openTown({ routes: openShop().routes })
    const channel = await openChannel(town)
    await channel.fetch(`${town.stall.url}/goods/tea`, price)
    const copy = await copyOf(town.stall)
    await channel.fetch(`${town.stall.url}/goods/milk`, price)
    await channel.close()
    await collect(town.stall, await town.stall.held(channel), town.bankUrl)
    const stall = await restore(town, copy)
    const collected = await collect(stall, await stall.held(channel), town.bankUrl)
    expect(collected).toMatchObject({ settled: 2n * price, basis: 'proven' })
    expect((await stall.held(channel)).channel.phase).toBe('closed')
  })

  test('had a request running, which counts as released, also where the route may run it again', async () => {
    const { opened, open } = gate()
    onEnd(async () => open())
    const shop = openShop({ idempotent: true, handler: () => opened.then(() => new Response('tea')) })
    const town = await openTown({ routes: shop.routes, serve: { closeTimeoutMs: 50 } })
    const channel = await openChannel(town)
    const running = await prepare(channel, '/goods/tea', price)
    const lost = running.send().catch(() => undefined)
    await until(async () => (await town.stall.running(channel)) === 1, 'the handler runs')
    await town.stall.till.flush()
    const copy = await copyOf(town.stall)
    open()
    await lost
    const stall = await restore(town, copy, { routes: openShop({ idempotent: true }).routes })
    expect(await stall.store.running()).toMatchObject([{ index: 1 }])
    const response = await running.send()
    expect(statementIn(channel, response)).toMatchObject({ charged: 0n, spent: 0n })
    expect(await problemIn(response)).toMatchObject({ reason: 'ChannelClosed' })
    expect(await collect(stall, await stall.held(channel), town.bankUrl)).toMatchObject({ settled: 0n })
  })
})

describe('a channel that the copy does not have', () => {
  test('is refused where it was opened before the restore, and taken in where it was opened since', async () => {
    const town = await openTown({ routes: openShop().routes })
    const copy = await copyOf(town.stall)
    const channel = await openChannel(town)
    await channel.fetch(`${town.stall.url}/goods/tea`, price)
    const stall = await restore(town, copy)
    const late = await prepare(channel, '/goods/milk', price)
    expect(await problemIn(await late.send())).toMatchObject({ status: 402, reason: 'ChannelClosed' })
    const fresh = await town.client.wallet.open(stall.url, { funds: 10_000n })
    expect((await fresh.fetch(`${stall.url}/goods/milk`, price)).status).toBe(200)
    expect(await fresh.close()).toMatchObject({ closing: { spent: price } })
    expect(await collect(stall, await stall.held(fresh), town.bankUrl)).toMatchObject({ settled: price })
  })
})

test('a channel that expired is told of once, and claimed no more', async () => {
  const town = await openTown({ routes: openShop().routes })
  const channel = await openChannel(town)
  await channel.fetch(`${town.stall.url}/goods/tea`, price)
  const { expiresAt, graceSeconds } = channel.state.terms
  await town.setClock(expiresAt + BigInt(graceSeconds) + 1n)
  const claimed = collect(town.stall, await town.stall.held(channel), town.bankUrl)
  await expect(claimed).rejects.toMatchObject({ name: 'CollectError', isUnknown: false })
  expect(await town.stall.store.unsettled()).toHaveLength(1)
  expect(await town.bank.expire()).toBe(1)
  await expect(collect(town.stall, await town.stall.held(channel), town.bankUrl)).rejects.toThrow(
    /expired .* 30 went back/,
  )
  expect(await town.stall.store.unsettled()).toEqual([])
})

/** A channel whose vendor has every payment that was made. */
async function resent(channel: PayingChannel): Promise<PayingChannel> {
  await channel.resend()
  return channel
}
