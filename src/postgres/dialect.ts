import type { ColumnType, Insert, Update } from '../sql/program.ts'

/**
 * PostgreSQL's words for what the stores are written in.
 *
 * | SQLite | PostgreSQL |
 * | --- | --- |
 * | `INTEGER`, 64 bits | `BIGINT` |
 * | `BLOB` | `BYTEA` |
 * | `length(…)` of bytes or ASCII | `octet_length(…)` |
 * | `STRICT`, `WITHOUT ROWID` | nothing: it always is the first and never the second |
 * | a comment behind a column | `COMMENT ON COLUMN` |
 */
export function translateMigration(sql: string): string {
  const tables = sql
    .replaceAll(/\bBLOB\b/g, 'BYTEA')
    .replaceAll(/\bINTEGER\b/g, 'BIGINT')
    .replaceAll(/\blength\(/g, 'octet_length(')
    .replaceAll(/\)\s*(?:STRICT|WITHOUT ROWID)(?:,\s*(?:STRICT|WITHOUT ROWID))?\s*(?=;|$)/g, ')')
  return [tables.trimEnd().replace(/;?$/, ';'), ...commentsOf(sql)].join('\n')
}

/** A statement with its parameters numbered. */
export interface Numbered {
  readonly text: string
  /** Which named value each number stands for. */
  readonly names: readonly string[]
}

export function numberParameters(sql: string): Numbered {
  const names: string[] = []
  const text = sql.replaceAll(/(?<![:\w]):([A-Za-z]\w*)/g, (_, name: string) => {
    if (!names.includes(name)) names.push(name)
    return `$${names.indexOf(name) + 1}`
  })
  return { text, names }
}

/** Many rows in one statement: a parameter is a column, as an array. */
export function insertSql({ table, columns, key, guard, onConflict }: Insert, returnsKey: boolean): string {
  const where = guard === undefined ? '' : ` WHERE ${guard}`
  const returning = returnsKey ? ` RETURNING ${key.join(', ')}` : ''
  return `INSERT INTO ${table} (${namesOf(columns)}) SELECT * FROM ${given(columns)}${where} ${onConflict}${returning}`
}

export function updateSql({ table, columns, key, set, guard }: Update): string {
  const names = Object.keys(columns)
  const changed = names.filter((name) => !key.includes(name)).map((name) => `${name} = given.${name}`)
  const where = key.map((name) => `${table}.${name} = given.${name}`)
  return `UPDATE ${table} SET ${set ?? changed.join(', ')} FROM ${given(columns)} WHERE ${[...where, guard].join(' AND ')}`
}

/** Rows as columns. */
export function transpose<T>(rows: readonly (readonly T[])[], width: number): readonly (readonly T[])[] {
  return Array.from({ length: width }, (_, at) => rows.map((row) => row[at]!))
}

const arrayTypes: Readonly<Record<ColumnType, string>> = { integer: 'bigint[]', blob: 'bytea[]', text: 'text[]' }

function given(columns: Insert['columns']): string {
  const arrays = Object.values(columns).map((type, at) => `$${at + 1}::${arrayTypes[type]}`)
  return `unnest(${arrays.join(', ')}) AS given (${namesOf(columns)})`
}

function namesOf(columns: Insert['columns']): string {
  return Object.keys(columns).join(', ')
}

/** What is said of each column, for whoever looks at the database without the source. */
function commentsOf(sql: string): readonly string[] {
  const comments: string[] = []
  let table: string | undefined
  let column: string | undefined
  for (const line of sql.split('\n')) {
    const [code, comment] = splitComment(line)
    const made = /^\s*CREATE TABLE (?:IF NOT EXISTS )?(\w+) \(/.exec(code)?.[1]
    const [, altered, added] = /^\s*ALTER TABLE (\w+) ADD COLUMN (\w+)/.exec(code) ?? []
    const named = /^\s*(\w+)\s+(?:INTEGER|BLOB|TEXT)\b/.exec(code)?.[1]
    if (made !== undefined) [table, column] = [made, undefined]
    else if (altered !== undefined) [table, column] = [altered, added]
    else if (named !== undefined) column = named
    else if (/^\s*\)/.test(code)) column = undefined
    if (table === undefined || column === undefined || comment === undefined) continue
    comments.push(`COMMENT ON COLUMN ${table}.${column} IS '${comment.replaceAll("'", "''")}';`)
    column = undefined
  }
  return comments
}

function splitComment(line: string): readonly [string, string | undefined] {
  const at = line.indexOf('--')
  return at < 0 ? [line, undefined] : [line.slice(0, at), line.slice(at + 2).trim()]
}
