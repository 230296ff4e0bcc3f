import { closeSync, existsSync, openSync, rmSync } from 'node:fs'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import type { Source, Table, Target } from '../sql/copy.ts'
import type { ColumnType, Value } from '../sql/program.ts'
import type { Schema } from '../sql/schema.ts'
import { StoreError } from '../sql/storeError.ts'
import { explained } from './explained.ts'
import { assertOurs, lookAt } from './look.ts'
import { openDatabase } from './open.ts'

/** Rows that are moved at a time. */
const partSize = 500

/** The tables of a role, each after those that it refers to. */
export function tablesOf({ role, migrations }: Schema): readonly Table[] {
  const db = openDatabase(':memory:', role, migrations)
  try {
    const names = db.prepare(`SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name`).all()
    const tables = new Map(names.map(({ name }) => [String(name), tableOf(db, String(name))]))
    const ordered = new Set<Table>()
    const visit = (name: string): void => {
      const table = tables.get(name)!
      if (ordered.has(table)) return
      for (const { table: other } of db.prepare(`SELECT "table" FROM pragma_foreign_key_list('${name}')`).all()) {
        visit(String(other))
      }
      ordered.add(table)
    }
    for (const name of tables.keys()) visit(name)
    return [...ordered]
  } finally {
    db.close()
  }
}

/** A store's file, which may be in use. It has to be at this program's version. */
export function sqliteSource(path: string, schema: Schema): Source {
  const { role, migrations } = schema
  const state = lookAt(path)
  if (state === undefined) throw new StoreError(`${path}: there is no store.`, { fault: 'unreachable' })
  assertOurs(path, role, state, migrations.length)
  assertNewest(path, state.version, schema)
  const db = attempt(path, () => {
    const opened = new DatabaseSync(path, { timeout: 2000 })
    opened.exec('BEGIN')
    return opened
  })
  return {
    async *rows(table) {
      const statement = attempt(path, () => db.prepare(selectSql(table)))
      statement.setReadBigInts(true)
      statement.setReturnArrays(true)
      let part: (readonly Value[])[] = []
      try {
        for (const row of statement.iterate()) {
          part.push(row as unknown as readonly Value[])
          if (part.length < partSize) continue
          yield part
          part = []
        }
      } catch (error) {
        throw explained(error, path)
      }
      if (part.length > 0) yield part
    },
    close: async () => db.close(),
  }
}

/** A file that is not there yet. Only its user can read it. */
export function sqliteTarget(path: string, { role, migrations }: Schema): Target {
  if (existsSync(path)) throw new StoreError(`${path} is there already: nothing is written over.`, { fault: 'foreign' })
  const db = attempt(path, () => {
    closeSync(openSync(path, 'wx', 0o600))
    return openDatabase(path, role, migrations)
  })
  db.exec('BEGIN')
  return {
    async empty({ name }) {
      db.exec(`DELETE FROM ${name}`)
    },
    async insert({ name, columns }, rows) {
      const values = Object.keys(columns).map(() => '?')
      const statement = db.prepare(
        `INSERT INTO ${name} (${Object.keys(columns).join(', ')}) VALUES (${values.join(', ')})`,
      )
      attempt(path, () => {
        for (const row of rows) statement.run(...(row as SQLInputValue[]))
      })
    },
    async finish() {
      attempt(path, () => {
        db.exec('COMMIT')
        // One file, without a log beside it.
        db.exec('PRAGMA journal_mode = DELETE')
        db.close()
      })
    },
    async discard() {
      db.close()
      for (const end of ['', '-wal', '-shm', '-journal']) rmSync(path + end, { force: true })
    },
  }
}

/** Only a store of the newest version is copied: what a copy means is settled by its version. */
export function assertNewest(place: string, version: number, { migrations }: Schema): void {
  if (version === migrations.length) return
  throw new StoreError(
    `${place} is at version ${version}, this program's stores at ${migrations.length}: run lockstep migrate first.`,
    { fault: 'migration' },
  )
}

export function selectSql({ name, columns }: Table): string {
  return `SELECT ${Object.keys(columns).join(', ')} FROM ${name}`
}

function tableOf(db: DatabaseSync, name: string): Table {
  const columns = db.prepare(`SELECT name, lower(type) AS type FROM pragma_table_info('${name}')`).all()
  return {
    name,
    columns: Object.fromEntries(columns.map((column) => [String(column.name), column.type as ColumnType])),
    isFilled: db.prepare(`SELECT 1 FROM ${name} LIMIT 1`).get() !== undefined,
  }
}

function attempt<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw explained(error, path)
  }
}
