import { describe, expect, test } from 'vitest'
import type { Batch, StreamRoute, VendorStore } from '../../src/vendor/index.ts'
import { openRaw } from '../e2e/rawStream.ts'
import { gate, openChannel, openTown, overriding, prepare, referenceOf, until } from '../e2e/town.ts'
import { openShop, price } from './shop.ts'

/** A store that a crash may leave after any of its commits: whatever it then has must make sense by itself. */
class Witness {
  readonly batches: Batch[] = []
  readonly faults: string[] = []
  readonly #payments = new Map<string, Map<number, number>>()
  readonly #segments = new Map<string, Set<number>>()
  /** Commits wait here. */
  hold: Promise<void> = Promise.resolve()

  readonly wrap = (store: VendorStore): VendorStore =>
    overriding(store, {
      commit: async (batch) => {
        await this.hold
        this.#look(batch)
        return store.commit(batch)
      },
    })

  #look(batch: Batch): void {
    this.batches.push(batch)
    for (const { channelId, index, segment } of batch.payments) this.#paymentsOf(channelId).set(index, segment)
    for (const { channelId, contiguous, segments, paid, spent } of batch.channels) {
      const known = this.#segmentsOf(channelId)
      for (const { number } of segments) known.add(number)
      const payments = this.#paymentsOf(channelId)
      for (let index = 1; index <= contiguous; index++) {
        if (!payments.has(index)) this.faults.push(`payment ${index} is counted and not there`)
      }
      for (const [index, segment] of payments) {
        if (!known.has(segment)) this.faults.push(`payment ${index} names segment ${segment}, which is not there`)
      }
      if (spent > paid) this.faults.push(`${spent} of ${paid} is spent`)
    }
  }

  #paymentsOf(channelId: Uint8Array): Map<number, number> {
    const name = Buffer.from(channelId).toString('hex')
    const found = this.#payments.get(name) ?? new Map<number, number>()
    this.#payments.set(name, found)
    return found
  }

  #segmentsOf(channelId: Uint8Array): Set<number> {
    const name = Buffer.from(channelId).toString('hex')
    const found = this.#segments.get(name) ?? new Set<number>([0])
    this.#segments.set(name, found)
    return found
  }
}

const count: StreamRoute = {
  path: '/count',
  price: 10n,
  *source() {
    for (let unit = 0; ; unit++) yield Uint8Array.of(unit & 0xff)
  },
}

describe('every commit', () => {
  test('has each payment and checkpoint that its channels count, whatever becomes of their requests and streams', async () => {
    const witness = new Witness()
    const town = await openTown({
      routes: openShop().routes,
      streams: [count],
      wallet: { path: ':memory:' },
      wrapStore: witness.wrap,
    })
    const channel = await openChannel(town, 3_000_000n)
    const streams = await Promise.all([openRaw(channel, '/count'), openRaw(channel, '/count')])
    const sent: Promise<unknown>[] = []
    let index: number | undefined
    for (let round = 0; round < 20; round++) {
      // A payment after the other on one stream, ticks on it between them, one for another address on the other one.
      index = await streams[0].pay(10n, index)
      await streams[0].tick(index)
      if (round === 10) await streams[1].pay(10n)
      if (round === 12) streams[1].send((await channel.pay(10n, new Uint8Array(32))).frame)
      // Requests: one in place, one elsewhere, one for too little, one that takes a segment of its own.
      const paid = [
        await prepare(channel, '/goods/tea', price),
        await prepare(channel, '/goods/milk', price),
        await prepare(channel, '/goods/cake', 1n),
        await prepare(channel, '/goods/cheap', 10_250n),
      ]
      for (const [at, { send }] of paid.entries()) {
        sent.push(send(at === 1 ? { url: `${town.stall.url}/goods/elsewhere` } : {}))
      }
    }
    await Promise.all(sent)
    await streams[0].delivered(40)
    for (const { socket } of streams) socket.terminate()
    await until(async () => (await town.stall.running(channel)) === 0, 'nothing runs')
    expect(await channel.close()).toMatchObject({ receiptsOpened: channel.state.index + 1 })
    expect(witness.faults).toEqual([])
    expect(witness.batches.length).toBeGreaterThan(20)
  })

  test('answers all that came while the one before it ran, one row a channel', async () => {
    const witness = new Witness()
    const town = await openTown({ routes: openShop().routes, wrapStore: witness.wrap, wallet: { path: ':memory:' } })
    const channels = [await openChannel(town), await openChannel(town)]
    for (const channel of channels) await (await prepare(channel, '/goods/first', price)).send()
    const { opened, open } = gate()
    const before = witness.batches.length
    witness.hold = opened
    const paid = await Promise.all(
      Array.from({ length: 40 }, (_, at) => prepare(channels[at % 2]!, `/goods/${at}`, price)),
    )
    const sent = paid.map(({ send }) => send())
    await until(async () => (await town.stall.running(channels[0]!)) === 20, 'all of one run')
    await until(async () => (await town.stall.running(channels[1]!)) === 20, 'all of the other run')
    open()
    for (const response of await Promise.all(sent)) expect(response.status).toBe(200)
    const batches = witness.batches.slice(before)
    // Those that came alone, all the others, and their outcomes.
    expect(batches.length).toBeLessThan(12)
    expect(Math.max(...batches.map(({ payments }) => payments.length))).toBeGreaterThan(20)
    for (const { channels: rows } of batches) expect(rows.length).toBeLessThanOrEqual(2)
    for (const channel of channels) {
      expect(await town.stall.store.channel(referenceOf(channel))).toMatchObject({ spent: 21n * price, contiguous: 21 })
    }
    expect(witness.faults).toEqual([])
  })
})
