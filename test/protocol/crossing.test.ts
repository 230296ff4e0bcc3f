/** Claims and expiries that cross: whatever comes, however often, in whatever order, one of them moves the money, once. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { equal } from '../../src/crypto/bytes.ts'
import * as Schnorr from '../../src/crypto/Schnorr.ts'
import { Bank, type Refusal } from '../../src/protocol/index.ts'
import { amount, unixSeconds } from '../../src/wire/amount.ts'
import * as Close from '../../src/wire/Close.ts'
import { booked, claimOf, clockAt, nameOf, post } from './bankWorld.ts'
import { account, bytesOf, createWorld, deliver, must, now, payClient, serve, vendorKey, type World } from './world.ts'

const { BankClock } = Bank
const funds = 1_000n

function served(): World {
  const world = createWorld({ funds, segmentLength: 8, label: 'crossing' })
  for (let count = 1; count <= 4; count++) {
    must(deliver(world, payClient(world, 15n)))
    serve(world, count, 15n)
  }
  return world
}

const world = served()
const { channelId, terms } = world.client
const deadline = BankClock.deadline(terms)
const claims = [claimOf(world), claimOf(world, { amount: amount(10n) }), claimOf(world, { amount: amount(0n) })]
const wrong = Close.sign(Schnorr.keyPair(bytesOf('a stranger')), claims[0]!)
const tooMuch = claimOf(world, { amount: amount(900n) })

/** One bank's books of this channel: decisions on what was read, written by compare-and-set. */
interface Books {
  channel: Bank.BookedChannel
  clock: Bank.BankClock.BankClock
  readonly balances: Map<string, bigint>
  readonly posted: Set<string>
  /** Every answer that says that money moved: to the vendor, to the client. */
  readonly answers: { readonly settled: bigint; readonly refund: bigint; readonly by: 'claim' | 'expiry' }[]
  moves: number
}

type Decided = Refusal | { readonly ok: true; readonly standing: Bank.Standing; readonly entry: Bank.Entry }

const clientName = `USD/6 ${nameOf({ place: 'account', owner: account.publicKey })}`
const channelName = `USD/6 ${nameOf({ place: 'channel', owner: channelId })}`
const transitName = `USD/6 ${nameOf({ place: 'transit', owner: channelId })}`

function open(clock: Bank.BankClock.BankClock): Books {
  const balances = new Map([[channelName, funds]])
  return { channel: booked(world), clock, balances, posted: new Set(), answers: [], moves: 0 }
}

/** What a claim comes to on what was read: the same claim again is answered as before. */
function decideClose(
  { channel, clock }: Pick<Books, 'channel' | 'clock'>,
  close: Close.SignedClose,
): Decided | 'again' {
  const { standing } = channel
  if (standing.status === 'closed' && equal(Close.encode(standing.close), Close.encode(close))) return 'again'
  if (standing.status !== 'open') return { ok: false, reason: 'ChannelClosed', detail: standing.status }
  const verdict = Bank.assessClose(close, channel, BankClock.timeOf(clock, terms, channel.graceFrom))
  if (!verdict.ok) return verdict
  const { settled, refund } = verdict
  const from = { place: 'channel', owner: channelId } as const
  const transfers: Bank.Transfer[] = [
    { asset: 'USD/6', amount: settled, from, to: { place: 'transit', owner: channelId } },
    { asset: 'USD/6', amount: refund, from, to: { place: 'account', owner: account.publicKey } },
  ]
  const entry: Bank.Entry = {
    kind: 'settle',
    reference: channelId,
    transfers: transfers.filter(({ amount: moved }) => moved > 0n),
  }
  return { ok: true, standing: { status: 'closed', close, settled }, entry }
}

function decideExpire({ channel, clock }: Pick<Books, 'channel' | 'clock'>, who?: Uint8Array): Decided {
  const verdict = Bank.assessExpire({ channel, clock, ...(who && { account: who }) })
  return verdict.ok ? { ok: true, standing: { status: 'expired' }, entry: verdict.entry } : verdict
}

/** The compare-and-set: open to something else, with its entry, or nothing. */
function commit(books: Books, decided: Decided): void {
  if (!decided.ok || books.channel.standing.status !== 'open') return
  const { standing, entry } = decided
  books.channel = { ...books.channel, standing }
  post(books.balances, [entry], books.posted)
  const settled = books.balances.get(transitName) ?? 0n
  const refund = books.balances.get(clientName) ?? 0n
  books.answers.push({ settled, refund, by: standing.status === 'closed' ? 'claim' : 'expiry' })
  books.moves += 1
}

function tick(books: Books, seconds: bigint): void {
  const wall = unixSeconds(books.clock.wall + seconds)
  books.clock = BankClock.step(books.clock, { wall, elapsed: seconds })
  books.channel = { ...books.channel, graceFrom: books.channel.graceFrom ?? BankClock.graceFrom(books.clock, terms) }
}

type Step =
  | { readonly kind: 'claim'; readonly which: number; readonly late: boolean }
  | { readonly kind: 'expire'; readonly mine: boolean; readonly late: boolean }
  | { readonly kind: 'tick'; readonly seconds: bigint }
  | { readonly kind: 'away'; readonly seconds: bigint }
  | { readonly kind: 'confirm' }

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('claim' as const), which: fc.nat(4), late: fc.boolean() }) },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant('expire' as const), mine: fc.boolean(), late: fc.boolean() }),
    },
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('tick' as const), seconds: fc.bigInt(0n, 2n) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('away' as const), seconds: fc.bigInt(0n, 700n) }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'confirm' as const }) },
  ),
  { maxLength: 30, minLength: 5 },
)

describe('claims and expiries of one channel', () => {
  it('move the money once, whichever they are, however they cross, around the boundary second', () => {
    let [claimed, expired, neither] = [0, 0, 0]
    fc.assert(
      fc.property(fc.bigInt(-3n, 3n), steps, (offset, list) => {
        const books = open(clockAt(deadline + offset))
        books.channel = { ...books.channel, graceFrom: terms.expiresAt - now }
        // Decided on what was read earlier: written late, over what has happened since.
        let pending: Decided[] = []
        for (const step of list) {
          const before = { ...books, balances: new Map(books.balances) }
          if (step.kind === 'tick') tick(books, step.seconds)
          if (step.kind === 'away') {
            const wall = unixSeconds(books.clock.wall + step.seconds)
            books.clock = BankClock.step(books.clock, { wall, elapsed: undefined })
          }
          if (step.kind === 'confirm') books.clock = BankClock.confirm(books.clock, books.clock.wall)
          if (step.kind === 'claim' || step.kind === 'expire') {
            const decided =
              step.kind === 'claim'
                ? decideClose(books, [...claims, wrong, tooMuch][step.which]!)
                : decideExpire(books, step.mine ? account.publicKey : vendorKey.publicKey)
            if (decided === 'again') continue
            if (step.late) pending.push(decided)
            else {
              for (const one of pending) commit(books, one)
              pending = []
              commit(books, decided)
            }
          }
          expect(books.moves - before.moves).toBeLessThanOrEqual(1)
          if (before.channel.standing.status !== 'open') expect(books.balances).toEqual(before.balances)
        }
        for (const one of pending) commit(books, one)
        expect(books.moves).toBe(books.answers.length)
        expect(books.moves).toBeLessThanOrEqual(1)
        const left = (name: string): bigint => books.balances.get(name) ?? 0n
        expect(left(channelName) + left(clientName) + left(transitName)).toBe(funds)
        expect(left(channelName)).toBe(books.moves === 1 ? 0n : funds)
        const by = books.answers[0]?.by
        if (by === 'claim') claimed += 1
        else if (by === 'expiry') expired += 1
        else neither += 1
        if (by === 'expiry') expect(left(clientName)).toBe(funds)
      }),
      { numRuns: 400 },
    )
    // All of it happened.
    for (const count of [claimed, expired, neither]) expect(count).toBeGreaterThan(5)
  })

  it('are never both in time, and never both too late', () => {
    const around = fc.record({
      wall: fc.bigInt(terms.expiresAt - 5n, deadline + 700n),
      grace: fc.option(fc.bigInt(0n, 620n), { nil: undefined }),
      held: fc.constantFrom<Bank.BankClock.Hold | undefined>(undefined, undefined, 'jump', 'gap'),
    })
    fc.assert(
      fc.property(around, ({ wall, grace, held }) => {
        const time = unixSeconds(wall)
        const clock = { ...clockAt(wall), uptime: 10_000n, held, expected: time, expectedSince: 0n }
        const graceFrom = grace === undefined ? undefined : 10_000n - grace
        const books = { channel: booked(world, { graceFrom }), clock }
        const [claim, expiry] = [decideClose(books, claims[0]!), decideExpire(books)]
        expect(claim !== 'again' && claim.ok).toBe(!expiry.ok)
        if (held !== undefined) expect(expiry.ok).toBe(false)
      }),
      { numRuns: 500 },
    )
  })

  it('change hands at the second after the deadline', () => {
    for (const [at, claim, expiry] of [
      [deadline - 1n, true, false],
      [deadline, true, false],
      [deadline + 1n, false, true],
      [deadline + 2n, false, true],
    ] as const) {
      const books = { channel: booked(world, { graceFrom: terms.expiresAt - now }), clock: clockAt(at) }
      const closed = decideClose(books, claims[0]!)
      expect(closed !== 'again' && closed.ok).toBe(claim)
      expect(decideExpire(books).ok).toBe(expiry)
    }
  })
})

describe('an expiry', () => {
  const late = clockAt(deadline + 1n)
  const channel = booked(world, { graceFrom: terms.expiresAt - now })

  it('gives all of it back, in an entry that a claim’s would collide with', () => {
    const { refund, entry } = must(Bank.assessExpire({ channel, clock: late }))
    expect(refund).toBe(funds)
    expect(entry).toMatchObject({ kind: 'settle', reference: channelId })
    const balances = new Map([[channelName, funds]])
    post(balances, [entry])
    expect(balances.get(clientName)).toBe(funds)
    const closed = decideClose({ channel, clock: clockAt(now) }, claims[0]!)
    if (closed === 'again' || !closed.ok) throw new Error('the claim is good')
    expect(() => post(new Map(balances), [closed.entry], new Set([keyOf(entry)]))).toThrow(/posted twice/)
  })

  it('is the bank’s or the account’s own, not the vendor’s, nor a stranger’s', () => {
    expect(Bank.assessExpire({ channel, clock: late, account: account.publicKey })).toMatchObject({ ok: true })
    for (const who of [vendorKey.publicKey, world.client.key.publicKey]) {
      expect(Bank.assessExpire({ channel, clock: late, account: who })).toMatchObject({ reason: 'ChannelNotYours' })
    }
  })

  it('is refused for what it is: ended, held, or too early', () => {
    const refused = (change: Partial<Bank.BookedChannel>, clock = late): unknown =>
      Bank.assessExpire({ channel: { ...channel, ...change }, clock })
    expect(refused({ standing: { status: 'expired' } })).toMatchObject({ reason: 'ChannelClosed' })
    const standing = { status: 'closed', close: claims[0]!, settled: 60n } as const
    expect(refused({ standing })).toMatchObject({ reason: 'ChannelClosed' })
    expect(refused({}, { ...late, held: 'jump' })).toMatchObject({ reason: 'ExpiryHeld' })
    expect(refused({}, clockAt(deadline))).toMatchObject({ reason: 'DeadlineAhead' })
    expect(refused({ graceFrom: undefined })).toMatchObject({ reason: 'DeadlineAhead' })
    expect(refused({}, { ...clockAt(now), held: 'gap' })).toMatchObject({ reason: 'DeadlineAhead' })
  })
})

function keyOf({ kind, reference }: Bank.Entry): string {
  return `${kind} ${Buffer.from(reference).toString('hex')}`
}
