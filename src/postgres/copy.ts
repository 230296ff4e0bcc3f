import type { Source, Table, Target } from '../sql/copy.ts'
import type { Row, Value } from '../sql/program.ts'
import type { Schema } from '../sql/schema.ts'
import { StoreError } from '../sql/storeError.ts'
import { insertSql, transpose } from './dialect.ts'
import { type Connection, connectPool, type PostgresOptions } from './driver.ts'
import { explained } from './explained.ts'
import { migrate, type Place, placeFor, planMigrations } from './migrate.ts'

/** Rows that are moved at a time. */
const partSize = 500

/** A store on a server, which may be in use. It has to be at this program's version. */
export async function postgresSource(options: PostgresOptions, schema: Schema): Promise<Source> {
  const { connection, where, close } = await connect(options, schema)
  const attempt = attemptAt(where)
  try {
    const { version, target } = await attempt(() => planMigrations(connection, where, schema))
    if (version === 0) throw new StoreError(`${where.place}: there is no store.`, { fault: 'unreachable' })
    if (version < target) {
      throw new StoreError(
        `${where.place} is at version ${version}, this program's stores at ${target}: run lockstep migrate first.`,
        { fault: 'migration' },
      )
    }
    await attempt(() => connection.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY'))
  } catch (error) {
    await close()
    throw error
  }
  return {
    async *rows({ name, columns }) {
      const names = Object.keys(columns)
      await attempt(() => connection.query(`DECLARE part CURSOR FOR SELECT ${names.join(', ')} FROM ${name}`))
      for (;;) {
        const { rows } = await attempt(() => connection.query<Row>(`FETCH ${partSize} FROM part`))
        if (rows.length === 0) break
        yield rows.map((row) => names.map((column) => row[column] as Value))
      }
      await attempt(() => connection.query('CLOSE part'))
    },
    close,
  }
}

/** A schema without a store, or with an empty one. */
export async function postgresTarget(
  options: PostgresOptions,
  schema: Schema,
  tables: readonly Table[],
): Promise<Target> {
  const { connection, where, close } = await connect(options, schema)
  const attempt = attemptAt(where)
  try {
    await attempt(() => migrate(connection, where, schema))
    for (const { name, isFilled } of tables) {
      if (isFilled) continue
      const { rows } = await attempt(() => connection.query(`SELECT 1 FROM ${name} LIMIT 1`))
      if (rows.length > 0) {
        throw new StoreError(`${where.place} has a store already: nothing is written over.`, { fault: 'foreign' })
      }
    }
    await attempt(() => connection.query('BEGIN'))
  } catch (error) {
    await close()
    throw error
  }
  return {
    empty: async ({ name }) => void (await attempt(() => connection.query(`DELETE FROM ${name}`))),
    async insert({ name: table, columns }, rows) {
      const text = insertSql({ table, columns, key: [], onConflict: '' }, false)
      const values = [...transpose(rows, Object.keys(columns).length)]
      await attempt(() => connection.query(text, values))
    },
    async finish() {
      await attempt(() => connection.query('COMMIT'))
      await close()
    },
    discard: close,
  }
}

interface Connected {
  readonly connection: Connection
  readonly where: Place
  close(): Promise<void>
}

async function connect(options: PostgresOptions, schema: Schema): Promise<Connected> {
  const where = placeFor(options, schema)
  const pool = await connectPool(options, where.name)
  try {
    const connection = await pool.connect()
    return {
      connection,
      where,
      async close() {
        // Ended, not given back: a transaction on it ends with it.
        connection.release(true)
        await pool.end()
      },
    }
  } catch (error) {
    await pool.end()
    throw explained(error, where.place)
  }
}

function attemptAt({ place }: Place): <T>(work: () => Promise<T>) => Promise<T> {
  return async (work) => {
    try {
      return await work()
    } catch (error) {
      throw explained(error, place)
    }
  }
}
