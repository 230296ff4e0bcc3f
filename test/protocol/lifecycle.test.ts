import { describe, expect, it } from 'vitest'
import { Bank, Client, openFromFirst, Vendor } from '../../src/protocol/index.ts'
import * as Closing from '../../src/wire/Closing.ts'
import {
  coresOf,
  createWorld,
  deliver,
  deliverCheckpoint,
  deliverTick,
  must,
  now,
  payClient,
  serve,
  vendorKey,
} from './world.ts'

describe.each(['schnorr', 'ecdsa-xor'] as const)('a channel with %s locks', (lockScheme) => {
  it('is paid, released, settled, and every receipt opens', () => {
    const world = createWorld({ lockScheme, funds: 100_000n, unitPrice: 10n, segmentLength: 16 })
    let charged = 0n
    for (let count = 1; count <= 30; count++) {
      const price = count === 20 ? 7_777n : 15n
      const payment = payClient(world, price, `goods ${count}`)
      expect(deliver(world, payment)).toMatchObject({ ok: true })
      for (let step = 0; step < 3; step++) {
        const tick = must(Client.tick(world.client, { index: payment.index, units: 1, now }))
        if (tick.checkpoint !== undefined) must(deliverCheckpoint(world, tick.checkpoint))
        must(deliverTick(world, tick.frame))
      }
      serve(world, payment.index, price + 30n)
      charged += price + 30n
      const statement = Vendor.statement(world.vendor, payment.index, price + 30n)
      expect(Client.acknowledge(world.client, statement)).toEqual({ ok: true })
    }
    expect(world.vendor.paid).toBe(world.client.paid)
    expect(world.vendor.spent).toBe(charged)
    expect(world.vendor.suspended).toBeUndefined()

    const { closing } = must(Vendor.createClosing(world.vendor, vendorKey))
    const released = must(Client.release(world.client, closing))
    const release = Closing.parseRelease(released.release)
    if (!release.ok) throw new Error(release.detail)
    const chain = Vendor.chainOf(world.vendor, coresOf(world))
    const { receipts, checkpoint } = must(Vendor.acceptRelease(world.vendor, release.value, chain))
    expect(receipts).toHaveLength(31)
    expect(receipts[0]).toEqual(world.opened.receipt)
    if (lockScheme === 'schnorr') expect(openFromFirst(chain, world.opened.receipt)).toEqual({ ok: true, receipts })

    const last = Vendor.lastOf(chain)
    const close = Vendor.createClose({ channel: world.vendor, vendor: vendorKey, last, release: checkpoint })
    const settlement = must(Bank.assessClose(close, world.bank, now))
    expect(settlement).toMatchObject({ settled: charged, refund: 100_000n - charged, record: { basis: 'proven' } })
  })

  it('pays a vendor whose client never releases, from coins alone', () => {
    const world = createWorld({ lockScheme, segmentLength: 16 })
    for (let count = 1; count <= 20; count++) {
      const payment = payClient(world, 10n)
      must(deliver(world, payment))
      serve(world, payment.index, 10n)
      Client.acknowledge(world.client, Vendor.statement(world.vendor, payment.index, 10n))
    }
    must(Vendor.createClosing(world.vendor, vendorKey))
    const chain = Vendor.chainOf(world.vendor, coresOf(world))
    const close = Vendor.createClose({
      channel: world.vendor,
      vendor: vendorKey,
      last: Vendor.lastOf(chain),
      release: undefined,
    })
    const settlement = must(Bank.assessClose(close, world.bank, now))
    expect(settlement).toMatchObject({ settled: 200n, record: { basis: 'claimed' } })
  })
})
