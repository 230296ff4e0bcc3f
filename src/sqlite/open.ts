import { DatabaseSync } from 'node:sqlite'

/**
 * Opens a role's database file and brings it to the newest version. Every commit is synced to disk before it returns.
 * Throws {@link StoreError} for a file of another role or of a newer version: nothing in it is touched then.
 */
export function openDatabase(path: string, role: string, migrations: readonly string[]): DatabaseSync {
  const db = open(path)
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 2000')
  const version = migrate(db, path, role, migrations)
  if (version > migrations.length) {
    db.close()
    throw new StoreError(
      `${path} is at version ${version}; this program knows up to ${migrations.length}. Nothing was changed: run a newer one.`,
    )
  }
  return db
}

/** The file cannot be used as a store. Its message says what to do. */
export class StoreError extends Error {
  override readonly name: string = 'StoreError'
}

function open(path: string): DatabaseSync {
  try {
    return new DatabaseSync(path)
  } catch (error) {
    throw new StoreError(`cannot open the store ${path}: does its folder exist, and may this user write there?`, {
      cause: error,
    })
  }
}

/** Runs what is missing, one transaction a version; the file remembers its role and version. */
function migrate(db: DatabaseSync, path: string, role: string, migrations: readonly string[]): number {
  const application = applicationId(role)
  const { application_id: found } = db.prepare('PRAGMA application_id').get() as { application_id: number }
  if (found !== 0 && found !== application) {
    db.close()
    throw new StoreError(`${path} is not a ${role}'s store. Nothing was changed: name another file.`)
  }
  let { user_version: version } = db.prepare('PRAGMA user_version').get() as { user_version: number }
  for (; version < migrations.length; version++) {
    db.exec(`BEGIN IMMEDIATE; ${migrations[version]}; PRAGMA user_version = ${version + 1};
      PRAGMA application_id = ${application}; COMMIT`)
  }
  return version
}

/** SQLite's mark of a file format: `LS` and the role's first two letters. */
function applicationId(role: string): number {
  return Buffer.from(`LS${role.slice(0, 2)}`, 'latin1').readUInt32BE()
}
