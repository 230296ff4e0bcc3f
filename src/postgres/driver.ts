import type { Pool, PoolClient } from 'pg'
import { StoreError } from '../sql/storeError.ts'

export interface PostgresOptions {
  /** As in `postgres://user@host:5432/database`. A password that is not in it comes from `password` or `PGPASSWORD`. */
  readonly url: string
  readonly password?: string
  /** The schema that has the tables, one for each store: `lockstep_` and the role, where it is not named. */
  readonly schema?: string
  /** At most so many connections. Commits and reads beyond wait. */
  readonly connections?: number
}

/** Long enough for a commit that waits for others, short enough to notice a server that is gone without a word. */
const timeouts = { connectMs: 5000, statementMs: 20_000, answerMs: 25_000 }

/** Connections to one schema of one server. None is made before it is needed. */
export async function connectPool(options: PostgresOptions, schema: string): Promise<Pool> {
  const { default: pg } = await loadDriver()
  const { url, password, connections = 4 } = options
  const pool = new pg.Pool({
    connectionString: url,
    ...(password !== undefined && { password }),
    max: connections,
    connectionTimeoutMillis: timeouts.connectMs,
    query_timeout: timeouts.answerMs,
    keepAlive: true,
    allowExitOnIdle: true,
    application_name: 'lockstep',
    types: { getTypeParser: parserOf },
    options: Object.entries(settingsOf(schema))
      .map(([name, value]) => `-c ${name}=${value}`)
      .join(' '),
  })
  // A connection that breaks between two statements says so at the next one; an idle one is replaced when it is needed.
  pool.on('connect', (connection) => connection.on('error', () => undefined))
  pool.on('error', () => undefined)
  return pool
}

export type Connection = PoolClient

/** Where a store is, without its secrets. */
export function placeOf({ url }: PostgresOptions, schema: string): string {
  const parsed = URL.parse(url)
  return parsed === null
    ? `PostgreSQL, schema ${schema}`
    : `PostgreSQL at ${parsed.host}${parsed.pathname}, schema ${schema}`
}

/** A name that needs no quotes. Throws for any other. */
export function checkedSchema(schema: string): string {
  if (/^[a-z_][a-z0-9_]{0,62}$/.test(schema)) return schema
  throw new RangeError(`a schema is named in lower case letters, digits and underscores, not ${schema}`)
}

async function loadDriver(): Promise<typeof import('pg')> {
  try {
    return await import('pg')
  } catch (cause) {
    throw new StoreError('PostgreSQL needs its driver, which is not installed: npm install pg', {
      cause,
      fault: 'driverMissing',
    })
  }
}

function settingsOf(schema: string): Readonly<Record<string, string | number>> {
  return {
    search_path: schema,
    statement_timeout: timeouts.statementMs,
    lock_timeout: timeouts.statementMs,
    // A transaction whose process hangs holds nobody up for longer.
    idle_in_transaction_session_timeout: timeouts.statementMs,
    synchronous_commit: 'on',
    // Under SERIALIZABLE, whoever scans a table conflicts with all who write to it.
    enable_seqscan: 'off',
  }
}

const typeIds = { boolean: 16, bytea: 17, int8: 20, int2: 21, int4: 23, numeric: 1700 }

/** Integers as bigints, bytes as bytes, everything else as its text. */
export function parserOf(type: number): (value: string) => unknown {
  switch (type) {
    case typeIds.int8:
    case typeIds.int2:
    case typeIds.int4:
    case typeIds.numeric:
      return BigInt
    case typeIds.boolean:
      return (value) => (value === 't' ? 1n : 0n)
    case typeIds.bytea:
      // As `\x` and hex digits.
      return (value) => new Uint8Array(Buffer.from(value.slice(2), 'hex'))
    default:
      return (value) => value
  }
}
