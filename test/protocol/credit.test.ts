import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AssertionError, Vendor } from '../../src/protocol/index.ts'
import { coinsOf, forgeTick, fork, segmentZero, snapshot } from './adversary.ts'
import { createWorld, deliver, deliverTick, must, payClient, vendorKey, type World } from './world.ts'

const funds = 10_000n
const fresh = createWorld({ funds, unitPrice: 10n, segmentLength: 1000, label: 'credit' })
must(deliver(fresh, payClient(fresh, 100n)))

function paid(amount: bigint): World {
  const world = fork(fresh)
  world.vendor.paid = amount
  return world
}

function reserve(world: World, price: bigint): Vendor.Reservation {
  return must(Vendor.reserve(world.vendor, 1, price)).reservation
}

describe('a reservation', () => {
  it('takes all the credit there is and not one unit more', () => {
    const world = paid(100n)
    const before = snapshot(world.vendor)
    expect(Vendor.reserve(world.vendor, 1, 101n)).toMatchObject({ ok: false, reason: 'CreditTooLow' })
    expect(snapshot(world.vendor)).toEqual(before)
    reserve(world, 100n)
    expect(Vendor.credit(world.vendor)).toBe(0n)
    expect(Vendor.reserve(world.vendor, 2, 1n)).toMatchObject({ ok: false, reason: 'CreditTooLow' })
    expect(Vendor.reserve(world.vendor, 2, 0n)).toMatchObject({ ok: true })
  })

  it('is refused where the store was restored since the channel was opened, whatever it costs', () => {
    const { vendor } = paid(100n)
    vendor.stale = true
    const before = snapshot(vendor)
    for (const price of [0n, 1n]) {
      expect(Vendor.reserve(vendor, 1, price)).toMatchObject({ ok: false, reason: 'ChannelClosed' })
    }
    expect(snapshot(vendor)).toEqual(before)
  })

  it('released whole leaves everything as it was', () => {
    const world = paid(100n)
    const before = snapshot(world.vendor)
    Vendor.settle(world.vendor, reserve(world, 60n))
    expect(snapshot(world.vendor)).toEqual(before)
  })

  it('charged in part gives the rest back as credit when it is settled', () => {
    const { vendor } = paid(100n)
    const { reservation } = must(Vendor.reserve(vendor, 1, 60n))
    Vendor.charge(vendor, reservation, 25n)
    expect(vendor).toMatchObject({ spent: 25n, reserved: 35n })
    expect(Vendor.credit(vendor)).toBe(40n)
    Vendor.settle(vendor, reservation)
    expect(vendor).toMatchObject({ spent: 25n, reserved: 0n })
    expect(Vendor.credit(vendor)).toBe(75n)
    expect(reservation).toMatchObject({ charged: 25n, left: 0n, settled: true })
  })

  it('is extended from credit alone, and refused without a change where there is none', () => {
    const { vendor } = paid(100n)
    const { reservation } = must(Vendor.reserve(vendor, 1, 60n))
    must(Vendor.extend(vendor, reservation, 40n))
    const before = [snapshot(vendor), { ...reservation }]
    expect(Vendor.extend(vendor, reservation, 1n)).toMatchObject({ ok: false, reason: 'CreditTooLow' })
    expect([snapshot(vendor), reservation]).toEqual(before)
    Vendor.charge(vendor, reservation, 100n)
    expect(vendor.spent).toBe(100n)
  })

  it('is never charged beyond what is set aside, nor after it is settled, nor settled twice', () => {
    const { vendor } = paid(100n)
    const { reservation } = must(Vendor.reserve(vendor, 1, 60n))
    expect(() => Vendor.charge(vendor, reservation, 61n)).toThrow(AssertionError)
    expect(() => Vendor.charge(vendor, reservation, -1n)).toThrow(AssertionError)
    Vendor.charge(vendor, reservation, 60n)
    expect(() => Vendor.charge(vendor, reservation, 1n)).toThrow(AssertionError)
    Vendor.settle(vendor, reservation)
    const before = snapshot(vendor)
    expect(() => Vendor.charge(vendor, reservation, 0n)).toThrow(AssertionError)
    expect(() => Vendor.settle(vendor, reservation)).toThrow(AssertionError)
    expect(() => Vendor.extend(vendor, reservation, 1n)).toThrow(AssertionError)
    expect(() => Vendor.reserve(vendor, 1, -1n)).toThrow(AssertionError)
    expect(snapshot(vendor)).toEqual(before)
  })

  it('is refused once the vendor has stated its last, and so never makes that statement false', () => {
    const { vendor } = paid(100n)
    const idle = must(Vendor.reserve(vendor, 1, 0n)).reservation
    const { closing } = must(Vendor.createClosing(vendor, vendorKey))
    expect(Vendor.reserve(vendor, 1, 10n)).toMatchObject({ ok: false, reason: 'ChannelClosed' })
    expect(Vendor.extend(vendor, idle, 10n)).toMatchObject({ ok: false, reason: 'ChannelClosed' })
    Vendor.settle(vendor, idle)
    expect(vendor.spent).toBe(closing.spent)
    expect(must(Vendor.createClosing(vendor, vendorKey)).closing).toEqual(closing)
  })

  it('holds up the closing until it is settled', () => {
    const { vendor } = paid(100n)
    const { reservation } = must(Vendor.reserve(vendor, 1, 10n))
    const before = snapshot(vendor)
    expect(Vendor.createClosing(vendor, vendorKey)).toMatchObject({ ok: false, reason: 'RequestsRunning' })
    expect(snapshot(vendor)).toEqual(before)
    Vendor.charge(vendor, reservation, 10n)
    Vendor.settle(vendor, reservation)
    expect(must(Vendor.createClosing(vendor, vendorKey)).closing.spent).toBe(10n)
  })

  it('is taken from a suspended channel too: what was paid stays paid', () => {
    const { vendor } = paid(100n)
    vendor.suspended = 'because'
    const { reservation } = must(Vendor.reserve(vendor, 1, 100n))
    Vendor.charge(vendor, reservation, 100n)
    expect(vendor.spent).toBe(100n)
  })
})

type Deed =
  | { readonly kind: 'coin'; readonly step: number }
  | { readonly kind: 'reserve'; readonly price: bigint }
  | { readonly kind: 'extend' | 'charge'; readonly which: number; readonly price: bigint }
  | { readonly kind: 'settle'; readonly which: number }

const price = fc.bigInt(0n, 400n)
const which = fc.nat(7)
const deed: fc.Arbitrary<Deed> = fc.oneof(
  fc.record({ kind: fc.constant('coin' as const), step: fc.integer({ min: 1, max: 1000 }) }),
  fc.record({ kind: fc.constant('reserve' as const), price }),
  fc.record({ kind: fc.constantFrom('extend' as const, 'charge' as const), which, price }),
  fc.record({ kind: fc.constant('settle' as const), which }),
)

describe('requests in parallel', () => {
  const coins = coinsOf(fresh, segmentZero(fresh))

  it('always have spent + reserved ≤ paid ≤ funds, and are charged once each', () => {
    fc.assert(
      fc.property(fc.array(deed, { maxLength: 60 }), (deeds) => {
        const world = fork(fresh)
        const { vendor } = world
        const made: Vendor.Reservation[] = []
        const running = (): Vendor.Reservation[] => made.filter(({ settled }) => !settled)
        for (const done of deeds) {
          const before = { paid: vendor.paid, credit: Vendor.credit(vendor), spent: vendor.spent }
          const one = 'which' in done ? running()[done.which % Math.max(1, running().length)] : undefined
          if (done.kind === 'coin') {
            const tick = { segment: 0, step: done.step, coin: coins[done.step]! }
            must(deliverTick(world, forgeTick(world, tick)))
            const worth = BigInt(done.step) * 10n
            expect(vendor.paid).toBe(worth > before.paid ? worth : before.paid)
          } else if (done.kind === 'reserve') {
            const result = Vendor.reserve(vendor, made.length + 1, done.price)
            expect(result.ok).toBe(done.price <= before.credit)
            if (result.ok) made.push(result.reservation)
          } else if (one !== undefined && done.kind === 'extend') {
            expect(Vendor.extend(vendor, one, done.price).ok).toBe(done.price <= before.credit)
          } else if (one !== undefined && done.kind === 'charge') {
            const charged = done.price < one.left ? done.price : one.left
            Vendor.charge(vendor, one, charged)
            expect(vendor.spent).toBe(before.spent + charged)
            expect(Vendor.credit(vendor)).toBe(before.credit)
          } else if (one !== undefined) {
            const { left } = one
            Vendor.settle(vendor, one)
            expect(Vendor.credit(vendor)).toBe(before.credit + left)
          }
          expect(vendor.spent + vendor.reserved <= vendor.paid && vendor.paid <= funds).toBe(true)
          expect(vendor.reserved).toBe(made.reduce((sum, { left }) => sum + left, 0n))
          expect(vendor.spent).toBe(made.reduce((sum, { charged }) => sum + charged, 0n))
        }
      }),
      { numRuns: 150 },
    )
  })

  it('say in their statement what is true of the channel', () => {
    const { vendor } = paid(100n)
    const { reservation } = must(Vendor.reserve(vendor, 1, 60n))
    Vendor.charge(vendor, reservation, 25n)
    expect(Vendor.statement(vendor, 1, reservation.charged)).toEqual({
      index: 1,
      charged: 25n,
      spent: 25n,
      paid: 100n,
      credit: 40n,
      contiguous: 1,
      segment: 0,
    })
  })
})
