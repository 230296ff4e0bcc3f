import { describe, expect, it } from 'vitest'
import { Vendor } from '../../src/protocol/index.ts'
import { amount } from '../../src/wire/amount.ts'
import * as Checkpoint from '../../src/wire/Checkpoint.ts'
import * as Transcript from '../../src/wire/Transcript.ts'
import { coinOf, forgeCheckpoint, forgePayment, forgeTick, fork, segmentZero, snapshot } from './adversary.ts'
import { planOne, planTwo, prepare } from './prepared.ts'
import {
  account,
  bytesOf,
  createWorld,
  deliver,
  deliverBytes,
  deliverCheckpoint,
  deliverTick,
  must,
  now,
  payClient,
  serve,
} from './world.ts'

describe('coins', () => {
  it('suspend the channel when three are wrong, and what was paid stays paid', () => {
    const world = prepare('schnorr')
    const { vendor } = world
    const wrong = forgePayment(world, { index: 4, segment: 0, step: 6, coin: bytesOf('no coin') })
    const tick = forgeTick(world, { segment: 2, step: 1, coin: bytesOf('no coin') })
    expect(deliverBytes(world, wrong)).toMatchObject({ ok: false, reason: 'CoinMismatch' })
    expect(deliverTick(world, tick)).toMatchObject({ ok: false, reason: 'CoinMismatch' })
    expect(vendor).toMatchObject({ strikes: 2, suspended: undefined, paid: 520n })
    expect(deliverBytes(world, wrong)).toMatchObject({ ok: false, reason: 'CoinMismatch' })
    expect(vendor.strikes).toBe(Vendor.strikesMax)
    expect(vendor.suspended).toMatch(/3 wrong coins/)
    expect(deliverBytes(world, wrong)).toMatchObject({ ok: false, reason: 'ChannelSuspended' })
    expect(vendor.strikes).toBe(Vendor.strikesMax)
    serve(world, 3, 520n)
    expect(vendor.spent).toBe(520n)
  })

  it('never strike a client whose MAC somebody else made', () => {
    const world = prepare('schnorr')
    for (let count = 0; count < 10; count++) {
      const wrong = forgePayment(world, { index: 4, segment: 0, step: 6, coin: bytesOf('no coin') })
      wrong[wrong.length - 1]! ^= 0xff
      expect(deliverBytes(world, wrong)).toMatchObject({ ok: false, reason: 'MacMismatch' })
    }
    expect(world.vendor).toMatchObject({ strikes: 0, suspended: undefined })
  })

  it('are wrong at any number but their own, from below and from above the highest one known', () => {
    const world = prepare('schnorr')
    const zero = segmentZero(world)
    for (let step = 1; step <= 16; step++) {
      for (let made = 0; made <= 16; made++) {
        const { vendor } = fork(world)
        const frame = forgePayment(world, { index: 4, segment: 0, step, coin: coinOf(world, zero, made) })
        const verdict = deliverBytes({ ...world, vendor, cores: [] }, frame)
        if (made !== step) expect(verdict).toMatchObject({ ok: false, reason: 'CoinMismatch' })
        else if (step < 5) expect(verdict).toMatchObject({ ok: false, reason: 'AmountInconsistent' })
        else expect(verdict).toMatchObject({ ok: true, accepted: { amount: BigInt(step) * 10n } })
      }
    }
  })

  it('of a segment made for one price pay nothing at another, nor at another base, number or length', () => {
    const world = prepare('schnorr')
    const right = { ...planOne }
    for (const wrong of [
      { ...right, unitPrice: 61n },
      { ...right, base: 201n },
      { ...right, number: 3 },
      { ...right, length: 9 },
    ]) {
      const { vendor } = fork(world)
      const checkpoint = forgeCheckpoint(world, { segment: 1, index: 3, amount: 200n, nextUnitPrice: amount(60n) })
      const frame = forgePayment(world, { index: 4, segment: 1, step: 2, coin: coinOf(world, wrong, 2) })
      const verdict = deliverBytes({ ...world, vendor, cores: [] }, frame, Checkpoint.encode(checkpoint))
      expect(verdict).toMatchObject({ ok: false, reason: 'CoinMismatch' })
      expect(vendor.segments.map(({ number }) => number)).toEqual([0, 2])
    }
  })

  it('number 0 pay nothing in the segment of the terms, and only as zero bytes in any other', () => {
    const fresh = createWorld({ funds: 1_000n, segmentLength: 16 })
    const { vendor } = fresh
    const anchor = coinOf(fresh, segmentZero(fresh), 0)
    for (const coin of [new Uint8Array(32), anchor]) {
      const zero = forgePayment(fresh, { index: 1, segment: 0, step: 0, coin })
      expect(deliverBytes(fresh, zero)).toMatchObject({ ok: false, reason: 'CoinMismatch' })
    }
    expect(vendor.strikes).toBe(2)
    vendor.strikes = 0
    const checkpoint = forgeCheckpoint(fresh, { segment: 1, amount: 300n, nextLength: 0 })
    const plan = { number: 1, base: 300n, unitPrice: 10n, length: 0 }
    const withAnchor = forgePayment(fresh, { index: 1, segment: 1, step: 0, coin: coinOf(fresh, plan, 0) })
    expect(deliverBytes(fresh, withAnchor, Checkpoint.encode(checkpoint))).toMatchObject({ reason: 'CoinMismatch' })
    const withCoin = forgePayment(fresh, { index: 1, segment: 1, step: 1, coin: coinOf(fresh, plan, 0) })
    expect(deliverBytes(fresh, withCoin, Checkpoint.encode(checkpoint))).toMatchObject({ reason: 'StepOutOfRange' })
    const right = forgePayment(fresh, { index: 1, segment: 1, step: 0, coin: new Uint8Array(32) })
    must(deliverBytes(fresh, right, Checkpoint.encode(checkpoint)))
    expect(vendor.paid).toBe(300n)
    // A segment without coins still carries payments from credit.
    must(deliverBytes(fresh, forgePayment(fresh, { index: 2, segment: 1, step: 0, coin: new Uint8Array(32) })))
    expect(vendor).toMatchObject({ paid: 300n, window: { contiguous: 2 } })
  })
})

describe('the window', () => {
  it('takes 1,024 indices past the prefix and not one more', () => {
    const world = prepare('schnorr')
    const coin = coinOf(world, planTwo, 2)
    const at = (index: number): Uint8Array => forgePayment(world, { index, segment: 2, step: 2, coin })
    expect(deliverBytes(world, at(3 + 1025))).toMatchObject({ ok: false, reason: 'IndexOutsideWindow' })
    expect(deliverBytes(world, at(3 + 1024))).toMatchObject({ ok: true })
    const sent = forgeCheckpoint(world, { segment: 9, index: 3 + 1025, amount: 540n })
    expect(Vendor.acceptCheckpoint(world.vendor, sent, now)).toMatchObject({ reason: 'IndexOutsideWindow' })
    must(Vendor.acceptCheckpoint(world.vendor, forgeCheckpoint(world, { segment: 9, index: 1027, amount: 540n }), now))
  })

  it('refuses an index seen, in the prefix and ahead of it', () => {
    const world = prepare('schnorr')
    const before = snapshot(world.vendor)
    for (const index of [1, 2, 3, 6]) {
      const frame = forgePayment(world, { index, segment: 2, step: 2, coin: coinOf(world, planTwo, 2) })
      expect(deliverBytes(world, frame)).toMatchObject({ ok: false, reason: 'IndexSeen' })
    }
    expect(snapshot(world.vendor)).toEqual(before)
  })

  it('takes coins of an older segment for the payments that are missing, as far as the next base', () => {
    const world = prepare('schnorr')
    const [fourth, fifth] = world.missing
    expect(deliverBytes(world, fifth!)).toMatchObject({ ok: true, accepted: { amount: 160n } })
    expect(deliverBytes(world, fourth!)).toMatchObject({ ok: true, accepted: { amount: 90n } })
    expect(world.vendor).toMatchObject({ paid: 520n, window: { contiguous: 6, amount: 520n } })
    // No payment to come can be in it any more.
    expect(world.vendor.segments.map(({ number }) => number)).toEqual([2])
    const late = forgePayment(world, { index: 7, segment: 0, step: 16, coin: coinOf(world, segmentZero(world), 16) })
    expect(deliverBytes(world, late)).toMatchObject({ ok: false, reason: 'SegmentUnknown' })
  })

  it('refuses an amount above that of a later payment', () => {
    const world = prepare('schnorr')
    const at = (index: number, step: number): Uint8Array =>
      forgePayment(world, { index, segment: 2, step, coin: coinOf(world, planTwo, step) })
    must(deliverBytes(world, at(8, 3)))
    expect(deliverBytes(world, at(7, 4))).toMatchObject({
      reason: 'AmountInconsistent',
      detail: expect.stringMatching(/payment 8 only 530/),
    })
    expect(deliverBytes(world, at(7, 3))).toMatchObject({ ok: true })
  })

  it('takes the 1,024 payments after a checkpoint in its segment, and no payment before it', () => {
    const world = createWorld({ funds: 1_000n, segmentLength: 16, label: 'a checkpoint is due' })
    const zero = coinOf(world, segmentZero(world), 1)
    const first = (index: number): Uint8Array => forgePayment(world, { index, segment: 0, step: 1, coin: zero })
    for (let index = 1; index <= 1024; index++) must(deliverBytes(world, first(index)))
    const before = snapshot(world.vendor)
    expect(deliverBytes(world, first(1025))).toMatchObject({ ok: false, reason: 'IndexOutsideSegment' })
    expect(snapshot(world.vendor)).toEqual(before)
    const checkpoint = forgeCheckpoint(world, { segment: 1, index: 1025, amount: 10n, nextLength: 4 })
    const late = forgePayment(world, { index: 1025, segment: 1, step: 0, coin: new Uint8Array(32) })
    const riding = Checkpoint.encode(checkpoint)
    expect(deliverBytes(world, late, riding)).toMatchObject({ ok: false, reason: 'IndexOutsideSegment' })
    expect(snapshot(world.vendor)).toEqual(before)
    const due = Checkpoint.encode(forgeCheckpoint(world, { segment: 1, index: 1024, amount: 10n, nextLength: 4 }))
    expect(deliverBytes(world, late, due)).toMatchObject({ ok: true })
  })
})

describe('checkpoints', () => {
  it('ride on any frame and pay the same: the highest base counts, also over a coin of an older segment', () => {
    const world = createWorld({ funds: 1_000n, segmentLength: 16 })
    const checkpoint = forgeCheckpoint(world, { segment: 4, index: 1, amount: 800n })
    const frame = forgePayment(world, { index: 1, segment: 0, step: 1, coin: coinOf(world, segmentZero(world), 1) })
    const verdict = must(deliverBytes(world, frame, Checkpoint.encode(checkpoint)))
    expect(verdict.accepted.amount).toBe(10n)
    expect(world.vendor.paid).toBe(800n)
  })

  it('bound a coin by the nearest later base, whatever else rides along', () => {
    const world = prepare('schnorr')
    must(Vendor.acceptCheckpoint(world.vendor, forgeCheckpoint(world, { segment: 1, index: 5, amount: 100n }), now))
    const riding = forgeCheckpoint(world, { segment: 3, index: 5, amount: 520n })
    const frame = forgePayment(world, { index: 4, segment: 0, step: 16, coin: coinOf(world, segmentZero(world), 16) })
    expect(deliverBytes(world, frame, Checkpoint.encode(riding))).toMatchObject({ reason: 'AmountInconsistent' })
    expect(world.vendor.segments.map(({ number }) => number)).toEqual([0, 1, 2])
  })

  it('with one number and two contents: the first stands', () => {
    const world = prepare('schnorr')
    const before = snapshot(world.vendor)
    for (const fields of [{ amount: 501n }, { amount: 500n, index: 4 }, { amount: 500n, nextUnitPrice: amount(9n) }]) {
      const other = forgeCheckpoint(world, { segment: 2, index: 5, nextLength: 4, ...fields })
      expect(Vendor.acceptCheckpoint(world.vendor, other, now)).toMatchObject({ reason: 'CheckpointConflict' })
    }
    expect(snapshot(world.vendor)).toEqual(before)
  })

  it.each([
    { where: 'at the end of the prefix', index: 3 },
    { where: 'at a payment that is missing', index: 4 },
    { where: 'at a payment ahead', index: 6 },
  ])('with a wrong transcript $where pay, then suspend the channel', ({ index }) => {
    const world = prepare('schnorr')
    const { vendor } = world
    const transcript = bytesOf('another transcript')
    const wrong = forgeCheckpoint(world, { segment: 3, index, amount: 600n, transcript })
    expect(Vendor.acceptCheckpoint(vendor, wrong, now)).toEqual({ ok: true })
    expect(vendor.paid).toBe(600n)
    for (const frame of world.missing) if (vendor.suspended === undefined) must(deliverBytes(world, frame))
    expect(vendor.suspended).toMatch(new RegExp(`contradicts the transcript at payment ${index}`))
    expect(vendor.paid).toBe(600n)
    expect(Vendor.acceptCheckpoint(vendor, wrong, now)).toMatchObject({ reason: 'ChannelSuspended' })
  })

  it.each([
    { what: 'with a wrong transcript', right: false },
    { what: 'with the right transcript', right: true },
  ])(
    'behind the prefix pay, $what, then suspend the channel: the payments after them were made without them',
    ({ right }) => {
      for (const index of [0, 1, 2]) {
        const world = prepare('schnorr')
        const { vendor, cores } = world
        const first = Transcript.first(vendor.channelId, world.opened.commitment)
        const transcript = right ? cores.slice(0, index).reduce(Transcript.next, first) : bytesOf('another transcript')
        const behind = forgeCheckpoint(world, { segment: 1, index, amount: 200n, transcript })
        const bytes = Checkpoint.encode(behind)
        const paid = {
          index: 4,
          segment: 1,
          step: 2,
          coin: coinOf(world, { number: 1, base: 200n, unitPrice: 10n, length: 8 }, 2),
        }
        const [alone, riding] = [fork(world), fork(world)]
        must(deliverCheckpoint(alone, bytes))
        must(deliverBytes(riding, forgePayment(world, paid), bytes))
        for (const one of [alone.vendor, riding.vendor]) {
          expect(one.suspended).toMatch(new RegExp(`contradicts the transcript at payment ${index}`))
          expect(one.segments.map(({ number }) => number)).toContain(1)
        }
        const richer = forgeCheckpoint(world, { segment: 3, index, amount: 700n, transcript })
        must(Vendor.acceptCheckpoint(vendor, richer, now))
        expect(vendor.paid).toBe(700n)
        expect(vendor.suspended).toMatch(new RegExp(`contradicts the transcript at payment ${index}`))
        expect(Vendor.acceptCheckpoint(vendor, richer, now)).toMatchObject({ reason: 'ChannelSuspended' })
      }
    },
  )

  it('out of the order of the others pay, then suspend the channel: none is dropped before it was compared', () => {
    const high = { segment: 3, index: 6, amount: 600n, transcript: bytesOf('another transcript') }
    const low = { segment: 4, index: 5, amount: 700n }
    for (const order of [
      [high, low],
      [low, high],
    ]) {
      const world = prepare('schnorr')
      for (const fields of order) must(Vendor.acceptCheckpoint(world.vendor, forgeCheckpoint(world, fields), now))
      expect(world.vendor).toMatchObject({ paid: 700n, suspended: expect.stringMatching(/out of the order/) })
    }
  })

  it('behind the prefix, unsigned or worth less than what is proven, neither pay nor suspend', () => {
    const world = prepare('schnorr')
    const before = snapshot(world.vendor)
    const fields = { segment: 3, index: 2, transcript: bytesOf('another transcript') }
    const unsigned = forgeCheckpoint(world, { ...fields, amount: 700n }, account)
    expect(Vendor.acceptCheckpoint(world.vendor, unsigned, now)).toMatchObject({ reason: 'CheckpointSignature' })
    const less = forgeCheckpoint(world, { ...fields, amount: 510n })
    expect(Vendor.acceptCheckpoint(world.vendor, less, now)).toMatchObject({ reason: 'CheckpointAmount' })
    expect(snapshot(world.vendor)).toEqual(before)
  })

  it('come in any order, also those that stand at payments nobody has seen yet', () => {
    const world = createWorld({ funds: 1_000_000n, segmentLength: 4 })
    const payments = Array.from({ length: 12 }, (_, at) => payClient(world, at % 2 === 0 ? 20_000n : 10n))
    const checkpoints = new Set(payments.flatMap(({ checkpoint }) => (checkpoint === undefined ? [] : [checkpoint])))
    expect(checkpoints.size).toBeGreaterThan(4)
    for (const checkpoint of [...checkpoints].reverse()) must(deliverCheckpoint(world, checkpoint))
    expect(world.vendor.paid).toBe(world.client.segment.base)
    for (const payment of payments.reverse()) must(deliver(world, payment))
    expect(world.vendor).toMatchObject({ paid: world.client.paid, suspended: undefined, window: { contiguous: 12 } })
  })

  it('without end, as in a stream of ticks alone, add nothing to the record', () => {
    const world = createWorld({ funds: 1_000n, segmentLength: 16 })
    must(
      deliverBytes(
        world,
        forgePayment(world, { index: 1, segment: 0, step: 1, coin: coinOf(world, segmentZero(world), 1) }),
      ),
    )
    for (let segment = 1; segment <= 1_100; segment++) {
      const checkpoint = forgeCheckpoint(world, { segment, index: 1, amount: 10n, nextLength: 0 })
      expect(Vendor.acceptCheckpoint(world.vendor, checkpoint, now)).toEqual({ ok: true })
    }
    expect(world.vendor.segments.map(({ number }) => number)).toEqual([1_100])
  })

  it('past the prefix open at most as many segments as the window has payments', () => {
    const { vendor, client } = createWorld({ funds: 1_000n, segmentLength: 16 })
    const world = { ...createWorld({ funds: 1_000n, segmentLength: 16 }), vendor, client }
    // As if that many checkpoints had been verified: each costs a signature to make and one to check.
    for (let number = 1; number <= 1025; number++) {
      vendor.segments.push({ ...vendor.segments[0]!, number, base: 10n, index: 1, checkpoint: new Uint8Array(171) })
    }
    const one = forgeCheckpoint(world, { segment: 1026, index: 1, amount: 10n })
    expect(Vendor.acceptCheckpoint(vendor, one, now)).toMatchObject({ ok: false, reason: 'IndexOutsideWindow' })
    const coin = coinOf(world, segmentZero(world), 1)
    must(deliverBytes(world, forgePayment(world, { index: 1, segment: 0, step: 1, coin })))
    expect(vendor.segments).toHaveLength(1)
  })
})
