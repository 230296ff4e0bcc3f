/** Money is conserved: whatever the bank decides, in any order, its entries add up and nothing but the outside goes below zero. */

import fc from 'fast-check'
import { expect, it } from 'vitest'
import type * as Schnorr from '../../src/crypto/Schnorr.ts'
import { Bank } from '../../src/protocol/index.ts'
import { amount } from '../../src/wire/amount.ts'
import * as Closing from '../../src/wire/Closing.ts'
import type * as Command from '../../src/wire/Command.ts'
import { booked, claimOf, clockAt, command, nameOf, post } from './bankWorld.ts'
import { account, bytesOf, createWorld, deliver, must, now, payClient, serve, vendorKey, type World } from './world.ts'

const asset = 'USD/6'
const funds = 300n
const keys = [account, vendorKey]
const rules: Bank.CommandRules = { lifeMax: 3_600n, depositMin: new Map([[asset, 50n]]) }
const worlds = [0, 1, 2].map((n) => {
  const world = createWorld({ funds, segmentLength: 8, label: `posted ${n}` })
  for (let count = 1; count <= 4; count++) {
    must(deliver(world, payClient(world, 15n)))
    serve(world, count, 10n)
  }
  return world
})

type Move =
  | { readonly kind: 'deposit' | 'withdraw'; readonly who: number; readonly sum: bigint }
  | { readonly kind: 'register'; readonly who: number }
  | { readonly kind: 'open' | 'expire' | 'credit'; readonly which: number }
  | { readonly kind: 'close'; readonly which: number; readonly sum: bigint }
  | { readonly kind: 'overcharge'; readonly which: number; readonly spent: bigint }

const who = fc.nat(1)
const which = fc.nat(2)
const sum = fc.bigInt(1n, 400n)
const moves: fc.Arbitrary<Move[]> = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('deposit' as const), who, sum }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('withdraw' as const), who, sum }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('register' as const), who }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('open' as const, 'expire' as const), which }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('credit' as const), which }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('close' as const), which, sum: fc.bigInt(0n, 60n) }) },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant('overcharge' as const), which, spent: fc.bigInt(0n, 60n) }),
    },
  ),
  { maxLength: 60, size: 'max' },
)

/** A bank's books, and what came in and went out. */
class Books {
  readonly balances = new Map<string, bigint>()
  readonly posted = new Set<string>()
  readonly registered = new Set<number>()
  readonly channels: (Bank.BookedChannel & { returned: bigint; credited: boolean })[] = []
  debts: readonly Bank.Debt[] = []
  net = 0n
  number = 0

  of(place: Bank.Place, owner: Uint8Array): bigint {
    return this.balances.get(`${asset} ${nameOf({ place, owner })}`) ?? 0n
  }

  post(entries: readonly Bank.Entry[]): void {
    post(this.balances, entries, this.posted)
    const vendor = vendorKey.publicKey
    const paid = Bank.repay(this.debts, this.of('account', vendor))
    post(this.balances, paid.entries, this.posted)
    this.debts = paid.debts
    if (this.debts.length > 0) expect(this.of('account', vendor)).toBe(0n)
  }

  id(): string {
    this.number += 1
    return `command ${this.number}`
  }
}

it('is conserved by every decision, in any order, debts and all', () => {
  const seen = new Set<string>()
  fc.assert(
    fc.property(moves, (list) => {
      const books = new Books()
      for (const move of list) {
        if (carryOut(books, move)) seen.add(move.kind)
        let inside = 0n
        for (const [name, balance] of books.balances) if (!name.includes(' outside ')) inside += balance
        expect(inside).toBe(books.net)
        // Nobody is owed what the books were never short of.
        for (const { amount: owed } of books.debts) expect(owed > 0n).toBe(true)
      }
      for (const channel of books.channels) {
        const { returned, standing } = channel
        if (standing.status === 'closed') expect(returned <= standing.settled).toBe(true)
        else expect(returned).toBe(0n)
      }
    }),
    { numRuns: 150 },
  )
  expect(seen.size).toBe(8)
})

/** Whether it came to pass. */
function carryOut(books: Books, move: Move): boolean {
  switch (move.kind) {
    case 'deposit': {
      const { publicKey: owner } = keys[move.who]!
      const outside = { place: 'outside', owner } as const
      const transfer = { asset, amount: move.sum, from: outside, to: { place: 'account', owner } } as const
      books.net += move.sum
      books.post([{ kind: 'deposit', reference: bytesOf(books.id()), transfers: [transfer] }])
      return true
    }
    case 'withdraw': {
      const key = keys[move.who]!
      const debts = books.debts.filter(({ debtor }) => debtor === key.publicKey)
      const action = { kind: 'withdraw', asset, amount: amount(move.sum), destination: bytesOf('where to') } as const
      const verdict = Bank.assessWithdraw({
        command: { ...signed(books, action, key), action },
        balance: books.of('account', key.publicKey),
        debts,
      })
      if (!verdict.ok) return false
      books.net -= move.sum
      books.post([verdict.entry])
      return true
    }
    case 'register': {
      const key = keys[move.who]!
      const action = { kind: 'register', asset } as const
      const verdict = Bank.assessRegister({
        command: { ...signed(books, action, key), action },
        registered: books.registered.has(move.who),
        balance: books.of('account', key.publicKey),
        rules,
      })
      if (!verdict.ok) return false
      books.registered.add(move.who)
      books.post([verdict.entry])
      return true
    }
    case 'open':
      return open(books, worlds[move.which]!)
    case 'expire': {
      const channel = books.channels.find(({ channelId }) => channelId === worlds[move.which]!.client.channelId)
      if (channel === undefined) return false
      const { terms } = channel
      const clock = clockAt(Bank.BankClock.deadline(terms) + 1n)
      const verdict = Bank.assessExpire({ channel: { ...channel, graceFrom: terms.expiresAt - now }, clock })
      if (!verdict.ok) return false
      Object.assign(channel, { standing: { status: 'expired' } })
      books.post([verdict.entry])
      return true
    }
    case 'close':
      return close(books, worlds[move.which]!, move.sum)
    case 'credit': {
      const channel = books.channels.find(({ channelId }) => channelId === worlds[move.which]!.client.channelId)
      if (channel?.standing.status !== 'closed' || channel.credited || channel.standing.settled === 0n) return false
      const { channelId, standing } = channel
      channel.credited = true
      const from = { place: 'transit', owner: channelId } as const
      const to = { place: 'account', owner: vendorKey.publicKey } as const
      const transfers = [{ asset, amount: standing.settled, from, to }]
      books.post([{ kind: 'credit', reference: channelId, transfers }])
      return true
    }
    case 'overcharge': {
      const channel = books.channels.find(({ channelId }) => channelId === worlds[move.which]!.client.channelId)
      if (channel === undefined) return false
      const { channelId, returned } = channel
      const transcript = new Uint8Array(32)
      const closing = Closing.sign(vendorKey, { channelId, index: 4, spent: amount(move.spent), transcript })
      const owner = vendorKey.publicKey
      const vendor = { balance: books.of('account', owner), locked: books.of('locked', owner) }
      const verdict = Bank.assessOvercharge({ closing, channel, returned, vendor, now })
      if (!verdict.ok) return false
      channel.returned += verdict.difference
      if (verdict.debt !== undefined) books.debts = [...books.debts, verdict.debt]
      books.post(verdict.entries)
      return true
    }
  }
}

function signed(books: Books, action: Command.Action, key: Schnorr.KeyPair): Command.SignedCommand {
  return command(action, { key, id: books.id() })
}

function open(books: Books, world: World): boolean {
  const { channelId } = world.client
  if (books.channels.some((channel) => channel.channelId === channelId)) return false
  if (books.of('account', account.publicKey) < funds) return false
  const from = { place: 'account', owner: account.publicKey } as const
  const transfers = [{ asset, amount: funds, from, to: { place: 'channel', owner: channelId } as const }]
  books.channels.push({ ...booked(world), returned: 0n, credited: false })
  books.post([{ kind: 'open', reference: channelId, transfers }])
  return true
}

function close(books: Books, world: World, claimed: bigint): boolean {
  const { channelId } = world.client
  const channel = books.channels.find((one) => one.channelId === channelId)
  if (channel?.standing.status !== 'open') return false
  const claim = claimOf(world, { amount: amount(claimed) })
  const verdict = Bank.assessClose(claim, channel, now)
  if (!verdict.ok) return false
  const { settled, refund } = verdict
  Object.assign(channel, { standing: { status: 'closed', close: claim, settled } })
  const from = { place: 'channel', owner: channelId } as const
  const transfers: readonly Bank.Transfer[] = [
    { asset, amount: settled, from, to: { place: 'transit', owner: channelId } },
    { asset, amount: refund, from, to: { place: 'account', owner: account.publicKey } },
  ]
  const entry = { kind: 'settle', reference: channelId, transfers: transfers.filter((one) => one.amount > 0n) } as const
  books.post([entry])
  return true
}
