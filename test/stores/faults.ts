/** What goes wrong with a database, as tasks beside those of a role: each puts the fault where a real one would be. */

import { all, change, type Program, type Tasks } from '../../src/sql/program.ts'

export const faults: Tasks = {
  /** SQLite: from here on the file may have no more pages than these. PostgreSQL's disk is full in `raiseError`. */
  limit: {
    mode: 'read',
    *steps(pages: number): Program<void> {
      yield* all(`PRAGMA max_page_count = ${pages}`)
    },
  },
  /** SQLite: this connection may only read. */
  readOnly: {
    mode: 'read',
    *steps(): Program<void> {
      yield* all('PRAGMA query_only = ON')
    },
  },
  /** PostgreSQL: an error of this code in the middle of a transaction. */
  raiseError: {
    mode: 'write',
    *steps(code: string): Program<void> {
      yield* change(`DO $do$ BEGIN RAISE EXCEPTION 'raised' USING ERRCODE = '${code}'; END $do$`)
    },
  },
}
