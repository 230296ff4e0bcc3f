import type { Program, Row, Step, Task } from '../sql/program.ts'
import { insertSql, type Numbered, numberParameters, transpose, updateSql } from './dialect.ts'
import type { Connection } from './driver.ts'
import { isBroken } from './explained.ts'

/** The commit was sent, and the connection broke before it was answered. */
export class CommitLost extends Error {
  override readonly name: string = 'CommitLost'
  /** Number of the transaction, by which the server knows that it was aborted, or is still under way. */
  readonly transaction: string

  constructor(transaction: string, cause: unknown) {
    super(`the outcome of transaction ${transaction} is unknown`, { cause })
    this.transaction = transaction
  }
}

const begin: Readonly<Record<Exclude<Task['mode'], 'read'>, string>> = {
  snapshot: 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY',
  write: 'BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_current_xact_id()::text AS transaction',
  serializable: 'BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT pg_current_xact_id()::text AS transaction',
}

/**
 * Runs a program on a connection, in a transaction unless it only reads once. Throws {@link CommitLost} where nobody knows
 * whether it was committed; after any other error it was not.
 */
export async function runOn(connection: Connection, program: Program<unknown>, mode: Task['mode']): Promise<unknown> {
  if (mode === 'read') return (await perform(connection, program)).result
  const transaction = numberOf(await connection.query(begin[mode]))
  const { result, isUndone } = await performOrRollBack(connection, program)
  if (isUndone) return result
  try {
    await connection.query('COMMIT')
    return result
  } catch (error) {
    if (transaction !== undefined && isBroken(error)) throw new CommitLost(transaction, error)
    throw error
  }
}

interface Performed {
  readonly result: unknown
  readonly isUndone: boolean
}

async function performOrRollBack(connection: Connection, program: Program<unknown>): Promise<Performed> {
  try {
    return await perform(connection, program)
  } catch (error) {
    if (!isBroken(error)) await connection.query('ROLLBACK')
    throw error
  }
}

async function perform(connection: Connection, program: Program<unknown>): Promise<Performed> {
  let isUndone = false
  let next = program.next()
  while (next.done !== true) {
    if (next.value.kind === 'undo') isUndone = true
    next = program.next(await answer(connection, next.value))
  }
  return { result: next.value, isUndone }
}

async function answer(connection: Connection, step: Step): Promise<unknown> {
  switch (step.kind) {
    case 'read':
    case 'change': {
      const { name, text, names } = prepared(step.sql, () => numberParameters(step.sql))
      const values = names.map((one) => step.values[one])
      const { rows, rowCount } = await connection.query<Row>({ name, text, values })
      return step.kind === 'read' ? rows : rowCount
    }
    case 'insert': {
      const { insert, rows } = step
      return (await forAll(connection, insertSql(insert, false), insert.columns, rows)).rowCount
    }
    case 'insertEach': {
      const { insert, rows } = step
      const written = await forAll(connection, insertSql(insert, true), insert.columns, rows)
      if (written.rowCount === rows.length) return []
      const columns = Object.keys(insert.columns)
      const keys = new Set(written.rows.map((row) => nameOf(insert.key.map((column) => row[column]))))
      const keyOf = (row: readonly unknown[]): string =>
        nameOf(insert.key.map((column) => row[columns.indexOf(column)]))
      return [...rows.keys()].filter((place) => !keys.has(keyOf(rows[place]!)))
    }
    case 'update': {
      const { update, rows } = step
      return (await forAll(connection, updateSql(update), update.columns, rows)).rowCount
    }
    case 'undo':
      return await connection.query('ROLLBACK')
  }
}

async function forAll(
  connection: Connection,
  sql: string,
  columns: Readonly<Record<string, unknown>>,
  rows: readonly (readonly unknown[])[],
): Promise<{ readonly rows: readonly Row[]; readonly rowCount: number }> {
  const { name, text } = prepared(sql, () => ({ text: sql, names: [] }))
  const values = transpose(rows, Object.keys(columns).length)
  const { rows: returned, rowCount } = await connection.query<Row>({ name, text, values: [...values] })
  return { rows: returned, rowCount: rowCount ?? 0 }
}

/** Statements keep their names on every connection, so that each is parsed once. */
const statements = new Map<string, Numbered & { readonly name: string }>()

function prepared(sql: string, number: () => Numbered): Numbered & { readonly name: string } {
  const known = statements.get(sql)
  if (known !== undefined) return known
  const statement = { ...number(), name: `lockstep_${statements.size}` }
  statements.set(sql, statement)
  return statement
}

/** A key as the server gives it back and as it was given. */
function nameOf(key: readonly unknown[]): string {
  return key
    .map((value) => (value instanceof Uint8Array ? Buffer.from(value).toString('hex') : String(value)))
    .join(':')
}

/** Of several statements sent as one, the driver gives a list of results. */
function numberOf(result: unknown): string | undefined {
  if (!Array.isArray(result)) return undefined
  const { rows } = result[1] as { readonly rows: readonly { readonly transaction: string }[] }
  return rows[0]?.transaction
}
