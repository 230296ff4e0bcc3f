import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Vendor } from '../../src/protocol/index.ts'
import * as Checkpoint from '../../src/wire/Checkpoint.ts'
import * as Transcript from '../../src/wire/Transcript.ts'
import { fork, snapshot } from './adversary.ts'
import { bring, receive, type Sent, sendAll, wishes } from './history.ts'
import { createWorld, deliver, must, payClient, type World } from './world.ts'

const funds = 900n
const fresh = createWorld({ funds, unitPrice: 10n, segmentLength: 4, label: 'window' })

/** An honest history, and the world whose vendor has seen nothing of it. */
function happened(list: Parameters<typeof sendAll>[1]): { world: World; sent: Sent[] } {
  const world = fork(fresh)
  return { world, sent: sendAll(world, list) }
}

/** What any set of messages comes to, said without a machine. */
function expected(world: World, some: readonly Sent[]): object {
  const cores = new Map(some.flatMap(({ index, core }) => (core === undefined ? [] : [[index, core]])))
  let transcript = Transcript.first(world.vendor.channelId, world.opened.commitment)
  let contiguous = 0
  while (cores.has(contiguous + 1)) {
    contiguous += 1
    transcript = Transcript.next(transcript, cores.get(contiguous)!)
  }
  // Ticks wait for a payment to tick for.
  const counted = cores.size === 0 ? some.filter(({ wish }) => wish !== 'tick') : some
  const paid = counted.reduce((most, { paid }) => (paid > most ? paid : most), 0n)
  return { paid, credit: paid, contiguous, transcript, suspended: undefined, strikes: 0 }
}

function reached({ vendor }: World): object {
  const { paid, window, suspended, strikes } = vendor
  const { contiguous, transcript } = window
  return { paid, credit: Vendor.credit(vendor), contiguous, transcript, suspended, strikes }
}

/** Sends again what was refused, as long as that helps. Payments are never refused but as seen. */
function deliverAll(world: World, some: readonly Sent[]): void {
  let left = some
  for (;;) {
    const refused = left.filter((one) => {
      must(bring(world, one))
      const before = snapshot(world.vendor)
      const verdict = receive(world, one)
      if (verdict.ok || verdict.reason === 'IndexSeen') return false
      expect(snapshot(world.vendor)).toEqual(before)
      expect([one.wish, verdict.reason]).toEqual(['tick', 'PaymentMissing'])
      return true
    })
    if (refused.length === left.length) return
    left = refused
  }
}

describe('any set of an honest client’s messages, in any order, with duplicates', () => {
  const list = wishes({ priceMax: 70n, maxLength: 30 })
  const order = fc.infiniteStream(fc.nat())

  it('comes to the same paid, credit, prefix and transcript', () => {
    fc.assert(
      fc.property(list, order, fc.double({ min: 0.3, max: 1, noNaN: true }), (asked, random, kept) => {
        const { world, sent } = happened(asked)
        const picked = [...sent, ...sent].map((one) => ({ one, at: random.next().value }))
        const some = picked
          .toSorted((left, right) => left.at - right.at)
          .slice(0, Math.ceil(picked.length * kept))
          .map(({ one }) => one)
        deliverAll(world, some)
        // A tick brings its checkpoint along whether or not it is taken itself.
        expect(reached(world)).toEqual(expected(world, [...some, ...some.flatMap(brought)]))
      }),
      { numRuns: 120 },
    )
  })

  it('whole, comes to what the client says: nothing lost, nothing gained', () => {
    fc.assert(
      fc.property(list, order, (asked, random) => {
        const { world, sent } = happened(asked)
        const shuffled = sent
          .map((one) => ({ one, at: random.next().value }))
          .toSorted((left, right) => left.at - right.at)
          .map(({ one }) => one)
        deliverAll(world, [...shuffled, ...sent])
        const { client, vendor } = world
        if (client.index === 0) return
        expect(vendor).toMatchObject({
          paid: client.paid,
          strikes: 0,
          suspended: undefined,
          window: { ahead: new Map() },
        })
        expect(vendor.window).toMatchObject({ contiguous: client.index, transcript: client.transcript })
        expect(vendor.paid <= funds).toBe(true)
        // What is kept of the past does not grow with it.
        expect(vendor.segments.map(({ number }) => number)).toEqual([client.segment.number])
      }),
      { numRuns: 80 },
    )
  })

  it('keeps a whole window of payments ahead, in any order, and takes them in when the missing one comes', () => {
    const world = createWorld({ funds: 100_000n, unitPrice: 10n, segmentLength: 1024, label: 'wide' })
    const payments = Array.from({ length: 1024 }, (_, at) => payClient(world, at % 100 === 0 ? 30n : 0n))
    const [first, ...rest] = payments
    for (const payment of rest.toReversed()) must(deliver(world, payment))
    expect(world.vendor.window).toMatchObject({ contiguous: 0 })
    expect(world.vendor.window.ahead.size).toBe(1023)
    expect(world.vendor.paid).toBe(world.client.paid)
    must(deliver(world, first!))
    expect(world.vendor.window).toMatchObject({ contiguous: 1024, ahead: new Map() })
    expect(world.vendor.window.transcript).toEqual(world.client.transcript)
  })
})

/** The checkpoint that a message brings along, as a message of its own. */
function brought({ index, checkpoint }: Sent): Sent[] {
  if (checkpoint === undefined) return []
  const parsed = Checkpoint.parse(checkpoint)
  if (!parsed.ok) throw new Error(parsed.detail)
  return [{ wish: 'checkpoint', index, bytes: checkpoint, checkpoint: undefined, paid: parsed.value.amount }]
}
