/** What the store lists, page by page, is the same in every database. */

import { describe, expect, test } from 'vitest'
import type { ChannelCursor, JournalCursor, Page } from '../../src/bank/store/contract.ts'
import { toHex } from '../../src/crypto/bytes.ts'
import { account, must, now, vendorKey, type World } from '../protocol/world.ts'
import { usePostgres } from '../stores/postgres.ts'
import { closingOf, commandOf, releaseOf } from './acts.ts'
import { asset, buy, claimOf, openWorld } from './channels.ts'
import { type Branch, kindsOf, openBranch } from './places.ts'
import { coarseClock } from './support.ts'

const kinds = kindsOf(usePostgres())

/** Everything, in pages of that size; a cursor is the last of a page. */
async function pages<T, Cursor>(
  limit: number,
  read: (page: Page<Cursor>) => Promise<readonly T[]>,
  cursorOf: (last: T) => Cursor,
): Promise<readonly T[]> {
  const all: T[] = []
  let before: Cursor | undefined
  for (;;) {
    const page = await read({ before, limit })
    all.push(...page)
    const last = page.at(-1)
    if (last === undefined) return all
    before = cursorOf(last)
  }
}

async function busy(branch: Branch): Promise<readonly World[]> {
  const [bank] = branch.banks
  must(await bank!.register(account.publicKey))
  must(await bank!.register(vendorKey.publicKey))
  must(await bank!.deposit(account.publicKey, asset, 1_000_000n))
  const worlds: World[] = []
  for (let number = 0; number < 5; number++) {
    const world = await openWorld(bank!, `channel ${number}`, { lockScheme: 'ecdsa-xor' })
    buy(world, number + 1)
    worlds.push(world)
  }
  must(await bank!.leaveClosing(closingOf(worlds[4]!)))
  const { channelId } = worlds[4]!.client
  must(await bank!.command(commandOf({ kind: 'fetchClosing', channelId })))
  for (const world of worlds.slice(0, 3)) must(await bank!.close(claimOf(world)))
  await bank!.record()
  must(await bank!.withdraw(vendorKey.publicKey, asset, 30n))
  return worlds
}

describe.each(kinds)('on $name', (kind) => {
  test('whatever the size of a page, every posting, channel and change comes once, newest first', async () => {
    const branch = await openBranch(kind, 1, { clockRules: coarseClock })
    const [bank] = branch.banks
    await busy(branch)
    for (const { publicKey } of [account, vendorKey]) {
      const journals = await Promise.all(
        [1, 2, 3, 50].map((limit) =>
          pages(
            limit,
            (page: Page<JournalCursor>) => bank!.journal(publicKey, page),
            (last) => last,
          ),
        ),
      )
      for (const journal of journals) expect(journal).toEqual(journals[3])
      const sum = journals[3]!.reduce((total, { amount }) => total + amount, 0n)
      expect(await bank!.balance(publicKey, asset)).toEqual({ ok: true, balance: sum })
      const histories = await Promise.all(
        [1, 50].map((limit) =>
          pages(
            limit,
            async (page: Page<number>) => (await bank!.reputation(publicKey, page))!.changes,
            ({ number }) => number,
          ),
        ),
      )
      expect(histories[0]).toEqual(histories[1])
      expect(histories[0]!.at(-1)).toMatchObject({ number: 1, change: { cause: 'registered' } })
    }
    for (const [role, { publicKey }] of [['client', account] as const, ['vendor', vendorKey] as const]) {
      const lists = await Promise.all(
        [1, 2, 50].map((limit) =>
          pages(
            limit,
            (page: Page<ChannelCursor>) => bank!.channels(publicKey, role, page),
            ({ cursor }) => cursor,
          ),
        ),
      )
      for (const list of lists) expect(list).toEqual(lists[2])
      expect(new Set(lists[2]!.map(({ status }) => toHex(status.channelId))).size).toBe(5)
      const statuses = lists[2]!.map(({ status }) => (status.status === 'closed' ? status.record : status.status))
      expect(statuses.sort()).toEqual(['open', 'open', 'recorded', 'recorded', 'recorded'])
    }
    expect(await bank!.batch()).toEqual(await bank!.batch(1))
    expect(await bank!.withdrawals()).toMatchObject([{ amount: 30n, asset }])
  }, 60_000)

  test('what is due is found, done once, and forgotten', async () => {
    const branch = await openBranch(kind, 2, { clockRules: coarseClock })
    const worlds = await busy(branch)
    await branch.setClock(now + 4_201n)
    const counts = await Promise.all(branch.banks.map((bank) => bank.expire()))
    expect(counts.reduce((sum, count) => sum + count)).toBe(2)
    expect(await branch.banks[0]!.expire()).toBe(0)
    const withheld = await Promise.all(branch.banks.map((bank) => bank.review()))
    expect(withheld.reduce((sum, count) => sum + count)).toBe(1)
    expect(await branch.banks[1]!.review()).toBe(0)
    const release = commandOf({ kind: 'release', release: releaseOf(worlds[4]!) }, { validUntil: now + 5_000n })
    must(await branch.banks[1]!.command(release))
    expect(await branch.place.sql('SELECT * FROM imbalances')).toEqual([])
  }, 60_000)
})
