import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { closeEntries, depositEntry, type Entry, openEntry } from '../../src/bank/ledger.ts'
import type { Bank } from '../../src/bank/service.ts'
import * as Schnorr from '../../src/crypto/Schnorr.ts'
import { Bank as Decide } from '../../src/protocol/index.ts'
import { amount, unixSeconds } from '../../src/wire/amount.ts'
import * as Equivocation from '../../src/wire/Equivocation.ts'
import * as Open from '../../src/wire/Open.ts'
import { fork } from '../protocol/adversary.ts'
import { bytesOf, createWorld, deliver, must, now, payClient, vendorKey, type World } from '../protocol/world.ts'
import { closingOf, commandOf, releaseOf } from './acts.ts'
import { asset, buy, claimOf, propose, worldOf } from './channels.ts'
import { type BankOptions, coarseClock, openBank, query, type TestBank } from './support.ts'

const clients = ['ann', 'bob', 'cyd'].map((name) => Schnorr.keyPair(bytesOf(name)))

/** Sums of the journal alone, by asset: what came in, and where it is now. */
const conservation = `
  SELECT asset,
    -sum(iif(place = 'outside', amount, 0)) AS deposited,
    sum(iif(place IN ('account', 'locked', 'channel', 'transit'), amount, 0)) AS held
  FROM postings GROUP BY asset`

const audits = {
  'the books': 'SELECT * FROM imbalances',
  'an entry that does not balance':
    'SELECT 1 FROM postings GROUP BY shard, kind, reference, asset HAVING sum(amount) <> 0',
  'a balance below zero': `SELECT 1 FROM postings WHERE place <> 'outside' GROUP BY place, owner, asset HAVING sum(amount) < 0`,
  'money that neither came in nor is somewhere': `SELECT 1 FROM (${conservation}) WHERE deposited <> held`,
  'a channel whose split is not its funds': `SELECT 1 FROM channels WHERE status = 'closed' AND settled + refund <> funds`,
  'an expired channel that was not given back': `SELECT 1 FROM channels LEFT JOIN transfers ON kind = 'settle'
    AND reference = channel_id WHERE status = 'expired' AND (to_place <> 'account' OR to_owner <> account OR amount <> funds)`,
  'a proof kind that scored twice in a channel': `SELECT 1 FROM reputation WHERE cause IN ('badOpening', 'equivocation', 'overcharge')
    GROUP BY account, channel_id, cause HAVING count(*) > 1`,
  'a settled channel without a record': `SELECT 1 FROM channels LEFT JOIN records USING (shard, channel_id)
    WHERE (status = 'closed') <> (record IS NOT NULL)`,
} as const

type Step =
  | { readonly do: 'deposit'; readonly who: number; readonly amount: bigint }
  | { readonly do: 'withdraw'; readonly who: number; readonly amount: bigint }
  | { readonly do: 'register'; readonly who: number }
  | { readonly do: 'open'; readonly who: number; readonly funds: bigint; readonly lockScheme: 'schnorr' | 'ecdsa-xor' }
  | { readonly do: 'buy' | 'prepay' | 'state'; readonly channel: number; readonly count: number }
  | { readonly do: 'close'; readonly channel: number; readonly twice: boolean; readonly part: bigint }
  | { readonly do: 'overcharge'; readonly channel: number; readonly spent: bigint; readonly twice: boolean }
  | { readonly do: 'release' | 'expire' | 'equivocate'; readonly channel: number }
  | { readonly do: 'wait'; readonly seconds: bigint }
  | { readonly do: 'record' | 'crash' }

const channel = fc.nat()
const who = fc.nat(3)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constant('deposit' as const), who, amount: fc.bigInt(1n, 50_000n) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('withdraw' as const),
      who: fc.constantFrom(0, 1, 2, 3, 3, 3),
      amount: fc.bigInt(1n, 400n),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('register' as const), who }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('open' as const),
      who,
      funds: fc.bigInt(640n, 30_000n),
      lockScheme: fc.constantFrom('schnorr' as const, 'ecdsa-xor' as const),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('buy' as const, 'prepay' as const, 'state' as const),
      channel,
      count: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('close' as const),
      channel,
      twice: fc.boolean(),
      part: fc.bigInt(0n, 120n),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('overcharge' as const),
      channel,
      spent: fc.bigInt(0n, 120n),
      twice: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('release' as const, 'expire' as const, 'equivocate' as const),
      channel,
    }),
  },
  fc.record({ do: fc.constant('wait' as const), seconds: fc.constantFrom(1n, 600n, 3_600n, 4_200n) }),
  fc.record({ do: fc.constantFrom('record' as const, 'crash' as const) }),
)

/** A vendor spends what it was paid too much, and owes it until something comes in. */
const indebted: Step[] = [
  { do: 'close', channel: 0, twice: false, part: 80n },
  { do: 'withdraw', who: 3, amount: 400n },
  { do: 'overcharge', channel: 0, spent: 30n, twice: true },
  { do: 'deposit', who: 3, amount: 20n },
  { do: 'register', who: 0 },
  { do: 'open', who: 1, funds: 1_000n, lockScheme: 'schnorr' },
  { do: 'buy', channel: 1, count: 4 },
  { do: 'close', channel: 1, twice: true, part: 10n },
]

/** Nobody claims in time. */
const expired: Step[] = [
  { do: 'open', who: 1, funds: 1_000n, lockScheme: 'schnorr' },
  { do: 'state', channel: 0, count: 1 },
  { do: 'wait', seconds: 3_600n },
  { do: 'wait', seconds: 600n },
  { do: 'expire', channel: 0 },
  { do: 'crash' },
  { do: 'wait', seconds: 4_200n },
  { do: 'expire', channel: 1 },
  { do: 'close', channel: 1, twice: true, part: 0n },
]

/** What a history has done. */
type Counts = Record<'opened' | 'closed' | 'expired' | 'proven' | 'withdrawn' | 'registered' | 'refused', number>

test('money is conserved, by SQL alone, after every step of any history', async () => {
  const did: Counts = { opened: 0, closed: 0, expired: 0, proven: 0, withdrawn: 0, registered: 0, refused: 0 }
  let debts = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 8, maxLength: 36 }), async (steps) => {
      const town = openTown()
      for (const { publicKey } of clients) must(await town.test.bank.register(publicKey))
      must(await town.test.bank.register(vendorKey.publicKey))
      for (const { publicKey } of clients) must(await town.test.bank.deposit(publicKey, asset, 60_000n))
      // A channel with more paid than charged, so that every history has something to end.
      const first = { do: 'open', who: 0, funds: 20_000n, lockScheme: 'ecdsa-xor' } as const
      await take(town, { one: first, number: -1, did })
      for (const work of ['buy', 'prepay', 'prepay'] as const) {
        await take(town, { one: { do: work, channel: 0, count: 2 }, number: -2, did })
      }
      for (const [number, one] of steps.entries()) {
        await take(town, { one, number, did })
        for (const [what, sql] of Object.entries(audits)) expect(query(town.test.path, sql), what).toEqual([])
      }
      debts += query(town.test.path, 'SELECT * FROM debts').length
    }),
    { numRuns: 50, examples: [[indebted], [expired]] },
  )
  expect(Math.min(...Object.values(did)), JSON.stringify(did)).toBeGreaterThan(0)
  expect(debts).toBeGreaterThan(0)
}, 120_000)

interface Town {
  test: TestBank
  /** The time that every bank on this store goes on from. */
  time: bigint
  readonly worlds: World[]
}

/** A vendor that overcharges goes on here. */
const options: BankOptions = {
  commandRules: { ...Decide.defaultCommandRules, depositMin: new Map([[asset, 500n]]) },
  reputationRules: { ...Decide.Reputation.defaultReputationRules, fraud: 0 },
  clockRules: coarseClock,
}

function openTown(): Town {
  return { test: openBank(options), time: now, worlds: [] }
}

const people = [...clients, vendorKey]

async function take(
  town: Town,
  { one, number, did }: { readonly one: Step; readonly number: number; readonly did: Counts },
): Promise<void> {
  const { bank } = town.test
  const count = (what: keyof Counts, ...results: readonly { readonly ok: boolean }[]): void => {
    for (const { ok } of results) did[ok ? what : 'refused'] += 1
  }
  const validUntil = town.time + 600n
  switch (one.do) {
    case 'deposit':
      must(await bank.deposit(people[one.who]!.publicKey, asset, one.amount))
      return
    case 'withdraw': {
      const { publicKey } = people[one.who]!
      // All of it, now and then: what is owed later is a debt then.
      const { balance } = must(await bank.balance(publicKey, asset))
      count('withdrawn', await bank.withdraw(publicKey, asset, one.amount > 200n ? balance : one.amount))
      return
    }
    case 'register': {
      const key = Schnorr.keyPair(bytesOf(`newcomer ${one.who}`))
      must(await bank.deposit(key.publicKey, asset, BigInt(400 + (number % 2) * 200)))
      count(
        'registered',
        await bank.command(commandOf({ kind: 'register', asset }, { key, id: `${number}`, validUntil })),
      )
      return
    }
    case 'open': {
      const start = unixSeconds(town.time)
      const command = propose(`channel ${number}`, {
        client: people[one.who]!,
        lockScheme: one.lockScheme,
        funds: amount(one.funds),
        openedAt: start,
        expiresAt: unixSeconds(start + 3_600n),
        validUntil: unixSeconds(start + 60n),
      })
      const result = await bank.open(command.bytes)
      if (result.ok) town.worlds.push(worldOf(command, result.opened))
      count('opened', result)
      return
    }
    case 'wait':
      await town.test.setClock(town.time + one.seconds)
      town.time += one.seconds
      did.expired += await bank.expire()
      await bank.review()
      return
    case 'record':
      await bank.record()
      return
    case 'crash': {
      const { path } = town.test
      town.test = openBank({ ...options, path })
      town.test.jump(town.time)
      return
    }
    case 'buy':
    case 'prepay':
    case 'state':
    case 'close':
    case 'overcharge':
    case 'release':
    case 'expire':
    case 'equivocate': {
      const world = town.worlds[one.channel % Math.max(town.worlds.length, 1)]
      if (world !== undefined) await takeOn(bank, world, { one, number, count, validUntil })
    }
  }
}

async function takeOn(
  bank: Bank,
  world: World,
  {
    one,
    number,
    count,
    validUntil,
  }: {
    readonly one: Extract<Step, { readonly channel: number }>
    readonly number: number
    readonly count: (what: keyof Counts, ...results: readonly { readonly ok: boolean }[]) => void
    readonly validUntil: bigint
  },
): Promise<void> {
  const { channelId } = world.client
  // A vendor that has stated its last takes no more.
  const isOpen = world.vendor.phase === 'open'
  switch (one.do) {
    case 'buy':
      if (isOpen && world.vendor.paid + 80n <= world.client.terms.funds) buy(world, one.count)
      return
    case 'prepay':
      if (isOpen && world.vendor.paid + 20n <= world.client.terms.funds)
        must(deliver(world, payClient(world, 20n, `not served ${number}`)))
      return
    case 'state':
      await bank.leaveClosing(closingOf(world))
      await bank.command(commandOf({ kind: 'fetchClosing', channelId }, { id: `${number}`, validUntil }))
      return
    case 'close': {
      const paid = amount(world.vendor.paid)
      const claims = [claimOf(world, { amount: paid }), claimOf(world, { amount: amount(one.part) })]
      count('closed', ...(await Promise.all((one.twice ? claims : claims.slice(1)).map((claim) => bank.close(claim)))))
      return
    }
    case 'overcharge': {
      const closings = [closingOf(world, one.spent), closingOf(world)]
      const results = (one.twice ? closings : closings.slice(0, 1)).map((closing) => bank.overcharge(closing))
      count('proven', ...(await Promise.all(results)))
      return
    }
    case 'release': {
      if (world.vendor.window.contiguous === 0) return
      const release = releaseOf(world)
      await bank.command(commandOf({ kind: 'release', release }, { id: `${number}`, validUntil }))
      await bank.leaveRelease(release)
      return
    }
    case 'expire':
      count('expired', await bank.command(commandOf({ kind: 'expire', channelId }, { id: `${number}`, validUntil })))
      return
    case 'equivocate': {
      if (!isOpen || world.vendor.paid + 20n > world.client.terms.funds) return
      const [bread, wine] = ['bread', 'wine'].map((label) => {
        const { core, receipt } = payClient(fork(world), 20n, label)
        return { transaction: core.slice(0, 84), receipt }
      })
      await bank.evidence(Equivocation.encode(Equivocation.create(bread!, wine!)))
    }
  }
}

describe('an entry', () => {
  const world = createWorld({ funds: 1000n, segmentLength: 16 })
  const { channelId, terms } = world.client
  const ann = clients[0]!.publicKey
  const moved = ({ kind, transfers }: Entry): unknown => [
    kind,
    ...transfers.map(({ from, to, amount }) => `${from.place} → ${to.place} ${amount}`),
  ]

  test('moves money between two places, the same sum out as in', () => {
    const open = Open.parse(propose('one').bytes)
    if (!open.ok) throw new Error(open.detail)
    expect(moved(depositEntry(bytesOf('deposit'), { account: ann, asset, amount: 5n }))).toEqual([
      'deposit',
      'outside → account 5',
    ])
    expect(moved(openEntry(channelId, open.value))).toEqual(['open', 'account → channel 100000'])
    const channel = { ...world.bank, account: ann }
    expect(closeEntries(channel, { settled: 300n, refund: 700n }).map(moved)).toEqual([
      ['settle', 'channel → transit 300', 'channel → account 700'],
      ['credit', 'transit → account 300'],
    ])
    expect(terms.funds).toBe(1000n)
  })

  test('has no transfer of nothing', () => {
    const channel = { ...world.bank, account: ann }
    expect(closeEntries(channel, { settled: 0n, refund: 1000n }).map(moved)).toEqual([
      ['settle', 'channel → account 1000'],
      ['credit'],
    ])
    expect(closeEntries(channel, { settled: 1000n, refund: 0n }).map(moved)).toEqual([
      ['settle', 'channel → transit 1000'],
      ['credit', 'transit → account 1000'],
    ])
  })

  test('is dated by the bank’s clock', async () => {
    const { bank, path } = openBank()
    must(await bank.register(ann))
    must(await bank.deposit(ann, asset, 5n))
    expect(query(path, 'SELECT kind, at FROM entries')).toEqual([{ kind: 'deposit', at: now }])
  })
})
