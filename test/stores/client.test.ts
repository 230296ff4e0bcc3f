import { describe, expect, test } from 'vitest'
import type { WalletJournal } from '../../src/client/journal/contract.ts'
import { type JournalTasks, journalOf } from '../../src/client/journal/tasks.ts'
import { methodsOf, type Runner, type TasksOf } from '../../src/sql/program.ts'
import { schema, tasks } from './clientTasks.ts'
import { paymentOf, proposed, state } from './journalChannels.ts'
import { journalLaws } from './journalLaws.ts'
import { kindsOf, type Place } from './places.ts'
import { usePostgres } from './postgres.ts'

const server = usePostgres()
const kinds = kindsOf({ schema, tasks, module: new URL('./clientTasks.ts', import.meta.url) }, server)

interface Opened {
  readonly place: Place
  readonly runner: Runner
  readonly journal: WalletJournal
  readonly database: JournalTasks
}

describe.each(kinds)('a client’s journal on $name', ({ make }) => {
  const open = async (): Promise<Opened> => {
    const place = await make()
    const runner = await place.open()
    const database = methodsOf<JournalTasks>(runner, tasks as TasksOf<JournalTasks>)
    return { place, runner, journal: journalOf(runner), database }
  }

  journalLaws(async () => {
    const { place, journal } = await open()
    return { journal, reopen: async () => journalOf(await place.open()), contents: () => contents(place) }
  })

  test('counts its commits, and lets no older generation write', async () => {
    const { place, runner, database } = await open()
    expect(await database.age()).toEqual({ generation: 0n, commits: 0n })
    await database.raise(0n, 4n)
    const counts: bigint[] = []
    const first = journalOf(runner, 4n, (commits) => counts.push(commits))
    await first.propose(proposed('one'))
    await first.commit(proposed('one').channelId, state(1), [paymentOf(1)])
    expect(counts).toEqual([1n, 2n])

    await expect(database.raise(0n, 5n)).rejects.toMatchObject({ fault: 'held' })
    await methodsOf<JournalTasks>(await place.open(), tasks as TasksOf<JournalTasks>).raise(4n, 5n)
    const before = await contents(place)
    for (const write of [
      () => first.propose(proposed('two')),
      () => first.commit(proposed('one').channelId, state(2), [paymentOf(2)]),
    ]) {
      await expect(write()).rejects.toMatchObject({
        fault: 'held',
        message: expect.stringMatching(/stop one/) as string,
      })
    }
    expect(await contents(place)).toEqual(before)
    expect(counts).toEqual([1n, 2n])
  })

  test('gives out no secret of a retired channel, and takes nothing more for it', async () => {
    const { journal, database, place } = await open()
    const [one, two] = [proposed('one'), proposed('two')]
    await journal.propose(one)
    await journal.commit(one.channelId, state(1), [paymentOf(1)])
    expect(await database.retire('an old copy')).toBe(1)
    await journal.propose(two)
    expect(await journal.channels()).toEqual([{ ...two, state: undefined }])
    const { channelKey: _key, channelSeed: _seed, ...known } = one
    expect(await database.retired()).toEqual([{ ...known, state: state(1), reason: 'an old copy' }])
    await expect(journal.commit(one.channelId, state(2), [paymentOf(2)])).rejects.toThrow('retired')
    await journal.end(one.channelId, { status: 'expired', settled: 0n, refund: 1n, returned: 0n })
    expect(await database.retired()).toEqual([])
    await place.sql('DELETE FROM outcomes')
    expect(await database.retire('again')).toBe(1)
    expect((await database.retired()).map(({ reason }) => reason).toSorted()).toEqual(['again', 'an old copy'])
    expect(await place.sql('SELECT count(*) AS payments FROM payments')).toEqual([{ payments: 1n }])
  })

  test('that has a channel changed on the disk says that it is damaged', async () => {
    const { journal, place } = await open()
    await journal.propose(proposed('one'))
    await place.sql('UPDATE channels SET terms = :terms', { terms: proposed('two').terms })
    await expect(journal.channels()).rejects.toMatchObject({ fault: 'damaged' })
  })

  test('whose secrets are gone lists the channel as one that cannot sign', async () => {
    const { journal, database, place } = await open()
    await journal.propose(proposed('one'))
    await place.sql('DELETE FROM secrets')
    expect(await journal.channels()).toEqual([])
    expect(await database.retired()).toMatchObject([{ reason: expect.stringMatching(/backup/) as string }])
  })
})

const tables = ['channels', 'secrets', 'states', 'payments', 'generations']

async function contents(place: Place): Promise<Readonly<Record<string, unknown>>> {
  const rows = await Promise.all(tables.map((table) => place.sql(`SELECT * FROM ${table} ORDER BY 1, 2, 3`)))
  return Object.fromEntries(tables.map((table, at) => [table, rows[at]]))
}
