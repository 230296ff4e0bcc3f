import { DatabaseSync } from 'node:sqlite'
import { toHex } from '../../crypto/bytes.ts'
import type { Row } from '../../sql/program.ts'
import type { Schema } from '../../sql/schema.ts'
import { StoreError } from '../../sql/storeError.ts'
import { explained } from '../../sqlite/explained.ts'
import { assertOurs, lookAt } from '../../sqlite/look.ts'

/** Reads a store beside the service that writes it. Everything it gives is of one moment, and it can change nothing. */
export interface Reader {
  all(sql: string): Promise<readonly Row[]>
  /** Row by row, for what may not fit into memory. */
  each(sql: string): AsyncIterable<Row>
  /** The condition that a column has these bytes. */
  isBlob(column: string, bytes: Uint8Array): string
  /** What the database itself finds wrong with its pages, indexes and foreign keys. */
  integrity(): Promise<string | undefined>
  close(): Promise<void>
}

/** Throws {@link StoreError} for a file that is not there, another role's, or of another version than this program's. */
export function openSqliteReader(path: string, { role, migrations }: Schema): Reader {
  const state = lookAt(path)
  if (state === undefined) throw new StoreError(`there is no store at ${path}`, { fault: 'unreachable' })
  assertOurs(path, role, state, migrations.length)
  if (state.version < migrations.length) {
    throw new StoreError(
      `${path} is at version ${state.version}; this program reads ${migrations.length}: "lockstep migrate" brings it there`,
      { fault: 'migration' },
    )
  }
  const db = new DatabaseSync(path, { readOnly: true, readBigInts: true })
  const attempt = <T>(work: () => T): T => {
    try {
      return work()
    } catch (error) {
      throw explained(error, path)
    }
  }
  attempt(() => db.exec('PRAGMA busy_timeout = 2000; BEGIN'))
  return {
    all: async (sql) => attempt(() => db.prepare(sql).all() as Row[]),
    async *each(sql) {
      const rows = attempt(() => db.prepare(sql).iterate())
      for (;;) {
        const next = attempt(() => rows.next())
        if (next.done === true) return
        yield next.value as Row
      }
    },
    isBlob: (column, bytes) => `${column} = x'${toHex(bytes)}'`,
    async integrity() {
      const pages = attempt(() => db.prepare('PRAGMA integrity_check(1)').get())
      const found = String(Object.values(pages ?? {})[0])
      if (found !== 'ok') return found
      const orphan = attempt(() => db.prepare('PRAGMA foreign_key_check').get())
      return orphan === undefined
        ? undefined
        : `a row of ${String(orphan.table)} refers to one of ${String(orphan.parent)} that is not there`
    },
    close: async () => db.close(),
  }
}
