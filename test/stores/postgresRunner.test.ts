import { afterEach, describe, expect, test } from 'vitest'
import { planPostgresMigrations, runOnPostgres } from '../../src/postgres/index.ts'
import type { Runner } from '../../src/sql/program.ts'
import type { Schema } from '../../src/sql/schema.ts'
import { StoreError } from '../../src/sql/storeError.ts'
import { schema, tasks } from './counter.ts'
import { faults } from './faults.ts'
import { usePostgres } from './postgres.ts'
import { type PostgresServer, startPostgres } from './postgresServer.ts'
import { wireTo } from './wire.ts'

const server = usePostgres()
const stores: Runner[] = []

afterEach(async () => {
  for (const store of stores.splice(0)) await store.close()
})

function open(url: string, change: Partial<Schema> = {}, connections = 4): Runner {
  const store = runOnPostgres({ url, connections }, { ...schema, ...change }, { ...tasks, ...faults })
  stores.push(store)
  return store
}

const label = new Uint8Array(1)
const add = (store: Runner): Promise<unknown> => store.run('add', [1n, label])
const counted = async (url: string): Promise<unknown> => {
  const [row] = await server.query(url, 'SELECT count(*) AS rows FROM lockstep_counter.counts')
  return row?.rows
}

describe('a store on PostgreSQL', () => {
  test('keeps integers and bytes as they are', async () => {
    const store = open(await server.createDatabase())
    expect(await store.run('add', [7n, new Uint8Array([1, 2])])).toBe(7n)
    expect(await store.run('add', [2n ** 62n, new Uint8Array([3])])).toBe(2n ** 62n + 7n)
    expect(await store.run('list', [])).toEqual([new Uint8Array([1, 2]), new Uint8Array([3])])
  })

  test('runs a transaction again where others were in its way, and every one happens once', async () => {
    const url = await server.createDatabase()
    const writers = [open(url), open(url), open(url)]
    const sums = await Promise.all(
      writers.flatMap((store) => Array.from({ length: 10 }, () => store.run('raise', [1n]))),
    )
    expect(new Set(sums).size).toBe(30)
    expect(await counted(url)).toBe(30n)
  })

  test('gives up where others are in its way for ever, and says so', async () => {
    const store = open(await server.createDatabase())
    await expect(store.run('raiseError', ['40001'])).rejects.toMatchObject({ fault: 'busy', passes: true })
    expect(await add(store)).toBe(1n)
  })

  test.each([
    ['53100', 'full', true],
    ['25006', 'readOnly', true],
    ['58030', 'disk', true],
    ['XX001', 'damaged', false],
    ['42501', 'unreachable', true],
    ['53200', 'busy', true],
  ])('says what an error %s means, and has written nothing', async (code, fault, passes) => {
    const url = await server.createDatabase()
    const store = open(url)
    await add(store)
    const error = await store.run('raiseError', [code]).catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(StoreError)
    expect(error).toMatchObject({
      fault,
      passes,
      message: expect.stringContaining('PostgreSQL at 127.0.0.1') as string,
    })
    expect(String(error)).not.toContain('lockstep:')
    expect(await counted(url)).toBe(1n)
    expect(await add(store)).toBe(2n)
  })

  test('leaves a bug what it is, and has written nothing', async () => {
    const url = await server.createDatabase()
    const store = open(url)
    await add(store)
    await expect(store.run('fail', [])).rejects.toThrow(RangeError)
    expect(await counted(url)).toBe(1n)
  })

  test('closed, answers what was asked before, and nothing afterwards', async () => {
    const store = open(await server.createDatabase())
    const asked = [add(store), add(store)]
    await store.close()
    await expect(Promise.all(asked)).resolves.toBeDefined()
    await expect(add(store)).rejects.toMatchObject({ fault: 'closed' })
    await store.close()
  })
})

describe('a commit whose connection breaks', () => {
  test.each(['before', 'after'] as const)('%s it arrives has happened once', async (cut) => {
    const url = await server.createDatabase()
    const wire = await wireTo(url)
    const store = open(wire.url)
    await add(store)
    for (let number = 2n; number < 8n; number++) {
      wire.cutAtCommit(cut)
      // What did not arrive is done again. What did may be another's by its number: nobody takes it for done.
      if (cut === 'before') expect(await add(store)).toBe(number)
      else await expect(add(store)).rejects.toMatchObject({ fault: 'outcomeUnknown', passes: true })
      expect(await counted(url)).toBe(number)
    }
  })

  test('while the server stays away is said to be unknown, and found out before anything else is done', async () => {
    const url = await server.createDatabase()
    const wire = await wireTo(url)
    const store = open(wire.url)
    await add(store)
    wire.cutAtCommit('afterAndAway')
    const error = await add(store).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ fault: 'outcomeUnknown', passes: true })
    expect(String(error)).toMatch(/unknown: read before/)
    await expect(store.run('list', [])).rejects.toMatchObject({ fault: 'unreachable' })
    wire.open()
    expect(await store.run('list', [])).toHaveLength(2)
    expect(await add(store)).toBe(3n)
  })

  test('with a server that was killed is not taken for the one that got its number', async () => {
    const own = await startPostgres()
    try {
      const url = await own.createDatabase()
      const wire = await wireTo(url)
      const store = open(wire.url)
      expect(await add(store)).toBe(1n)
      wire.cutAtCommit('held')
      const isHeld = wire.untilHeld()
      const doubtful = add(store)
      doubtful.catch(() => undefined)
      await isHeld
      // Nothing of it is on the disk: what comes now begins where the server was before it.
      await own.kill()
      wire.close()
      await own.start()
      for (let other = 0; other < 20; other++)
        await own.query(url, 'CREATE TABLE IF NOT EXISTS others (); SELECT pg_current_xact_id()')
      wire.open()
      await expect(doubtful).rejects.toMatchObject({ fault: 'outcomeUnknown' })
      expect(await own.query(url, 'SELECT * FROM lockstep_counter.counts')).toHaveLength(1)
      expect(await add(store)).toBe(2n)
    } finally {
      for (const store of stores.splice(0)) await store.close()
      await own.remove()
    }
  })

  test('waits for a server that has not noticed yet, and sees what became of it', async () => {
    const url = await server.createDatabase()
    const wire = await wireTo(url)
    const store = open(wire.url)
    await add(store)
    // The commit takes its time: a deferred trigger sleeps in it.
    await server.query(
      url,
      `CREATE FUNCTION lockstep_counter.rest() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.7); RETURN NULL; END';
       CREATE CONSTRAINT TRIGGER rest AFTER INSERT ON lockstep_counter.counts DEFERRABLE INITIALLY DEFERRED
         FOR EACH ROW EXECUTE FUNCTION lockstep_counter.rest()`,
    )
    wire.cutAtCommit('after')
    const doubtful = add(store)
    doubtful.catch(() => undefined)
    await new Promise((resolve) => setTimeout(resolve, 200))
    wire.close()
    wire.open()
    await new Promise((resolve) => setTimeout(resolve, 50))
    const read = store.run('list', [])
    await expect(doubtful).rejects.toMatchObject({ fault: 'outcomeUnknown' })
    expect(await read).toHaveLength(2)
  })
})

describe('a server', () => {
  test('that is away at first makes every task fail, until it is there', async () => {
    const url = await server.createDatabase()
    const wire = await wireTo(url)
    wire.close()
    const store = open(wire.url)
    for (const task of [add(store), store.run('list', [])]) {
      await expect(task).rejects.toMatchObject({
        fault: 'unreachable',
        message: expect.stringMatching(/does not answer/) as string,
      })
    }
    wire.open()
    expect(await add(store)).toBe(1n)
  })

  test.each([
    ['stopped', (one: PostgresServer) => one.stop()],
    ['killed', (one: PostgresServer) => one.kill()],
  ])('that is %s under load loses nothing that was acknowledged, and everything goes on by itself', async (_, end) => {
    const url = await server.createDatabase()
    const store = open(url, {}, 8)
    await add(store)
    let acknowledged = 1n
    let unknown = 0n
    const faultsSeen = new Set<string>()
    let isOver = false
    const write = async (): Promise<void> => {
      while (!isOver) {
        try {
          await add(store)
          acknowledged += 1n
        } catch (error) {
          const { fault, passes } = error as StoreError
          faultsSeen.add(fault)
          expect(passes, String(error)).toBe(true)
          if (fault === 'outcomeUnknown') unknown += 1n
          await new Promise((resolve) => setTimeout(resolve, 20))
        }
      }
    }
    const writers = Promise.all(Array.from({ length: 6 }, write))
    for (let round = 0; round < 2; round++) {
      const reached = acknowledged + 15n
      while (acknowledged < reached) await new Promise((resolve) => setTimeout(resolve, 5))
      await end(server)
      await expect(store.run('list', [])).rejects.toBeInstanceOf(StoreError)
      await server.start()
    }
    const reached = acknowledged + 5n
    while (acknowledged < reached) await new Promise((resolve) => setTimeout(resolve, 5))
    isOver = true
    await writers
    const rows = (await counted(url)) as bigint
    expect(rows).toBeGreaterThanOrEqual(acknowledged)
    expect(rows).toBeLessThanOrEqual(acknowledged + unknown)
    expect(faultsSeen).toContain('unreachable')
  })

  test('that lets the user in nowhere says so', async () => {
    const url = await server.createDatabase()
    for (const wrong of [url.replace(':lockstep@', ':wrong@'), url.replace(/\/test_.*/, '/none')]) {
      const error = await add(open(wrong)).catch((caught: unknown) => caught)
      expect(error).toMatchObject({
        fault: 'unreachable',
        message: expect.stringMatching(/Check user, password/) as string,
      })
      expect(String(error)).not.toMatch(/wrong|:lockstep@/)
    }
  })

  test('that does not sync what it acknowledges is not used', async () => {
    const unsafe = await startPostgres({ settings: ['fsync=off'] })
    try {
      await expect(add(open(await unsafe.createDatabase()))).rejects.toMatchObject({ fault: 'unsafe', passes: false })
    } finally {
      await Promise.all(stores.splice(0).map((store) => store.close()))
      await unsafe.remove()
    }
  })
})

describe('migrations on PostgreSQL', () => {
  const two = {
    migrations: [...schema.migrations, '-- Colours\nALTER TABLE counts ADD COLUMN colour TEXT; -- Of the count.'],
  }

  test('run once, however many open the store at the same moment', async () => {
    const url = await server.createDatabase()
    const sums = await Promise.all(Array.from({ length: 8 }, () => add(open(url, two))))
    expect(sums).toHaveLength(8)
    expect(await counted(url)).toBe(8n)
    expect(await server.query(url, 'SELECT role, version FROM lockstep_counter.lockstep_store')).toEqual([
      { role: 'counter', version: 2n },
    ])
  })

  test('keep what is there, and say of each column what it holds', async () => {
    const url = await server.createDatabase()
    await add(open(url))
    expect(await planPostgresMigrations({ url }, { ...schema, ...two })).toMatchObject({
      role: 'counter',
      version: 1,
      target: 2,
      steps: [{ version: 2, title: 'Colours' }],
    })
    expect(await add(open(url, two))).toBe(2n)
    expect(
      await server.query(
        url,
        `SELECT col_description('lockstep_counter.counts'::regclass, ordinal_position::int) AS says
           FROM information_schema.columns WHERE table_schema = 'lockstep_counter' AND column_name = 'colour'`,
      ),
    ).toEqual([{ says: 'Of the count.' }])
  })

  test('that fail leave the store as it was, and say which one', async () => {
    const url = await server.createDatabase()
    await add(open(url))
    const broken = {
      migrations: [...schema.migrations, '-- Half of it\nDELETE FROM counts; CREATE TABLE counts (a INTEGER)'],
    }
    await expect(add(open(url, broken))).rejects.toMatchObject({
      fault: 'migration',
      message: expect.stringMatching(/migration 2 \(Half of it\) failed and was rolled back.*at version 1/) as string,
    })
    expect(await add(open(url))).toBe(2n)
  })

  test('do not touch a newer store, another role’s, or the tables of others', async () => {
    const url = await server.createDatabase()
    await add(open(url, two))
    await expect(add(open(url))).rejects.toMatchObject({
      fault: 'newer',
      message: expect.stringMatching(/run a newer/) as string,
    })
    const store = runOnPostgres({ url, schema: 'lockstep_counter' }, { ...schema, role: 'other' }, tasks)
    stores.push(store)
    await expect(add(store)).rejects.toMatchObject({ fault: 'foreign' })
    await server.query(url, 'CREATE SCHEMA others; CREATE TABLE others.notes (note TEXT)')
    const others = runOnPostgres({ url, schema: 'others' }, schema, tasks)
    stores.push(others)
    await expect(add(others)).rejects.toMatchObject({ fault: 'foreign' })
    expect(await server.query(url, `SELECT tablename FROM pg_tables WHERE schemaname = 'others'`)).toEqual([
      { tablename: 'notes' },
    ])
  })

  test('take no schema whose name would need quotes', async () => {
    for (const name of ['', 'Upper', 'a b', 'a"; DROP TABLE x', '1a', 'x'.repeat(64)]) {
      expect(() => runOnPostgres({ url: 'postgres://127.0.0.1/none', schema: name }, schema, tasks), name).toThrow(
        RangeError,
      )
    }
  })
})
