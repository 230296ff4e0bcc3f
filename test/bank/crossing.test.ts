/** Closes that cross at several processes of one bank, over sockets: one of them moves the money, whatever comes when. */

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bankPaths } from '../../src/http/bank.ts'
import { Bank as Decide } from '../../src/protocol/index.ts'
import { amount, unixSeconds } from '../../src/wire/amount.ts'
import { account, deliver, must, now, payClient, vendorKey, type World } from '../protocol/world.ts'
import { usePostgres } from '../stores/postgres.ts'
import { closingOf, commandOf, releaseOf } from './acts.ts'
import { asset, buy, claimOf, openWorld, type ProposalChange } from './channels.ts'
import { type Branch, kindsOf, openBranch } from './places.ts'
import { coarseClock } from './support.ts'

const kinds = kindsOf(usePostgres())
const funds = 100_000n
const deadline = 4_200n

/** What somebody sends: its path and its bytes. */
interface Sent {
  readonly path: string
  readonly body: Uint8Array
}

async function fund(branch: Branch): Promise<void> {
  const [bank] = branch.banks
  must(await bank!.register(account.publicKey))
  must(await bank!.register(vendorKey.publicKey))
  must(await bank!.deposit(account.publicKey, asset, 10n * funds))
}

/** A channel in which 60 was charged, and 80 paid. */
async function paidChannel(branch: Branch, label: string): Promise<World> {
  const world = await openWorld(branch.banks[0]!, label)
  buy(world, 3)
  must(deliver(world, payClient(world, 20n, 'not served')))
  return world
}

/** Everything that wants to end this channel. */
function endingsOf(world: World, label: string): readonly Sent[] {
  const { channelId } = world.client
  const until = { validUntil: now + 80_000n }
  const closing = closingOf(world)
  const claims = [60n, 80n, 0n].map((sum) => claimOf(world, { amount: amount(sum) }))
  return [
    ...claims.map((body) => ({ path: bankPaths.close, body })),
    { path: bankPaths.command, body: commandOf({ kind: 'expire', channelId }, { ...until, id: `${label} expire` }) },
    { path: bankPaths.command, body: commandOf({ kind: 'expire', channelId }, { ...until, id: `${label} again` }) },
    { path: bankPaths.closing, body: closing },
    { path: bankPaths.overcharge, body: closing },
    { path: bankPaths.release, body: releaseOf(world) },
    {
      path: bankPaths.command,
      body: commandOf({ kind: 'release', release: releaseOf(world) }, { ...until, id: `${label} release` }),
    },
    {
      path: bankPaths.command,
      body: commandOf({ kind: 'fetchClosing', channelId }, { ...until, id: `${label} fetch` }),
    },
  ]
}

async function send(url: string, { path, body }: Sent): Promise<{ readonly status: number; readonly text: string }> {
  const response = await fetch(url + path, { method: 'POST', body: new Uint8Array(body) })
  return { status: response.status, text: await response.text() }
}

/** A channel that lives for an hour from then on. */
function from(start: bigint): ProposalChange {
  return {
    openedAt: unixSeconds(start),
    expiresAt: unixSeconds(start + 3_600n),
    validUntil: unixSeconds(start + 60n),
  }
}

/** What was settled other than once, or without its channel. */
async function movesOf({ place }: Branch): Promise<readonly unknown[]> {
  return place.sql(
    `SELECT reference FROM entries WHERE kind = 'settle' GROUP BY reference HAVING count(*) <> 1
       UNION ALL SELECT channel_id FROM channels LEFT JOIN entries ON entries.kind = 'settle' AND reference = channel_id
         WHERE (status = 'open') <> (reference IS NULL)`,
  )
}

describe.each(kinds)('on $name', (kind) => {
  test('at the boundary second, at two processes, the first to come takes it all, and the other nothing', async () => {
    const branch = await openBranch(kind, 2, { clockRules: coarseClock })
    await fund(branch)
    let [claimed, expired] = [0, 0]
    for (const [round, at] of [deadline - 1n, deadline, deadline + 1n, deadline + 2n].entries()) {
      const labels = Array.from({ length: 4 }, (_, number) => `round ${round} channel ${number}`)
      const shift = BigInt(round) * 10_000n
      const worlds: World[] = []
      for (const label of labels) {
        const start = now + shift
        const world = await openWorld(branch.banks[0]!, label, from(start))
        buy(world, 2)
        worlds.push(world)
      }
      await branch.setClock(now + shift + at)
      for (const [number, world] of worlds.entries()) {
        const { channelId } = world.client
        const claim = { path: bankPaths.close, body: claimOf(world) }
        const expire = commandOf(
          { kind: 'expire', channelId },
          { id: labels[number]!, validUntil: now + shift + 9_000n },
        )
        const both = [claim, { path: bankPaths.command, body: expire }]
        const results = await Promise.all([
          ...(number % 2 === 0 ? both : both.reverse()).map((one, which) => send(branch.urls[which]!, one)),
          branch.banks[1]!.expire(),
        ])
        const status = (await branch.banks[0]!.status(channelId))!.status
        expect(status, `${at}: ${JSON.stringify(results)}`).toBe(at <= deadline ? 'closed' : 'expired')
        if (status === 'closed') claimed += 1
        else expired += 1
      }
      expect(await movesOf(branch)).toEqual([])
      await branch.setClock(now + shift + 10_000n)
    }
    expect([claimed, expired]).toEqual([8, 8])
    expect(await branch.place.sql('SELECT * FROM imbalances')).toEqual([])
    expect(await branch.banks[0]!.balance(vendorKey.publicKey, asset)).toEqual({ ok: true, balance: 8n * 40n })
  }, 120_000)

  test('in any order, at once and repeated, one of them moves the money, and the books are right by SQL alone', async () => {
    // The vendor overcharges all the time, and has to be let.
    const reputationRules = { ...Decide.Reputation.defaultReputationRules, fraud: 0 }
    const branch = await openBranch(kind, 2, { clockRules: coarseClock, reputationRules })
    await fund(branch)
    let history = 0
    let at = 0n
    const statuses = new Set<string>()
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.nat(9), { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 4 }),
        fc.constantFrom(0n, deadline, deadline + 1n),
        async (batches, when) => {
          history += 1
          const label = `history ${history}`
          const start = now + at
          const world = await openWorld(branch.banks[0]!, label, from(start))
          buy(world, 3)
          must(deliver(world, payClient(world, 20n, 'not served')))
          const endings = endingsOf(world, label)
          if (when > 0n) await branch.setClock(start + when)
          at += when
          const firsts = new Map<string, string>()
          for (const batch of batches) {
            const answers = await Promise.all(
              batch.map(async (which, place) => ({ which, ...(await send(branch.urls[place % 2]!, endings[which]!)) })),
            )
            for (const { which, status, text } of answers) {
              expect([200, 400, 404, 409, 503], text).toContain(status)
              if (status !== 200) continue
              // Whatever was done is answered the same each time.
              const first = firsts.get(String(which)) ?? text
              expect(text).toBe(first)
              firsts.set(String(which), first)
            }
          }
          const { status } = (await branch.banks[1]!.status(world.client.channelId))!
          statuses.add(status)
          const moved = [0, 1, 2, 3, 4].filter((which) => firsts.has(String(which)))
          expect(moved.length).toBe(status === 'open' ? 0 : 1)
          expect(await movesOf(branch)).toEqual([])
          expect(await branch.place.sql('SELECT * FROM imbalances')).toEqual([])
        },
      ),
      { numRuns: kind.name === 'SQLite' ? 25 : 12 },
    )
    expect(statuses.size).toBeGreaterThan(1)
  }, 180_000)

  test('overcharges shown at two processes at once return each unit once', async () => {
    const branch = await openBranch(kind, 2, { clockRules: coarseClock })
    await fund(branch)
    const worlds: World[] = []
    for (const label of ['one', 'two', 'three']) worlds.push(await paidChannel(branch, label))
    for (const world of worlds) must(await branch.banks[0]!.close(claimOf(world, { amount: amount(80n) })))
    must(await branch.banks[0]!.withdraw(vendorKey.publicKey, asset, 230n))
    const proofs = worlds.flatMap((world) => [closingOf(world), closingOf(world, 70n), closingOf(world)])
    const answers = await Promise.all([
      ...proofs.map((body, place) => send(branch.urls[place % 2]!, { path: bankPaths.overcharge, body })),
      ...[1, 2, 3].map(() => branch.banks[1]!.deposit(vendorKey.publicKey, asset, 7n)),
    ])
    expect(answers.length).toBe(12)
    // 240 paid, 180 charged: 60 to return. 10 were left and 21 came in; 29 are owed.
    const [{ owed } = { owed: 0 }] = await branch.place.sql('SELECT sum(amount) AS owed FROM debts')
    expect(BigInt(String(owed))).toBe(29n)
    expect(await branch.banks[0]!.balance(vendorKey.publicKey, asset)).toEqual({ ok: true, balance: 0n })
    expect(await branch.place.sql('SELECT * FROM imbalances')).toEqual([])
  }, 60_000)
})
