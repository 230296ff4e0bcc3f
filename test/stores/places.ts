/** Where the stores of the conformance tests are: each test of a contract runs in all three. */

import { DatabaseSync } from 'node:sqlite'
import { afterEach } from 'vitest'
import { runOnPostgres } from '../../src/postgres/index.ts'
import type { Row, Runner, Tasks } from '../../src/sql/program.ts'
import type { Schema } from '../../src/sql/schema.ts'
import { runInThread } from '../../src/sqlite/run.ts'
import { runInWorker } from '../../src/sqlite/worker.ts'
import { temporaryPath } from './files.ts'
import type { PostgresServer } from './postgresServer.ts'

export interface Role {
  readonly schema: Schema
  readonly tasks: Tasks
  /** The module that exports both. */
  readonly module: URL
}

/** One empty database. */
export interface Place {
  /** Another process on the same database, for all that the database can tell. */
  open(): Promise<Runner>
  /** Runs SQL beside the store: `:name` stands for bytes. */
  sql(sql: string, values?: Readonly<Record<string, Uint8Array>>): Promise<readonly Row[]>
  /** The disk is full for whoever uses this store next, until the other is called. */
  fill(runner: Runner): Promise<void>
  makeRoom(runner: Runner): Promise<void>
  readOnly(runner: Runner): Promise<void>
  writable(runner: Runner): Promise<void>
  /** The version that the database says it has. */
  setVersion(version: number): Promise<void>
}

export interface Kind {
  readonly name: string
  make(): Promise<Place>
}

const opened: Runner[] = []

afterEach(async () => {
  for (const runner of opened.splice(0).reverse()) await runner.close()
})

export function kindsOf(role: Role, server: PostgresServer): readonly Kind[] {
  const { schema, tasks, module } = role
  return [
    {
      name: 'SQLite',
      make: async () => {
        const path = temporaryPath()
        return sqlitePlace(path, async () => runInThread(path, schema, tasks))
      },
    },
    {
      name: 'SQLite in a thread of its own',
      make: async () => {
        const path = temporaryPath()
        return sqlitePlace(path, () => runInWorker({ path, tasks: module }))
      },
    },
    { name: 'PostgreSQL', make: () => postgresPlace(role, server) },
  ]
}

function sqlitePlace(path: string, open: () => Promise<Runner>): Place {
  const sql: Place['sql'] = async (statement, values = {}) => {
    const db = new DatabaseSync(path, { readBigInts: true, timeout: 5000 })
    try {
      return db.prepare(statement).all(values as Record<string, Uint8Array>) as Row[]
    } finally {
      db.close()
    }
  }
  return {
    sql,
    open: () => kept(open()),
    async fill(runner) {
      const [row] = await sql('PRAGMA page_count')
      await runner.run('limit', [Number(row?.page_count)])
    },
    makeRoom: async (runner) => void (await runner.run('limit', [1_000_000])),
    readOnly: async (runner) => void (await runner.run('readOnly', [])),
    // What a connection may do is found out anew after it was refused.
    writable: async () => undefined,
    setVersion: async (version) => void (await sql(`PRAGMA user_version = ${version}`)),
  }
}

/** A schema of its own, in a database that the places of a file share. */
async function postgresPlace({ schema: role, tasks }: Role, server: PostgresServer): Promise<Place> {
  const url = await (databases.get(server) ?? remember(server))
  places += 1
  const schema = `place_${places}`
  const database = new URL(url).pathname.slice(1)
  const terminate = `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = '${database}' AND pid <> pg_backend_pid()`
  const setReadOnly = async (setting: string): Promise<void> => {
    const asWriter = `${url}?options=${encodeURIComponent('-c default_transaction_read_only=off')}`
    await server.query(asWriter, `ALTER DATABASE ${database} SET default_transaction_read_only = ${setting}`)
    if (setting === 'on') await server.query(asWriter, terminate)
  }
  const sql: Place['sql'] = async (statement, values = {}) => {
    const text = statement.replaceAll(/:(\w+)/g, (_, key: string) => bytesLiteral(values[key]!))
    return (await server.query(url, `SET search_path = ${schema}; ${text}`)) as readonly Row[]
  }
  return {
    sql,
    open: () => kept(Promise.resolve(runOnPostgres({ url, schema }, role, tasks))),
    fill: () => Promise.resolve(),
    makeRoom: () => Promise.resolve(),
    readOnly: () => setReadOnly('on'),
    writable: () => setReadOnly('off'),
    setVersion: async (version) => void (await sql(`UPDATE lockstep_store SET version = ${version}`)),
  }
}

const databases = new Map<PostgresServer, Promise<string>>()
let places = 0

function remember(server: PostgresServer): Promise<string> {
  const url = server.createDatabase()
  databases.set(server, url)
  return url
}

async function kept(opening: Promise<Runner>): Promise<Runner> {
  const runner = await opening
  opened.push(runner)
  return runner
}

function bytesLiteral(bytes: Uint8Array): string {
  return `'\\x${Buffer.from(bytes).toString('hex')}'::bytea`
}
