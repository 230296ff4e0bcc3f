import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Client, Vendor } from '../../src/protocol/index.ts'
import { bytesOf, createWorld, deliver, deliverCheckpoint, deliverTick, must, now } from './world.ts'

const price = 10n

describe('a stream of payments and ticks', () => {
  it('is paid to the unit, and no payment is charged more than it was given, wherever one takes over from another', () => {
    const history = fc.record({
      renewals: fc.array(fc.boolean(), { minLength: 1, maxLength: 60 }),
      ahead: fc.integer({ min: 1, max: 9 }),
      /** Whether the vendor says where it stands after a unit. */
      says: fc.array(fc.boolean(), { minLength: 60, maxLength: 60 }),
    })
    fc.assert(
      fc.property(history, ({ renewals, ahead, says }) => {
        const world = createWorld({ unitPrice: price, segmentLength: 16 })
        const stream = new Stream(world)
        let units = 0
        for (let delivered = 0; delivered < renewals.length; delivered++) {
          for (; units < Math.min(delivered + ahead, renewals.length); units++) stream.pay(renewals[units]!)
          stream.deliver()
          if (says[delivered]!) stream.say(0, 0n)
        }
        stream.end()
        expect(world.client.paid).toBe(price * BigInt(renewals.length))
        expect(world.vendor.spent).toBe(world.client.paid)
        expect(Client.credit(world.client)).toBe(0n)
        expect(world.client.frozen).toBeUndefined()
      }),
      { numRuns: 60 },
    )
  })
})

/** Both machines around one stream, message by message. */
class Stream {
  readonly #world: ReturnType<typeof createWorld>
  #index: number | undefined
  #reservation: Vendor.Reservation | undefined

  constructor(world: ReturnType<typeof createWorld>) {
    this.#world = world
  }

  pay(renew: boolean): void {
    const { client, vendor } = this.#world
    if (this.#index !== undefined && !renew) {
      const tick = must(Client.tick(client, { index: this.#index, units: 1, now }))
      if (tick.checkpoint !== undefined) must(deliverCheckpoint(this.#world, tick.checkpoint))
      must(deliverTick(this.#world, tick.frame))
      return
    }
    const purchase = { price, digest: bytesOf('stream'), now }
    const { payment } = must(
      this.#index === undefined ? Client.pay(client, purchase) : Client.renew(client, this.#index, purchase),
    )
    must(deliver(this.#world, payment))
    this.#settle()
    this.#index = payment.index
    this.#reservation = must(Vendor.reserve(vendor, payment.index, 0n)).reservation
  }

  deliver(): void {
    must(Vendor.extend(this.#world.vendor, this.#reservation!, price))
    Vendor.charge(this.#world.vendor, this.#reservation!, price)
  }

  say(index: number, charged: bigint): void {
    expect(Client.acknowledge(this.#world.client, Vendor.statement(this.#world.vendor, index, charged))).toEqual({
      ok: true,
    })
  }

  end(): void {
    this.#settle()
  }

  #settle(): void {
    if (this.#reservation === undefined) return
    Vendor.settle(this.#world.vendor, this.#reservation)
    this.say(this.#reservation.index, this.#reservation.charged)
  }
}
