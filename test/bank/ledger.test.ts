import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { closeEntries, depositEntry, type Entry, openEntry } from '../../src/bank/ledger.ts'
import type { Bank } from '../../src/bank/service.ts'
import * as Schnorr from '../../src/crypto/Schnorr.ts'
import { amount } from '../../src/wire/amount.ts'
import * as Open from '../../src/wire/Open.ts'
import { bytesOf, createWorld, must, now, vendorKey, type World } from '../protocol/world.ts'
import { asset, buy, claimOf, propose, worldOf } from './channels.ts'
import { openBank, query } from './support.ts'

const clients = ['ann', 'bob', 'cyd'].map((name) => Schnorr.keyPair(bytesOf(name)))

/** Sums of the journal alone, by asset: what came in, and where it is now. */
const conservation = `
  SELECT asset,
    -sum(iif(place = 'outside', amount, 0)) AS deposited,
    sum(iif(place IN ('account', 'channel', 'transit'), amount, 0)) AS held
  FROM postings GROUP BY asset`

const audits = {
  'the books': 'SELECT * FROM imbalances',
  'an entry that does not balance':
    'SELECT 1 FROM postings GROUP BY shard, kind, reference, asset HAVING sum(amount) <> 0',
  'a balance below zero': `SELECT 1 FROM postings WHERE place <> 'outside' GROUP BY place, owner, asset HAVING sum(amount) < 0`,
  'money that neither came in nor is somewhere': `SELECT 1 FROM (${conservation}) WHERE deposited <> held`,
  'a channel whose split is not its funds': `SELECT 1 FROM channels WHERE status = 'closed' AND settled + refund <> funds`,
  'a settled channel without a record': `SELECT 1 FROM channels LEFT JOIN records USING (shard, channel_id)
    WHERE (status = 'closed') <> (record IS NOT NULL)`,
} as const

type Step =
  | { readonly do: 'deposit'; readonly client: number; readonly amount: bigint }
  | { readonly do: 'open'; readonly client: number; readonly funds: bigint }
  | { readonly do: 'buy'; readonly channel: number; readonly count: number }
  | { readonly do: 'close'; readonly channel: number; readonly twice: boolean; readonly part: bigint }
  | { readonly do: 'record' }
  | { readonly do: 'crash' }

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('deposit' as const), client: fc.nat(2), amount: fc.bigInt(1n, 50_000n) }),
  {
    arbitrary: fc.record({ do: fc.constant('open' as const), client: fc.nat(2), funds: fc.bigInt(640n, 30_000n) }),
    weight: 2,
  },
  fc.record({ do: fc.constant('buy' as const), channel: fc.nat(), count: fc.integer({ min: 1, max: 4 }) }),
  {
    arbitrary: fc.record({
      do: fc.constant('close' as const),
      channel: fc.nat(),
      twice: fc.boolean(),
      part: fc.bigInt(0n, 120n),
    }),
    weight: 2,
  },
  fc.constant({ do: 'record' as const }),
  fc.constant({ do: 'crash' as const }),
)

test('money is conserved, by SQL alone, after every step of any history', async () => {
  const did = { opened: 0, closed: 0, refused: 0 }
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 24 }), async (steps) => {
      const { path } = openBank()
      let bank = openBank({ path }).bank
      for (const { publicKey } of [...clients, vendorKey]) must(await bank.register(publicKey))
      for (const { publicKey } of clients) must(await bank.deposit(publicKey, asset, 20_000n))
      const worlds: World[] = []
      for (const [number, one] of steps.entries()) {
        if (one.do === 'crash') bank = openBank({ path }).bank
        else await take(bank, { one, number, worlds, did })
        for (const [what, sql] of Object.entries(audits)) expect(query(path, sql), what).toEqual([])
      }
    }),
    { numRuns: 25 },
  )
  expect(Math.min(did.opened, did.closed, did.refused)).toBeGreaterThan(0)
})

async function take(
  bank: Bank,
  {
    one,
    number,
    worlds,
    did,
  }: {
    readonly one: Exclude<Step, { readonly do: 'crash' }>
    readonly number: number
    readonly worlds: World[]
    readonly did: { opened: number; closed: number; refused: number }
  },
): Promise<void> {
  switch (one.do) {
    case 'deposit':
      must(await bank.deposit(clients[one.client]!.publicKey, asset, one.amount))
      return
    case 'open': {
      const command = propose(`channel ${number}`, { client: clients[one.client]!, funds: amount(one.funds) })
      const result = await bank.open(command.bytes)
      if (result.ok) worlds.push(worldOf(command, result.opened))
      did[result.ok ? 'opened' : 'refused'] += 1
      return
    }
    case 'record':
      await bank.record()
      return
    case 'buy':
    case 'close': {
      const world = worlds[one.channel % Math.max(worlds.length, 1)]
      if (world === undefined) return
      if (one.do === 'buy') {
        // A vendor that has stated its last takes no more.
        if (world.vendor.phase === 'open') buy(world, one.count)
        return
      }
      const claims = [claimOf(world), claimOf(world, { amount: amount(one.part) })]
      const results = await Promise.all((one.twice ? claims : claims.slice(1)).map((claim) => bank.close(claim)))
      for (const { ok } of results) did[ok ? 'closed' : 'refused'] += 1
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
