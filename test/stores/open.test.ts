import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { describe, expect, test } from 'vitest'
import { StoreError } from '../../src/sql/storeError.ts'
import { openDatabase, planMigrations } from '../../src/sqlite/open.ts'
import { alter, bytesUnder, query, temporaryPath } from './files.ts'

const migrations = [
  '-- Coins\nCREATE TABLE coins (coin INTEGER NOT NULL)',
  '-- Their colours\nALTER TABLE coins ADD COLUMN colour TEXT',
]

describe('a file that is not this role’s is refused and not touched:', () => {
  const foreign: readonly (readonly [string, (path: string) => unknown, RegExp])[] = [
    ['a database of another program', (path) => made(path, 'CREATE TABLE notes (note)'), /not a bank's store/],
    [
      'one in write-ahead mode',
      (path) => made(path, 'PRAGMA journal_mode = WAL; CREATE TABLE notes (note)'),
      /not a bank's store/,
    ],
    [
      'one whose tables are in its log alone',
      (path) => made(path, 'PRAGMA journal_mode = WAL; CREATE TABLE notes (note)', true),
      /not a bank's store/,
    ],
    [
      'one with so many tables that its schema is a tree',
      (path) =>
        made(path, Array.from({ length: 60 }, (_, at) => `CREATE TABLE table_with_a_long_name_${at} (a, b)`).join(';')),
      /not a bank's store/,
    ],
    ['another role’s store', (path) => done(openDatabase(path, 'vendor', migrations)), /not a bank's store/],
    ['an empty store of another role', (path) => done(openDatabase(path, 'log', [])), /not a bank's store/],
    ['a store of a newer program', (path) => done(openDatabase(path, 'bank', [...migrations, '', ''])), /newer/],
    ['one that a newer program has open', (path) => openDatabase(path, 'bank', [...migrations, '']), /newer/],
    ['a text', (path) => writeFileSync(path, 'coins,colours\n'.repeat(100)), /no SQLite database/],
    ['a few bytes', (path) => writeFileSync(path, 'SQLite'), /no SQLite database/],
    ['a folder', (path) => mkdirSync(path), /cannot be (read|opened)/],
  ]
  test.each(foreign)('%s', (_, make, message) => {
    const path = temporaryPath('any.db')
    const held = make(path)
    const before = pathIsFolder(path) ? undefined : bytesUnder(dirname(path))
    for (const attempt of [openDatabase, planMigrations]) {
      const error = errorOf(() => attempt(path, 'bank', migrations))
      expect(error.message).toMatch(message)
      expect(error.message).toContain(path)
      expect(error.passes).toBe(error.fault === 'unreachable')
    }
    if (before !== undefined) expect(withoutIndex(bytesUnder(dirname(path)))).toEqual(withoutIndex(before))
    if (held instanceof DatabaseSync) held.close()
  })

  test('in a folder that is not there', () => {
    const error = errorOf(() => openDatabase(join(temporaryPath(), 'none', 'bank.db'), 'bank', migrations))
    expect(error.message).toMatch(/folder exist/)
    expect(error.fault).toBe('unreachable')
  })
})

describe('a store', () => {
  test.each([
    ['is made where there is no file', () => undefined],
    ['is made in an empty file', (path: string) => writeFileSync(path, '')],
    ['is made in a database without tables', (path: string) => made(path, 'VACUUM')],
  ])('%s', (_, make) => {
    const path = temporaryPath()
    make(path)
    done(openDatabase(path, 'bank', migrations))
    expect(query(path, 'PRAGMA user_version')).toEqual([{ user_version: 2n }])
    expect(query(path, 'PRAGMA journal_mode')).toEqual([{ journal_mode: 'wal' }])
    done(openDatabase(path, 'bank', migrations))
  })

  test('syncs every commit', () => {
    const db = openDatabase(temporaryPath(), 'bank', migrations)
    expect(db.prepare('PRAGMA synchronous').get()).toEqual({ synchronous: 2 })
    expect(db.prepare('PRAGMA foreign_keys').get()).toEqual({ foreign_keys: 1 })
    db.close()
  })

  test('of an older version keeps its rows and gets what is missing', () => {
    const path = temporaryPath()
    done(openDatabase(path, 'bank', migrations.slice(0, 1)))
    alter(path, 'INSERT INTO coins VALUES (7)')
    done(openDatabase(path, 'bank', migrations))
    expect(query(path, 'SELECT * FROM coins')).toEqual([{ coin: 7n, colour: null }])
  })

  test('whose migration fails is as it was before, and says which one', () => {
    const path = temporaryPath()
    done(openDatabase(path, 'bank', migrations.slice(0, 1)))
    alter(path, 'INSERT INTO coins VALUES (7)')
    const broken = [migrations[0]!, '-- Half of it\nDELETE FROM coins; CREATE TABLE coins (a)']
    const error = errorOf(() => openDatabase(path, 'bank', broken))
    expect(error.fault).toBe('migration')
    expect(error.message).toMatch(/migration 2 \(Half of it\) failed and was rolled back.*at version 1/)
    expect(error.cause).toBeInstanceOf(Error)
    expect(query(path, 'SELECT * FROM coins')).toEqual([{ coin: 7n }])
    expect(query(path, 'PRAGMA user_version')).toEqual([{ user_version: 1n }])
    done(openDatabase(path, 'bank', migrations))
  })

  test('is migrated once, however many open it at the same moment', async () => {
    const path = temporaryPath()
    const program = fileURLToPath(new URL('./opener.ts', import.meta.url))
    const codes = await Promise.all(
      Array.from({ length: 6 }, () => {
        const worker = new Worker(program, { workerData: { path, migrations } })
        return new Promise((resolve, reject) => worker.on('exit', resolve).on('error', reject))
      }),
    )
    expect(codes).toEqual(codes.map(() => 0))
    expect(query(path, "SELECT name FROM pragma_table_info('coins')")).toEqual([{ name: 'coin' }, { name: 'colour' }])
  })

  test('that another process holds for long says so, and nothing was written', () => {
    const path = temporaryPath()
    const db = openDatabase(path, 'bank', migrations)
    db.exec('BEGIN IMMEDIATE')
    const error = errorOf(() => openDatabase(path, 'bank', [...migrations, '-- More\nCREATE TABLE more (a)']))
    expect(error).toMatchObject({ fault: 'busy', passes: true })
    db.exec('COMMIT')
    done(openDatabase(path, 'bank', [...migrations, '-- More\nCREATE TABLE more (a)']))
    db.close()
  })

  test('opened alone is opened by nobody else until it is closed', () => {
    const path = temporaryPath()
    const db = openDatabase(path, 'client', migrations, { exclusive: true })
    db.exec('INSERT INTO coins (coin) VALUES (1)')
    expect(errorOf(() => openDatabase(path, 'client', migrations)).fault).toBe('busy')
    db.close()
    done(openDatabase(path, 'client', migrations))
  })

  test('in memory needs no file', () => {
    done(openDatabase(':memory:', 'bank', migrations))
  })
})

describe('a plan', () => {
  const titles = (path: string): readonly (readonly [number, string])[] =>
    planMigrations(path, 'bank', migrations).steps.map(({ version, title }) => [version, title])

  test('names what would run, and runs nothing', () => {
    const path = temporaryPath()
    expect(titles(path)).toEqual([
      [1, 'Coins'],
      [2, 'Their colours'],
    ])
    expect(bytesUnder(dirname(path))).toEqual({})
    done(openDatabase(path, 'bank', migrations.slice(0, 1)))
    const before = bytesUnder(dirname(path))
    expect(titles(path)).toEqual([[2, 'Their colours']])
    expect(bytesUnder(dirname(path))).toEqual(before)
    done(openDatabase(path, 'bank', migrations))
    expect(planMigrations(path, 'bank', migrations)).toMatchObject({ place: path, role: 'bank', version: 2, target: 2 })
    expect(titles(path)).toEqual([])
  })
})

function made(path: string, sql: string, keepOpen = false): DatabaseSync | undefined {
  const db = new DatabaseSync(path)
  db.exec(sql)
  return keepOpen ? db : done(db)
}

function done(db: DatabaseSync): undefined {
  db.close()
}

function pathIsFolder(path: string): boolean {
  try {
    bytesUnder(path)
    return true
  } catch {
    return false
  }
}

/** Readers of a log that is in use share its index, which is no part of the data. */
function withoutIndex(files: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(files).filter(([name]) => !name.endsWith('-shm')))
}

function errorOf(work: () => unknown): StoreError {
  try {
    work()
  } catch (error) {
    expect(error).toBeInstanceOf(StoreError)
    return error as StoreError
  }
  throw new Error('nothing was refused')
}
