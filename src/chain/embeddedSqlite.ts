import type { DatabaseSync } from 'node:sqlite'
import type { LogStore } from './embedded.ts'
import { size } from './LogEntry.ts'

const schema = `
  CREATE TABLE IF NOT EXISTS chain_log (
    log      INTEGER NOT NULL CHECK (log >= 0),       -- number of the log: the shard
    sequence INTEGER NOT NULL CHECK (sequence >= 1),  -- number of the batch, without gaps
    entry    BLOB    NOT NULL CHECK (length(entry) = ${size}),  -- the signed entry: src/chain/LogEntry.ts
    PRIMARY KEY (log, sequence)
  ) STRICT, WITHOUT ROWID`

/**
 * Keeps a log in an SQLite database, beside whatever else is in there. As durable as the database: open it with
 * `PRAGMA synchronous = FULL`.
 */
export function sqliteLogStore(database: DatabaseSync, log = 0): LogStore {
  database.exec(schema)
  const insert = database.prepare('INSERT INTO chain_log (log, sequence, entry) VALUES (?, ?, ?)')
  const select = database.prepare(
    'SELECT sequence, entry FROM chain_log WHERE log = ? AND sequence >= ? ORDER BY sequence LIMIT ?',
  )
  const newest = database.prepare('SELECT entry FROM chain_log WHERE log = ? ORDER BY sequence DESC LIMIT 1')
  return {
    append: (sequence, entry) => {
      insert.run(log, sequence, entry)
    },
    *entries(from) {
      // In pages: a statement left open would hold up writers.
      for (let next = from; ; ) {
        const page = select.all(log, next, pageSize) as unknown as readonly Row[]
        for (const { entry } of page) yield entry
        const end = page.at(pageSize - 1)
        if (end === undefined) return
        next = end.sequence + 1
      }
    },
    last: () => (newest.get(log) as Row | undefined)?.entry,
  }
}

const pageSize = 256

interface Row {
  readonly sequence: number
  readonly entry: Uint8Array
}
