import { afterEach, describe, expect, test } from 'vitest'
import { Client, openFromLast, Vendor } from '../../src/protocol/index.ts'
import { archive } from '../../src/vendor/archive.ts'
import { close, release, settled } from '../../src/vendor/closing.ts'
import { readCores } from '../../src/vendor/held.ts'
import type { VendorDatabase } from '../../src/vendor/store/contract.ts'
import { sqliteVendorStore } from '../../src/vendor/store/sqlite.ts'
import * as Attachment from '../../src/wire/Attachment.ts'
import * as Checkpoint from '../../src/wire/Checkpoint.ts'
import * as Closing from '../../src/wire/Closing.ts'
import * as Frame from '../../src/wire/Frame.ts'
import { createWorld, must, payClient, read, vendorKey } from '../protocol/world.ts'
import { openTill } from './tills.ts'

const stores: VendorDatabase[] = []

afterEach(async () => {
  for (const store of stores.splice(0)) await store.close()
})

/** A channel of three payments, closed and settled. */
async function closed(lockScheme: 'schnorr' | 'ecdsa-xor', releases: boolean) {
  const store = sqliteVendorStore(':memory:')
  stores.push(store)
  const world = createWorld({ lockScheme })
  const till = openTill(store)
  const attachment = read(Attachment.parse(Attachment.encode(world.client.attachment)))
  for (let number = 0; number < 3; number++) {
    const { frame, checkpoint } = payClient(world, 10n)
    const payment = { bytes: frame, value: read(Frame.parsePayment(frame)) }
    const messages = { payment, checkpoint: checkpoint && read(Checkpoint.parse(checkpoint)), attachment }
    const admission = must(await till.admit(messages))
    const { held, accepted } = admission
    const { reservation } = must(Vendor.reserve(held.channel, accepted.index, 10n))
    Vendor.charge(held.channel, reservation, 10n)
    Vendor.settle(held.channel, reservation)
    await till.write(held, { accepted, status: 'charged', charged: 10n })
    must(Client.acknowledge(world.client, Vendor.statement(held.channel, accepted.index, 10n)))
  }
  const reference = world.client.channelId.subarray(0, 16)
  const options = { till, store, vendor: vendorKey }
  const { held } = must(await till.find(reference, undefined))
  const closing = read(Closing.parse(must(await close(options, held)).closing))
  const answer = must(Client.release(world.client, closing)).release
  const chain = Vendor.chainOf(held.channel, readCores(lockScheme, await store.cores(held.channel.channelId, 3)))
  const opened = openFromLast(chain, read(Closing.parseRelease(answer)).receipt)
  if (releases) expect(must(await release(options, held, answer)).receiptsOpened).toBe(4)
  const receipts = releases && opened.ok ? opened.receipts : []
  const settle = (): Promise<void> => settled(options, held)
  return { store, world, reference, receipts, settle }
}

describe.each(['schnorr', 'ecdsa-xor'] as const)('a closed channel, %s,', (lockScheme) => {
  test('is packed with every receipt that its release opened', async () => {
    const { store, world, reference, receipts, settle } = await closed(lockScheme, true)
    expect(await archive(store, reference)).toBe(false)
    await settle()
    expect(await store.unpacked(10)).toEqual([reference])
    expect(await archive(store, reference)).toBe(true)
    expect(await store.unpacked(10)).toEqual([])
    const kept = await store.receipts(world.client.channelId, 1)
    expect(kept.map(({ receipt }) => receipt)).toEqual(receipts.slice(1))
    expect(kept).toHaveLength(3)
    expect(kept.map(({ charged }) => charged)).toEqual([10n, 10n, 10n])
  })

  test('that was not released is packed without its receipts', async () => {
    const { store, world, reference, settle } = await closed(lockScheme, false)
    await settle()
    expect(await archive(store, reference)).toBe(true)
    const kept = await store.receipts(world.client.channelId, 1)
    expect(kept.map(({ receipt }) => receipt)).toEqual([undefined, undefined, undefined])
  })
})

test('a channel that nobody knows is not packed', async () => {
  const store = sqliteVendorStore(':memory:')
  stores.push(store)
  expect(await archive(store, new Uint8Array(16))).toBe(false)
})
