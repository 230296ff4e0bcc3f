import { closeSync, existsSync, openSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { type MigrationPlan, planOf, titleOf } from '../sql/schema.ts'
import { StoreError } from '../sql/storeError.ts'
import { explained } from './explained.ts'
import { applicationId, assertOurs, lookAt } from './look.ts'

export { StoreError }

export interface OpenOptions {
  /** No other process reads or writes the file while this one has it open. The system lets go of it however the process ends. */
  readonly exclusive?: boolean
}

/**
 * Opens a role's database file and brings it to the newest version. Every commit is synced to disk before it returns.
 *
 * Throws {@link StoreError} for a file of another role, of another program or of a newer version: nothing in it or beside it
 * is touched then. A migration that fails is rolled back. A file that may only be read is opened where it is at the newest
 * version: writing to it throws.
 */
export function openDatabase(
  path: string,
  role: string,
  migrations: readonly string[],
  { exclusive = false }: OpenOptions = {},
): DatabaseSync {
  assertOurs(path, role, lookAt(path), migrations.length)
  const db = open(path)
  try {
    if (exclusive) db.exec('PRAGMA locking_mode = EXCLUSIVE')
    db.exec(
      'PRAGMA busy_timeout = 2000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 8192',
    )
    migrate(db, path, role, migrations)
    return db
  } catch (error) {
    db.close()
    throw explained(error, path)
  }
}

/** What `openDatabase` would do to the file, for `lockstep migrate --plan`. Changes nothing. */
export function planMigrations(path: string, role: string, migrations: readonly string[]): MigrationPlan {
  const state = lookAt(path)
  assertOurs(path, role, state, migrations.length)
  return planOf(path, state?.version ?? 0, { role, migrations })
}

function open(path: string): DatabaseSync {
  try {
    // What a store holds is for its user alone.
    if (path !== '' && path !== ':memory:') closeSync(openSync(path, existsSync(path) ? 'r' : 'a', 0o600))
    return new DatabaseSync(path)
  } catch (error) {
    throw new StoreError(`cannot open the store ${path}: does its folder exist, and may this user write there?`, {
      cause: error,
      fault: 'unreachable',
    })
  }
}

/** Runs what is missing, one transaction a version; the file remembers its role and version. */
function migrate(db: DatabaseSync, path: string, role: string, migrations: readonly string[]): void {
  const application = applicationId(role)
  const isCurrent = pragma(db, 'application_id') === application && pragma(db, 'user_version') === migrations.length
  for (let done = isCurrent; !done; ) {
    db.exec('BEGIN IMMEDIATE')
    // Another process may have been first: what the file is, and what it lacks, is known once nobody else can write.
    const version = pragma(db, 'user_version')
    try {
      const tables = db.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get()
      assertOurs(
        path,
        role,
        { application: pragma(db, 'application_id'), version, hasTables: tables !== undefined },
        migrations.length,
      )
      if (version < migrations.length) db.exec(migrations[version]!)
      const reached = Math.min(version + 1, migrations.length)
      db.exec(`PRAGMA application_id = ${application}; PRAGMA user_version = ${reached}; COMMIT`)
      done = reached === migrations.length
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK')
      throw failed(error, path, version, migrations)
    }
  }
}

function failed(error: unknown, path: string, version: number, migrations: readonly string[]): unknown {
  const known = explained(error, path)
  // A full disk, or a file of others, says more than the migration it met.
  if (known instanceof StoreError) return known
  return new StoreError(
    `${path}: migration ${version + 1} (${titleOf(migrations[version] ?? '')}) failed and was rolled back. ` +
      `The store is at version ${version}, as before: run the program that wrote it, and report this.`,
    { cause: error, fault: 'migration' },
  )
}

function pragma(db: DatabaseSync, name: string): number {
  return Number(db.prepare(`PRAGMA ${name}`).get()?.[name])
}
