import { DatabaseSync } from 'node:sqlite'
import { toHex } from '../../crypto/bytes.ts'
import type { Row } from '../../sql/program.ts'
import type { Schema } from '../../sql/schema.ts'
import { explained } from '../../sqlite/explained.ts'
import { planMigrations } from '../../sqlite/open.ts'
import { assertNewest, type Reader } from './reader.ts'

/** Reads an SQLite file beside whoever writes it. */
export function openSqliteReader(path: string, { role, migrations }: Schema): Reader {
  assertNewest(planMigrations(path, role, migrations))
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
