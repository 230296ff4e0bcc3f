import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { PaymentMessages } from '../../src/http/headers.ts'
import { Client, Vendor } from '../../src/protocol/index.ts'
import { postgresVendorStore, Till } from '../../src/vendor/index.ts'
import * as Attachment from '../../src/wire/Attachment.ts'
import * as Frame from '../../src/wire/Frame.ts'
import { bankKey, bytesOf, createWorld, frameKey, must, now, read, vendorKey, type World } from '../protocol/world.ts'
import { usePostgres } from './postgres.ts'

const server = usePostgres()
const price = 10n

function pay({ client }: World): PaymentMessages {
  const digest = bytesOf(`${client.index}`)
  const { frame } = must(Client.pay(client, { price, digest, now })).payment
  return {
    payment: { bytes: frame, value: read(Frame.parsePayment(frame)) },
    checkpoint: undefined,
    attachment: read(Attachment.parse(Attachment.encode(client.attachment))),
  }
}

test('PostgreSQL killed and restarted under load loses nothing that was acknowledged, and the till goes on by itself', {
  timeout: 120_000,
}, async () => {
  const store = postgresVendorStore({ url: await server.createDatabase() })
  const till = new Till({
    store,
    frameKey: frameKey.secret,
    now: () => now,
    acceptance: {
      banks: [bankKey.publicKey],
      vendor: vendorKey.publicKey,
      vendorFrameKey: frameKey.publicKey,
      network: 'lockstep:test',
      asset: 'USD/6',
      lockSchemes: ['schnorr'],
      lifeMin: 0n,
      graceMin: 0,
    },
  })
  const acknowledged = new Map<World, Set<number>>()
  const serve = async (world: World, messages: PaymentMessages): Promise<void> => {
    const admission = await till.admit(messages)
    // It was stored before the server went, and not answered: it is not charged twice.
    if (!admission.ok) return expect(admission.reason).toBe('IndexSeen')
    const { held, accepted } = admission
    const { reservation } = must(Vendor.reserve(held.channel, accepted.index, price))
    Vendor.charge(held.channel, reservation, price)
    Vendor.settle(held.channel, reservation)
    await till.write(held, { accepted, status: 'charged', charged: price })
    acknowledged.get(world)!.add(accepted.index)
  }
  let isOver = false
  let refused = 0
  const load = async (world: World): Promise<void> => {
    while (!isOver) {
      const messages = pay(world)
      for (let isTaken = false; !isTaken; ) {
        try {
          await serve(world, messages)
          isTaken = true
        } catch {
          refused += 1
          await sleep(20)
        }
      }
      await sleep(1)
    }
  }
  const worlds = Array.from({ length: 5 }, (_, at) => createWorld({ label: `${at}` }))
  for (const world of worlds) acknowledged.set(world, new Set())
  const count = (): number => [...acknowledged.values()].reduce((sum, { size }) => sum + size, 0)
  const loads = worlds.map(load)
  for (let restarts = 0; restarts < 2; restarts++) {
    const before = count()
    await expect.poll(count, { timeout: 30_000 }).toBeGreaterThan(before + 50)
    await server.kill()
    await server.start()
  }
  const before = count()
  await expect.poll(count, { timeout: 30_000 }).toBeGreaterThan(before + 50)
  isOver = true
  await Promise.all(loads)
  expect(refused).toBeGreaterThan(0)
  for (const world of worlds) {
    const stored = (await store.channel(world.client.channelId.subarray(0, 16)))!
    const charged = acknowledged.get(world)!
    expect(stored.contiguous).toBe(world.client.index)
    expect(stored.spent).toBeGreaterThanOrEqual(BigInt(charged.size) * price)
    expect(stored.spent).toBeLessThanOrEqual(BigInt(world.client.index) * price)
    for (const index of charged) {
      expect(await store.payment(world.client.channelId, index)).toMatchObject({ status: 'charged', charged: price })
    }
  }
  await till.stop()
  await store.close()
})
