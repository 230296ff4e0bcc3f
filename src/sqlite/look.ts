import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { StoreError } from '../sql/storeError.ts'
import { explained } from './explained.ts'

/** A database file as it stands. */
export interface FileState {
  /** 0 where nobody has marked it. */
  readonly application: number
  /** 0 before the first migration. */
  readonly version: number
  readonly hasTables: boolean
}

/** SQLite's mark of a file format: `LS` and the role's first two letters. */
export function applicationId(role: string): number {
  return Buffer.from(`LS${role.slice(0, 2)}`, 'latin1').readUInt32BE()
}

/**
 * Looks at a file without changing a byte of it or beside it. `undefined` where there is none, or an empty one. Throws
 * {@link StoreError} for what is no database.
 */
export function lookAt(path: string): FileState | undefined {
  if (path === '' || path === ':memory:' || !existsSync(path)) return undefined
  try {
    if (sizeOf(`${path}-wal`) > 0) return throughLog(path)
    return sizeOf(path) === 0 ? undefined : inHeader(path)
  } catch (error) {
    throw explained(systemError(error, path), path)
  }
}

/** Throws where the file is another role's, another program's, or a newer program's. */
export function assertOurs(path: string, role: string, state: FileState | undefined, newest: number): void {
  if (state === undefined) return
  const { application, version, hasTables } = state
  if (application === 0 ? hasTables : application !== applicationId(role)) {
    throw new StoreError(`${path} is not a ${role}'s store. Nothing was changed: name another file.`, {
      fault: 'foreign',
    })
  }
  if (version > newest) {
    throw new StoreError(
      `${path} is at version ${version}; this program knows up to ${newest}. Nothing was changed: run a newer one.`,
      { fault: 'newer' },
    )
  }
}

/** Through SQLite, because newer pages are in the log beside the file. */
function throughLog(path: string): FileState {
  const db = new DatabaseSync(path, { readOnly: true })
  try {
    const number = (sql: string): number => Number(Object.values(db.prepare(sql).get() ?? {})[0])
    return {
      application: number('PRAGMA application_id'),
      version: number('PRAGMA user_version'),
      hasTables: number('SELECT count(*) FROM sqlite_schema') > 0,
    }
  } finally {
    db.close()
  }
}

/**
 * From the file's first bytes, where no log is beside it: even a reader of SQLite's would leave files of its own there.
 * https://www.sqlite.org/fileformat2.html
 */
function inHeader(path: string): FileState {
  const header = Buffer.alloc(112)
  const file = openSync(path, 'r')
  try {
    readSync(file, header, 0, header.length, 0)
  } finally {
    closeSync(file)
  }
  if (header.toString('latin1', 0, 16) !== 'SQLite format 3\0') {
    throw new StoreError(`${path}: The file is no SQLite database. Nothing was changed: name another file.`, {
      fault: 'foreign',
    })
  }
  // Page 1 holds the root of the schema's tree at byte 100: its type, then at 103 the number of its cells.
  const isLeaf = header[100] === 0x0d
  return {
    application: header.readUInt32BE(68),
    version: header.readUInt32BE(60),
    hasTables: !isLeaf || header.readUInt16BE(103) > 0,
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

/** What the file system refuses, in the same words as what SQLite does. */
function systemError(error: unknown, path: string): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (!/^E(?:ACCES|PERM|ISDIR|NOTDIR|IO)$/.test(code)) return error
  return new StoreError(`${path}: The file cannot be read (${code}). Does this user have the right to?`, {
    cause: error,
    fault: 'unreachable',
  })
}
