import type { Pool, PoolClient } from 'pg'
import { toHex } from '../../crypto/bytes.ts'
import { connectPool } from '../../postgres/driver.ts'
import { explained } from '../../postgres/explained.ts'
import { planPostgresMigrations } from '../../postgres/index.ts'
import type { Row } from '../../sql/program.ts'
import type { Schema } from '../../sql/schema.ts'
import type { Reader } from './reader.ts'
import { assertNewest } from './reader.ts'

/** Reads a store on a PostgreSQL server, in one transaction that can change nothing. */
export async function openPostgresReader(url: string, schema: Schema): Promise<Reader> {
  const plan = await planPostgresMigrations({ url }, schema)
  const { place } = plan
  assertNewest(plan)
  const pool = await connectPool({ url, connections: 1 }, `lockstep_${schema.role}`)
  const connection = await connect(pool, place)
  const query = async (sql: string): Promise<readonly Row[]> => {
    try {
      return (await connection.query<Row>(patiently(sql))).rows
    } catch (error) {
      throw explained(error, place)
    }
  }
  // An audit looks at whole tables, for as long as that takes.
  await query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
  await query('SET LOCAL statement_timeout = 0')
  await query('SET LOCAL idle_in_transaction_session_timeout = 0')
  await query('SET LOCAL enable_seqscan = on')
  let cursors = 0
  return {
    all: query,
    async *each(sql) {
      const cursor = `rows_${++cursors}`
      await query(`DECLARE ${cursor} NO SCROLL CURSOR FOR ${sql}`)
      for (;;) {
        const rows = await query(`FETCH ${pageSize} FROM ${cursor}`)
        yield* rows
        if (rows.length < pageSize) break
      }
      await query(`CLOSE ${cursor}`)
    },
    isBlob: (column, bytes) => `${column} = '\\x${toHex(bytes)}'`,
    // Foreign keys and checks cannot be broken there without leave of the server's owner; its pages are what amcheck is for.
    integrity: async () => undefined,
    async close() {
      connection.release()
      await pool.end()
    },
  }
}

const pageSize = 1000

async function connect(pool: Pool, place: string): Promise<PoolClient> {
  try {
    return await pool.connect()
  } catch (error) {
    await pool.end()
    throw explained(error, place)
  }
}

/** The driver's own limit is for services. */
function patiently(text: string): { readonly text: string } {
  return { text, query_timeout: 2 ** 31 - 1 } as { readonly text: string }
}
