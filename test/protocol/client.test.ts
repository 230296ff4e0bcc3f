import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { LockSchemeName } from '../../src/crypto/locks.ts'
import * as Schnorr from '../../src/crypto/Schnorr.ts'
import { AssertionError, Client, Vendor } from '../../src/protocol/index.ts'
import { amount, type UnixSeconds } from '../../src/wire/amount.ts'
import * as Checkpoint from '../../src/wire/Checkpoint.ts'
import * as Closing from '../../src/wire/Closing.ts'
import * as Frame from '../../src/wire/Frame.ts'
import type { Statement } from '../../src/wire/Statement.ts'
import { fork, later, snapshot } from './adversary.ts'
import { bring, grantWish, receive, wishes } from './history.ts'
import { bytesOf, createWorld, deliver, must, now, payClient, read, vendorKey, type World } from './world.ts'

const lockSchemeNames: readonly LockSchemeName[] = ['schnorr', 'ecdsa-xor']

describe.each(lockSchemeNames)('a client with %s locks', (lockScheme) => {
  const worlds = [
    createWorld({ lockScheme, funds: 40n, unitPrice: 10n, segmentLength: 4, label: 'poor' }),
    createWorld({ lockScheme, funds: 1_003n, unitPrice: 7n, segmentLength: 5, label: 'odd' }),
    createWorld({ lockScheme, funds: 9_000n, unitPrice: 1n, segmentLength: 1, label: 'fine' }),
  ]
  const step = fc.record({ served: fc.boolean(), told: fc.boolean() })

  it('makes only what its vendor accepts, refuses only what its funds cannot pay, and then changes nothing', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...worlds),
        wishes({ priceMax: 400n, maxLength: 24 }),
        fc.array(step, { minLength: 24, maxLength: 24 }),
        (base, list, steps) => {
          const world = fork(base)
          const { client, vendor } = world
          for (const [at, wish] of list.entries()) {
            const before = snapshot(client)
            const { paid, index } = client
            const credit = Client.credit(client)
            const made = grantWish(world, wish)
            if (!made.ok) {
              expect(snapshot(client)).toEqual(before)
              if (made.reason === 'FundsExhausted')
                expect(needed(client, wish, credit) + paid > client.terms.funds).toBe(true)
              else expect([wish.kind, made.reason]).toEqual(['tick', 'PaymentMissing'])
              continue
            }
            must(bring(world, made.sent))
            must(receive(world, made.sent))
            expect(vendor).toMatchObject({ paid: client.paid, suspended: undefined, strikes: 0 })
            expect(vendor.window).toMatchObject({ contiguous: client.index, transcript: client.transcript })
            if (wish.kind === 'pay') {
              expect(client.index).toBe(index + 1)
              expect(Client.credit(client)).toBeGreaterThanOrEqual(0n)
              // Credit first: nothing is revealed for what is paid already, but for the first coin of all.
              if (wish.price <= credit && paid > 0n) expect(client.paid).toBe(paid)
              if (steps[at]!.served) serveAndTell(world, index + 1, wish.price, steps[at]!.told)
            }
            expect(client.acknowledged <= client.agreed && client.acknowledged <= client.paid).toBe(true)
            expect(client.paid <= client.terms.funds).toBe(true)
          }
          expect(client.frozen).toBeUndefined()
        },
      ),
      { numRuns: 120 },
    )
  })

  it('signs one transaction an index, each of the amount paid so far, whatever it is asked in between', () => {
    const world = createWorld({ lockScheme, funds: 200n, unitPrice: 10n, segmentLength: 4, label: 'once' })
    const { client } = world
    const amounts: bigint[] = []
    for (const price of [10n, 500n, 30n, 0n, 201n, 70n, 1_000n, 90n, 1n]) {
      const made = Client.pay(client, { price, digest: bytesOf('goods'), now })
      if (!made.ok) {
        expect(made.reason).toBe('FundsExhausted')
        continue
      }
      const frame = read(Frame.parsePayment(made.payment.frame))
      expect(frame.index).toBe(amounts.length + 1)
      amounts.push(must(deliver(world, made.payment)).accepted.amount)
      Client.checkpoint(client)
    }
    expect(amounts).toEqual([10n, 40n, 40n, 110n, 200n])
  })

  it('pays to the last unit of its funds and not one more', () => {
    const world = createWorld({ lockScheme, funds: 105n, unitPrice: 10n, segmentLength: 10, label: 'last' })
    must(deliver(world, payClient(world, 100n)))
    expect(Client.pay(world.client, { price: 6n, digest: bytesOf('goods'), now })).toMatchObject({
      reason: 'FundsExhausted',
    })
    must(deliver(world, payClient(world, 5n)))
    expect(world.vendor.paid).toBe(105n)
    expect(world.client.segment.length).toBe(0)
    expect(Client.pay(world.client, { price: 1n, digest: bytesOf('goods'), now })).toMatchObject({
      reason: 'FundsExhausted',
    })
    expect(Client.tick(world.client, { index: 2, units: 1, now })).toMatchObject({ reason: 'FundsExhausted' })
    must(deliver(world, payClient(world, 0n)))
    expect(world.vendor).toMatchObject({ paid: 105n, window: { contiguous: 3 } })
  })
})

describe('a client', () => {
  it('signs nothing from the second on in which the channel expires', () => {
    const { client } = createWorld()
    const end = later(3600n)
    const purchase = (time: UnixSeconds): Parameters<typeof Client.pay>[1] => ({
      price: 1n,
      digest: bytesOf('goods'),
      now: time,
    })
    must(Client.pay(client, purchase((end - 1n) as UnixSeconds)))
    const before = snapshot(client)
    expect(Client.pay(client, purchase(end))).toMatchObject({ ok: false, reason: 'ChannelExpired' })
    expect(Client.tick(client, { index: 1, units: 1, now: end })).toMatchObject({ ok: false, reason: 'ChannelExpired' })
    expect(snapshot(client)).toEqual(before)
  })

  it('stops on a price or a number of units that no caller may ask for', () => {
    const { client } = createWorld()
    payClient({ ...createWorld(), client }, 1n)
    const before = snapshot(client)
    expect(() => Client.pay(client, { price: -1n, digest: bytesOf('goods'), now })).toThrow(AssertionError)
    for (const units of [0, -1, 0.5, 1025, Number.NaN]) {
      expect(() => Client.tick(client, { index: 1, units, now })).toThrow(AssertionError)
    }
    expect(snapshot(client)).toEqual(before)
  })

  it('ticks for a payment in progress alone', () => {
    const world = createWorld()
    const tick = (index: number) => Client.tick(world.client, { index, units: 1, now })
    expect(tick(0)).toMatchObject({ ok: false, reason: 'PaymentMissing' })
    const [first, second] = [payClient(world, 10n), payClient(world, 10n)]
    for (const { index } of [first, second, first]) must(tick(index))
    must(Client.acknowledge(world.client, statement({ index: 1, charged: 30n, spent: 30n, paid: 50n })))
    expect(tick(1)).toMatchObject({ ok: false, reason: 'PaymentMissing' })
    must(tick(2))
  })

  it('sends a checkpoint along until its segment is acknowledged', () => {
    const world = createWorld({ funds: 100_000n, segmentLength: 4, label: 'along' })
    expect(payClient(world, 10n).checkpoint).toBeUndefined()
    const opening = payClient(world, 5_000n).checkpoint
    expect(opening).toBeDefined()
    expect(payClient(world, 10n).checkpoint).toEqual(opening)
    must(Client.acknowledge(world.client, statement({ segment: 0 })))
    expect(payClient(world, 10n).checkpoint).toEqual(opening)
    must(Client.acknowledge(world.client, statement({ segment: 1 })))
    expect(payClient(world, 10n).checkpoint).toBeUndefined()
  })

  it('signs one checkpoint a segment number, each over a segment that its funds can fill', () => {
    const world = createWorld({ funds: 500n, segmentLength: 4, label: 'numbers' })
    payClient(world, 10n)
    for (let number = 1; number <= 8; number++) {
      const checkpoint = read(Checkpoint.parse(must(Client.checkpoint(world.client)).checkpoint))
      const { segment, amount: base, nextLength, nextUnitPrice } = checkpoint
      expect(segment).toBe(number)
      expect(base + BigInt(nextLength) * nextUnitPrice <= 500n).toBe(true)
      must(Client.tick(world.client, { index: 1, units: number, now }))
    }
  })

  it('signs a checkpoint every 1,024 payments, also where none of them costs anything', () => {
    const world = createWorld({ label: 'every 1,024' })
    const payments = Array.from({ length: 2049 }, () => payClient(world, 0n))
    for (const payment of payments) must(deliver(world, payment))
    const at = payments.map(({ checkpoint }) => (checkpoint ? read(Checkpoint.parse(checkpoint)).index : undefined))
    expect(at.indexOf(1024)).toBe(1024)
    expect(at.indexOf(2048)).toBe(2048)
    expect(at[1023]).toBeUndefined()
    expect(world.vendor).toMatchObject({ paid: 10n, suspended: undefined })
  })
})

describe('a statement', () => {
  /** Payments of 20 and 18 in progress, and 40 paid. */
  const base = createWorld({ funds: 1_000n, segmentLength: 64, label: 'statements' })
  payClient(base, 20n)
  payClient(base, 18n)

  it.each([
    { wrong: 'charges a payment more than its price', said: { index: 1, charged: 21n, spent: 21n, paid: 40n } },
    { wrong: 'charges more in all than was agreed', said: { index: 0, spent: 39n, paid: 40n } },
    { wrong: 'counts more as paid than was', said: { index: 1, charged: 20n, spent: 20n, paid: 41n } },
  ])('that $wrong freezes the channel: nothing more is signed on it', ({ said }) => {
    const { client } = fork(base)
    const { paid, acknowledged } = client
    expect(Client.acknowledge(client, statement(said))).toMatchObject({ ok: false, reason: 'ClosingDisputed' })
    expect(client.frozen).toBeDefined()
    expect(client).toMatchObject({ paid, acknowledged })
    const before = snapshot(client)
    expect(Client.pay(client, { price: 1n, digest: bytesOf('goods'), now })).toMatchObject({ ok: false })
    expect(Client.tick(client, { index: 2, units: 1, now })).toMatchObject({ ok: false })
    expect(Client.checkpoint(client)).toMatchObject({ ok: false })
    expect(snapshot(client)).toEqual(before)
  })

  it('never says that more was charged than was paid, however often credit was agreed to and given back', () => {
    const { client } = fork(base)
    for (let index = 3; index <= 12; index++) {
      must(Client.acknowledge(client, statement({ index: index - 2, charged: 0n, paid: 40n })))
      must(Client.pay(client, { price: 20n, digest: bytesOf('goods'), now }))
    }
    expect(client).toMatchObject({ paid: 40n, agreed: 238n })
    const greedy = statement({ index: 0, spent: 41n, paid: 40n })
    expect(Client.acknowledge(client, greedy)).toMatchObject({ ok: false, reason: 'ClosingDisputed' })
    expect(Client.credit(client)).toBeGreaterThanOrEqual(0n)
  })

  it('of a frozen channel’s vendor that closes rightly is still answered with the release', () => {
    const world = fork(base)
    const { client } = world
    Client.acknowledge(client, statement({ index: 0, spent: 41n, paid: 40n }))
    const { index, transcript, channelId } = client
    const closing = Closing.sign(vendorKey, { channelId, index, spent: amount(38n), transcript })
    must(Client.release(client, closing))
  })
})

describe('statements in any order, repeated or lost', () => {
  /** Streams and single requests, side by side. Each entry: which stream it renews (0: none), its price, ticks, and what is used. */
  const activity = fc.array(
    fc.record({
      stream: fc.nat(2),
      price: fc.bigInt(0n, 60n),
      ticks: fc.nat(3),
      used: fc.nat(8),
    }),
    { minLength: 1, maxLength: 12 },
  )
  const fresh = createWorld({ funds: 5_000n, segmentLength: 64, label: 'in any order' })

  interface Stream {
    index: number
    /** What it may still cost. */
    left: bigint
    charged: bigint
  }

  /** The statements of an honest vendor to all of it, each when its payment ends. */
  function told(
    world: World,
    list: readonly { stream: number; price: bigint; ticks: number; used: number }[],
  ): Statement[] {
    const { client } = world
    const streams = new Map<number, Stream>()
    const said: Statement[] = []
    let spent = 0n
    const end = ({ index, charged }: Stream): void => {
      said.push(statement({ index, charged, spent, paid: client.paid }))
    }
    for (const { stream, price, ticks, used } of list) {
      const running = streams.get(stream)
      const purchase = { price, digest: bytesOf('goods'), now }
      const renewed = stream === 0 || running === undefined ? undefined : running.index
      const made = renewed === undefined ? Client.pay(client, purchase) : Client.renew(client, renewed, purchase)
      const { index } = must(made).payment
      if (running !== undefined) end(running)
      const next = { index, left: price + (renewed === undefined ? 0n : running!.left), charged: 0n }
      for (let tick = 0; tick < ticks; tick++) {
        must(Client.tick(client, { index, units: 1, now }))
        next.left += 10n
      }
      const charged = (next.left * BigInt(used)) / 8n
      next.left -= charged
      next.charged = charged
      spent += charged
      streams.set(stream, next)
    }
    for (const running of streams.values()) end(running)
    return said
  }

  it('never freeze an honest vendor’s channel, and come to the same', () => {
    fc.assert(
      fc.property(activity, fc.infiniteStream(fc.nat()), fc.boolean(), (list, random, lossy) => {
        const world = fork(fresh)
        const { client } = world
        const said = told(world, list)
        const [spent, promised] = [said.at(-1)!.spent, client.outstanding.size]
        expect(promised).toBe(said.length)
        const heard = [...said, ...said]
          .map((one) => ({ one, at: random.next().value }))
          .toSorted((left, right) => left.at - right.at)
          .map(({ one }) => one)
          .slice(0, lossy ? said.length : undefined)
        for (const one of heard) {
          expect(Client.acknowledge(client, one)).toEqual({ ok: true })
          expect(client.acknowledged <= client.paid && client.acknowledged <= client.agreed).toBe(true)
          for (const [previous, next] of client.successors) {
            expect(client.outstanding.has(previous) && client.outstanding.has(next)).toBe(true)
          }
        }
        expect(client.acknowledged).toBe(heard.reduce((most, one) => (one.spent > most ? one.spent : most), 0n))
        const answered = new Set(heard.map(({ index }) => index))
        expect([...client.outstanding.keys()]).toEqual(
          said
            .map(({ index }) => index)
            .filter((index) => !answered.has(index))
            .sort((left, right) => left - right),
        )
        if (lossy) return
        expect(client).toMatchObject({ acknowledged: spent, outstanding: new Map(), successors: new Map() })
        expect(Client.credit(client)).toBe(client.paid - spent)
      }),
      { numRuns: 150 },
    )
  })

  it('hand what a payment of a stream has left to the payment that took over, and to nothing else', () => {
    const { client } = fork(fresh)
    const purchase = { price: 20n, digest: bytesOf('goods'), now }
    must(Client.pay(client, purchase))
    must(Client.tick(client, { index: 1, units: 3, now }))
    must(Client.renew(client, 1, purchase))
    must(Client.pay(client, purchase))
    must(Client.acknowledge(client, statement({ index: 1, charged: 10n, spent: 10n, paid: 90n })))
    expect([...client.outstanding]).toEqual([
      [2, 60n],
      [3, 20n],
    ])
    expect(Client.acknowledge(client, statement({ index: 3, charged: 21n, spent: 31n, paid: 90n }))).toMatchObject({
      ok: false,
    })
  })
})

describe.each(lockSchemeNames)('a release with %s locks', (lockScheme) => {
  const base = createWorld({ lockScheme, funds: 1_000n, segmentLength: 8, label: 'release' })
  for (const price of [15n, 22n, 0n]) {
    const payment = payClient(base, price)
    must(deliver(base, payment))
    serveAndTell(base, payment.index, price, true)
  }
  const { closing } = must(Vendor.createClosing(fork(base).vendor, vendorKey))
  const resign = (change: Partial<Closing.Closing>, key = vendorKey): Closing.Closing =>
    Closing.sign(key, { ...closing, ...change })

  it.each([
    { wrong: 'of another channel', reason: 'ClosingInvalid', said: resign({ channelId: bytesOf('another channel') }) },
    { wrong: 'signed by another', reason: 'ClosingInvalid', said: resign({}, Schnorr.keyPair(bytesOf('a stranger'))) },
    { wrong: 'signed by the client', reason: 'ClosingInvalid', said: resign({}, base.client.key) },
    { wrong: 'of fewer payments', reason: 'PaymentsMissing', said: resign({ index: 2 }) },
    { wrong: 'of more payments', reason: 'PaymentsMissing', said: resign({ index: 4 }) },
    { wrong: 'over another transcript', reason: 'ClosingDisputed', said: resign({ transcript: bytesOf('another') }) },
    { wrong: 'that charges more than agreed', reason: 'ClosingDisputed', said: resign({ spent: amount(38n) }) },
  ])('is refused to a closing $wrong, and nothing is given or changed', ({ said, reason }) => {
    const { client } = fork(base)
    const before = snapshot(client)
    expect(Client.release(client, said)).toMatchObject({ ok: false, reason })
    expect(snapshot(client)).toEqual(before)
    must(Client.pay(client, { price: 1n, digest: bytesOf('goods'), now }))
  })

  it('is refused to a closing that charges more than was paid, though more was agreed to in all', () => {
    const { client, vendor } = fork(base)
    for (let index = 4; index <= 6; index++) {
      must(Client.pay(client, { price: 10n, digest: bytesOf('goods'), now }))
      must(Client.acknowledge(client, statement({ index, spent: vendor.spent, paid: client.paid })))
    }
    const { index, transcript, paid, agreed } = client
    expect(agreed > paid).toBe(true)
    const said = (spent: bigint): Closing.Closing => resign({ index, transcript, spent: amount(spent) })
    expect(Client.release(client, said(paid + 1n))).toMatchObject({ ok: false, reason: 'ClosingDisputed' })
    must(Client.release(client, said(paid)))
  })

  it('is refused with any one byte of the closing changed', () => {
    const { client } = fork(base)
    const before = snapshot(client)
    const bytes = Closing.encode(closing)
    for (let at = 0; at < bytes.length; at++) {
      const wrong = new Uint8Array(bytes)
      wrong[at]! ^= 1 << (at & 7)
      const parsed = Closing.parse(wrong)
      if (parsed.ok) expect(Client.release(client, parsed.value)).toMatchObject({ reason: 'ClosingInvalid' })
    }
    expect(snapshot(client)).toEqual(before)
  })

  it('is the same bytes each time, whatever else the vendor states, and the last thing the client signs', () => {
    const { client } = fork(base)
    const { release } = must(Client.release(client, closing))
    expect(must(Client.release(client, closing)).release).toEqual(release)
    expect(must(Client.release(client, resign({ spent: amount(0n) }))).release).toEqual(release)
    const before = snapshot(client)
    expect(Client.pay(client, { price: 1n, digest: bytesOf('goods'), now })).toMatchObject({ ok: false })
    expect(Client.tick(client, { index: 3, units: 1, now })).toMatchObject({ ok: false })
    expect(Client.checkpoint(client)).toMatchObject({ ok: false })
    expect(snapshot(client)).toEqual(before)
  })

  it('leaves nothing at risk: what was not charged comes back', () => {
    const { client } = fork(base)
    must(Client.release(client, closing))
    expect(client).toMatchObject({ acknowledged: closing.spent, outstanding: new Map(), successors: new Map() })
  })

  it('has a checkpoint over all that was paid, ticks after the last payment included', () => {
    const world = fork(base)
    must(Client.pay(world.client, { price: 10n, digest: bytesOf('goods'), now }))
    must(Client.tick(world.client, { index: 4, units: 3, now }))
    const { index, transcript } = world.client
    const { release } = must(Client.release(world.client, resign({ index, transcript })))
    const checkpoint = read(Checkpoint.parse(read(Closing.parseRelease(release)).checkpoint))
    expect(checkpoint).toMatchObject({ index: 4, amount: world.client.paid, nextLength: 0, transcript })
  })

  it('is not given for a channel without payments', () => {
    const unused = createWorld({ lockScheme, label: 'unused' })
    const said = must(Vendor.createClosing(unused.vendor, vendorKey)).closing
    expect(Client.release(unused.client, said)).toMatchObject({ ok: false, reason: 'ClosingInvalid' })
  })
})

/** What a wish costs beyond what is paid. */
function needed(client: Client.ClientChannel, wish: Parameters<typeof grantWish>[1], credit: bigint): bigint {
  if (wish.kind === 'checkpoint') return 0n
  if (wish.kind === 'tick') return BigInt(wish.units) * client.terms.unitPrice
  return wish.price > credit ? wish.price - credit : 0n
}

/** The vendor charges a payment its price, and its client hears of it. */
function serveAndTell({ client, vendor }: World, index: number, price: bigint, told: boolean): void {
  const { reservation } = must(Vendor.reserve(vendor, index, price))
  Vendor.charge(vendor, reservation, price)
  Vendor.settle(vendor, reservation)
  if (told) must(Client.acknowledge(client, Vendor.statement(vendor, index, price)))
}

function statement(
  said: Partial<{ [K in keyof Statement]: Statement[K] extends bigint ? bigint : Statement[K] }>,
): Statement {
  const { index = 0, charged = 0n, spent = 0n, paid = 0n, credit = 0n, contiguous = 0, segment = 0 } = said
  return {
    index,
    contiguous,
    segment,
    charged: amount(charged),
    spent: amount(spent),
    paid: amount(paid),
    credit: amount(credit),
  }
}
