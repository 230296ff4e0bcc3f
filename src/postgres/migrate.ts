import { type MigrationPlan, planOf, type Schema, titleOf } from '../sql/schema.ts'
import { StoreError } from '../sql/storeError.ts'
import { translateMigration } from './dialect.ts'
import { type Connection, checkedSchema, type PostgresOptions, placeOf } from './driver.ts'
import { codeOf, explained, isBroken, isRetryable } from './explained.ts'

/** Where a store is. */
export interface Place {
  /** The PostgreSQL schema. */
  readonly name: string
  /** For people. */
  readonly place: string
}

export function placeFor(options: PostgresOptions, { role }: Schema): Place {
  const name = checkedSchema(options.schema ?? `lockstep_${role}`)
  return { name, place: placeOf(options, name) }
}

/**
 * Brings a store to the newest version, once, however many processes start on it at the same moment: they wait for each
 * other at its row. Throws {@link StoreError} for a schema of others or of a newer program, which is not touched then, and
 * for a server that does not sync what it acknowledges.
 */
export async function migrate(connection: Connection, where: Place, schema: Schema): Promise<void> {
  await assertDurable(connection, where)
  const newest = schema.migrations.length
  const state = await lookAt(connection, where)
  if (assertOurs(state, where, schema) === newest && state !== undefined) return
  await mark(connection, where, schema)
  for (let version = 0; version < newest; ) version = await migrateOnce(connection, where, schema)
}

/** What `migrate` would do. Changes nothing. */
export async function planMigrations(connection: Connection, where: Place, schema: Schema): Promise<MigrationPlan> {
  return planOf(where.place, assertOurs(await lookAt(connection, where), where, schema), schema)
}

/** Makes schema and marker where they are not there. Other processes may do so at the same moment. */
async function mark(connection: Connection, { name }: Place, { role }: Schema): Promise<void> {
  for (let attempts = 1; ; attempts++) {
    try {
      await connection.query(`
        CREATE SCHEMA IF NOT EXISTS ${name};
        CREATE TABLE IF NOT EXISTS ${name}.${marker} (
          shard   BIGINT NOT NULL PRIMARY KEY, -- 0
          role    TEXT   NOT NULL,             -- Whose store it is.
          version BIGINT NOT NULL              -- How many of its migrations have run.
        );
        INSERT INTO ${name}.${marker} (shard, role, version) VALUES (0, '${role}', 0) ON CONFLICT DO NOTHING`)
      return
    } catch (error) {
      if (!raced.has(codeOf(error)) || attempts === attemptsMax) throw error
    }
  }
}

/** What it is called when another process made the same thing a moment ago. */
const raced: ReadonlySet<string> = new Set(['23505', '42P06', '42P07', 'XX000'])
const attemptsMax = 20

/** Runs the migration that comes next; gives the version that was reached. */
async function migrateOnce(connection: Connection, where: Place, schema: Schema): Promise<number> {
  const { migrations } = schema
  let version = 0
  await connection.query('BEGIN')
  try {
    const { rows } = await connection.query<State>(
      `SELECT role, version FROM ${where.name}.${marker} WHERE shard = 0 FOR UPDATE`,
    )
    // Another process may have been first: what is missing is known once nobody else can write.
    version = assertOurs(rows[0], where, schema)
    const next = migrations[version]
    if (next !== undefined) {
      await connection.query(translateMigration(next))
      await connection.query(`UPDATE ${where.name}.${marker} SET version = $1 WHERE shard = 0`, [version + 1])
    }
    await connection.query('COMMIT')
    return next === undefined ? version : version + 1
  } catch (error) {
    if (!isBroken(error)) await connection.query('ROLLBACK')
    throw failed(error, where, version, migrations)
  }
}

/** Beside the tables of the role. */
const marker = 'lockstep_store'

interface State {
  readonly role: string
  readonly version: bigint
}

/** `undefined` where there is no store yet. */
async function lookAt(connection: Connection, { name, place }: Place): Promise<State | undefined> {
  const { rows } = await connection.query<{ readonly table_name: string }>(
    'SELECT table_name FROM information_schema.tables WHERE table_schema = $1',
    [name],
  )
  if (rows.length === 0) return undefined
  if (!rows.some((row) => row.table_name === marker)) throw foreign(place)
  const found = await connection.query<State>(`SELECT role, version FROM ${name}.${marker} WHERE shard = 0`)
  return found.rows[0]
}

/** Throws where the tables are another role's or a newer program's; gives their version. */
function assertOurs(state: State | undefined, { place }: Place, { role, migrations }: Schema): number {
  if (state === undefined) return 0
  if (state.role !== role) throw foreign(place)
  const version = Number(state.version)
  if (version <= migrations.length) return version
  throw new StoreError(
    `${place} is at version ${version}; this program knows up to ${migrations.length}. Nothing was changed: run a newer one.`,
    { fault: 'newer' },
  )
}

function foreign(place: string): StoreError {
  return new StoreError(`${place} is not a store of this role. Nothing was changed: name another schema.`, {
    fault: 'foreign',
  })
}

async function assertDurable(connection: Connection, { place }: Place): Promise<void> {
  const { rows } = await connection.query<{ readonly fsync: string }>(`SELECT current_setting('fsync') AS fsync`)
  if (rows[0]?.fsync === 'on') return
  throw new StoreError(
    `${place}: the server runs with fsync off, and a power cut takes back what it acknowledged. Turn it on.`,
    {
      fault: 'unsafe',
    },
  )
}

function failed(error: unknown, { place }: Place, version: number, migrations: readonly string[]): unknown {
  if (isBroken(error) || isRetryable(error)) return error
  const known = explained(error, place)
  if (known instanceof StoreError) return known
  return new StoreError(
    `${place}: migration ${version + 1} (${titleOf(migrations[version] ?? '')}) failed and was rolled back. ` +
      `The store is at version ${version}, as before: run the program that wrote it, and report this.`,
    { cause: error, fault: 'migration' },
  )
}
