import { describe, expect, test } from 'vitest'
import type { Conflict } from '../../src/bank/store/change.ts'
import { bankStore } from '../../src/bank/store/tasks.ts'
import type { Runner } from '../../src/sql/program.ts'
import { runInThread } from '../../src/sqlite/run.ts'
import { bytesOf } from '../protocol/world.ts'
import { answers, script } from './bankScript.ts'
import { schema, tasks } from './bankTasks.ts'
import { faults } from './faults.ts'
import { kindsOf, type Place } from './places.ts'
import { usePostgres } from './postgres.ts'

const server = usePostgres()
const kinds = kindsOf({ schema, tasks, module: new URL('./bankTasks.ts', import.meta.url) }, server)

/** What a bank in memory answers when the script is over: every other one answers the same. */
const expected = (async () => {
  const store = bankStore(runInThread(':memory:', schema, tasks))
  for (const { changes, conflict } of script()) {
    const { scored: _, ...committed } = { scored: [], ...(await store.commit(changes)) }
    expect(committed).toEqual(conflict === undefined ? { ok: true } : { ok: false, conflict })
  }
  await store.log.append(1, new Uint8Array(152).fill(1))
  await store.log.append(2, new Uint8Array(152).fill(2))
  return answers(store)
})()

describe.each(kinds)('a bank’s store on $name', ({ make }) => {
  test('takes every change, meets every guard, and answers every question as any other does', async () => {
    const place = await make()
    const asked = new Set<string>()
    const runner = await place.open()
    const watched: Runner = {
      run: (name, args) => {
        asked.add(name)
        return runner.run(name, args)
      },
      close: () => runner.close(),
    }
    const store = bankStore(watched)
    const met = new Set<Conflict>()
    for (const { changes, conflict } of script()) {
      const before = conflict === undefined ? undefined : await contents(place)
      const committed = await store.commit(changes)
      if (conflict === undefined) {
        expect(committed).toMatchObject({ ok: true })
        continue
      }
      met.add(conflict)
      expect(committed).toEqual({ ok: false, conflict })
      expect(await contents(place), conflict).toEqual(before)
    }
    await store.log.append(1, new Uint8Array(152).fill(1))
    await store.log.append(2, new Uint8Array(152).fill(2))
    await expect(store.log.append(2, new Uint8Array(152).fill(3))).rejects.toThrow(/constraint/)
    expect(await answers(store)).toEqual(await expected)
    expect(await answers(bankStore(await place.open()))).toEqual(await expected)

    const unasked = Object.keys(tasks).filter((name) => !asked.has(name) && !(name in faults))
    expect(unasked).toEqual([])
    expect([...met].toSorted()).toEqual(Object.keys(guards).toSorted())
  })

  test('lets one of many commits win that cross on one row, and the others meet their guard', async () => {
    const place = await make()
    const stores = [bankStore(await place.open()), bankStore(await place.open())]
    for (const { changes } of script().slice(0, 1)) await stores[0]!.commit(changes)
    const command = script().find(({ changes }) => changes[0]?.kind === 'command')!.changes
    const results = await Promise.all(
      stores.flatMap((store) => [store.commit(command), store.commit(command), store.commit(command)]),
    )
    expect(results.filter(({ ok }) => ok)).toHaveLength(1)
    for (const result of results) if (!result.ok) expect(result.conflict).toBe('CommandExists')
  })

  test('that has a channel changed on the disk says that it is damaged, and answers for the others', async () => {
    const place = await make()
    const store = bankStore(await place.open())
    for (const { changes, conflict } of script().slice(0, 14)) if (conflict === undefined) await store.commit(changes)
    const [one, two] = await place.sql('SELECT channel_id FROM channels ORDER BY opened_at, channel_id')
    await place.sql('UPDATE channels SET terms = :terms WHERE channel_id = :id', {
      terms: new Uint8Array(344),
      id: one!.channel_id as Uint8Array,
    })
    await expect(store.channel(one!.channel_id as Uint8Array)).rejects.toMatchObject({ fault: 'damaged' })
    expect(await store.channel(two!.channel_id as Uint8Array)).toMatchObject({ status: 'open' })
    expect(await store.channel(bytesOf('none'))).toBeUndefined()
  })

  test('has books that are right by SQL alone', async () => {
    const place = await make()
    const store = bankStore(await place.open())
    for (const { changes } of script().slice(0, 14)) await store.commit(changes)
    expect(await place.sql('SELECT fault, found, expected FROM imbalances')).toEqual([])
    await place.sql(`UPDATE balances SET balance = balance - 1 WHERE place = 'account' AND balance > 10`)
    expect((await place.sql('SELECT DISTINCT fault FROM imbalances ORDER BY fault')).map(({ fault }) => fault)).toEqual(
      ['asset does not add up to zero', 'balance is not the sum of its postings'],
    )
  })
})

/** All that there are. */
const guards: Readonly<Record<Conflict, true>> = {
  AccountExists: true,
  CommandExists: true,
  EntryExists: true,
  BalanceTooLow: true,
  AssetFull: true,
  ChannelExists: true,
  TooManyChannels: true,
  ChannelNotOpen: true,
  EndingChanged: true,
  ProofExists: true,
  DebtExists: true,
  WithdrawalNotPending: true,
  ClockMoved: true,
  RecordExists: true,
  RecordPlaced: true,
  RecordNotQueued: true,
  BatchExists: true,
  BatchNotPending: true,
}

const tables = [
  'accounts',
  'commands',
  'entries',
  'transfers',
  'balances',
  'channels',
  'records',
  'batches',
  'reputation',
]
const others = ['endings', 'proofs', 'debts', 'withdrawals', 'clock', 'chain_log']

async function contents(place: Place): Promise<Readonly<Record<string, unknown>>> {
  const names = [...tables, ...others]
  const rows = await Promise.all(names.map((table) => place.sql(`SELECT * FROM ${table} ORDER BY 1, 2, 3`)))
  return Object.fromEntries(names.map((table, at) => [table, rows[at]]))
}
