import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import type { Insert, Program, Row, Runner, Step, Task, Tasks, Update, Value } from '../sql/program.ts'
import type { Schema } from '../sql/schema.ts'
import { StoreError } from '../sql/storeError.ts'
import { explained } from './explained.ts'
import { type OpenOptions, openDatabase } from './open.ts'

/**
 * Runs a role's tasks in this thread: when `run` returns its promise, the task is done. The loop stands still meanwhile, for
 * a sync to disk too: servers use `worker.ts`.
 */
export function runInThread(path: string, schema: Schema, tasks: Tasks, options?: OpenOptions): Runner {
  const store = new SqliteRunner(path, schema, options)
  return {
    // The promise is rejected, never the call.
    run: async (name, args) => store.run(tasks[name]!, args),
    close: async () => store.close(),
  }
}

/** What a task gave, or why it did not happen. */
export type Outcome = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: unknown }

export class SqliteRunner {
  readonly #path: string
  readonly #schema: Schema
  readonly #options: OpenOptions | undefined
  #connection: Connection | undefined
  #isClosed = false

  constructor(path: string, schema: Schema, options?: OpenOptions) {
    this.#path = path
    this.#schema = schema
    this.#options = options
    this.#connection = this.#open()
  }

  run({ mode, steps }: Task, args: readonly unknown[]): unknown {
    try {
      const connection = this.#connect()
      const program = steps(...(args as never[]))
      return mode === 'read' ? connection.perform(program) : connection.transact(program, mode)
    } catch (error) {
      throw this.#known(error)
    }
  }

  /**
   * Runs tasks that write in one transaction, and so with one sync, in the order given. One that throws has not happened, and
   * the others have. Where the transaction fails, none has.
   */
  runTogether(calls: readonly { readonly task: Task; readonly args: readonly unknown[] }[]): readonly Outcome[] {
    try {
      const programs = calls.map(
        ({ task, args }) =>
          () =>
            task.steps(...(args as never[])),
      )
      const outcomes = this.#connect().transactTogether(programs)
      return outcomes.map((outcome) => (outcome.ok ? outcome : { ok: false, error: this.#known(outcome.error) }))
    } catch (error) {
      const known = this.#known(error)
      return calls.map(() => ({ ok: false, error: known }))
    }
  }

  close(): void {
    this.#isClosed = true
    this.#connection?.close()
    this.#connection = undefined
  }

  #connect(): Connection {
    if (this.#isClosed) throw new StoreError(`${this.#path} was closed`, { fault: 'closed' })
    this.#connection ??= this.#open()
    return this.#connection
  }

  #known(error: unknown): unknown {
    const known = explained(error, this.#path)
    if (known instanceof StoreError) this.#reconsider(known)
    return known
  }

  #open(): Connection {
    const { role, migrations } = this.#schema
    return new Connection(openDatabase(this.#path, role, migrations, this.#options))
  }

  /** What a file may be used for is fixed when it is opened: after the cause is gone, opening it again shows that. */
  #reconsider({ fault }: StoreError): void {
    if (this.#path === ':memory:' || !['readOnly', 'disk', 'unreachable'].includes(fault)) return
    this.#connection?.close()
    this.#connection = undefined
  }
}

class Connection {
  readonly #db: DatabaseSync
  readonly #statements: Map<string, StatementSync> = new Map()
  readonly #forRows: Map<Insert | Update, StatementSync> = new Map()
  /** How a program takes back what it wrote. */
  #undo = 'ROLLBACK'

  constructor(db: DatabaseSync) {
    this.#db = db
  }

  transact(program: Program<unknown>, mode: Task['mode']): unknown {
    this.#prepare(mode === 'snapshot' ? 'BEGIN' : 'BEGIN IMMEDIATE').run()
    try {
      const result = this.perform(program)
      if (this.#db.isTransaction) this.#prepare('COMMIT').run()
      return result
    } catch (error) {
      if (this.#db.isTransaction) this.#prepare('ROLLBACK').run()
      throw error
    }
  }

  transactTogether(programs: readonly (() => Program<unknown>)[]): readonly Outcome[] {
    this.#prepare('BEGIN IMMEDIATE').run()
    this.#undo = 'ROLLBACK TO one'
    try {
      const outcomes = programs.map((program) => this.#apart(program))
      this.#prepare('COMMIT').run()
      return outcomes
    } catch (error) {
      if (this.#db.isTransaction) this.#prepare('ROLLBACK').run()
      throw error
    } finally {
      this.#undo = 'ROLLBACK'
    }
  }

  perform(program: Program<unknown>): unknown {
    let next = program.next()
    while (next.done !== true) {
      let result: unknown
      try {
        result = this.#step(next.value)
      } catch (error) {
        next = program.throw(error)
        continue
      }
      next = program.next(result)
    }
    return next.value
  }

  close(): void {
    this.#statements.clear()
    this.#forRows.clear()
    this.#db.close()
  }

  #step(step: Step): unknown {
    switch (step.kind) {
      case 'read':
        return this.#prepare(step.sql).all(step.values as Record<string, SQLInputValue>) as Row[]
      case 'change':
        return Number(this.#prepare(step.sql).run(step.values as Record<string, SQLInputValue>).changes)
      case 'insert':
        return step.rows.length - this.#unchanged(this.#forEach(step.insert, insertSql), step.rows).length
      case 'insertEach':
        return this.#unchanged(this.#forEach(step.insert, insertSql), step.rows)
      case 'update':
        return step.rows.length - this.#unchanged(this.#forEach(step.update, updateSql), step.rows).length
      case 'undo':
        return this.#prepare(this.#undo).run()
    }
  }

  #apart(program: () => Program<unknown>): Outcome {
    this.#prepare('SAVEPOINT one').run()
    try {
      const value = this.perform(program())
      this.#prepare('RELEASE one').run()
      return { ok: true, value }
    } catch (error) {
      // What ended the transaction concerns everybody in it.
      if (!this.#db.isTransaction) throw error
      this.#prepare('ROLLBACK TO one').run()
      this.#prepare('RELEASE one').run()
      return { ok: false, error }
    }
  }

  /** Runs the statement for each row; gives the places of those that changed nothing. */
  #unchanged(statement: StatementSync, rows: readonly (readonly Value[])[]): readonly number[] {
    const places: number[] = []
    for (const [place, row] of rows.entries()) {
      const { changes } = statement.run(...(row as SQLInputValue[]))
      if (Number(changes) === 0) places.push(place)
    }
    return places
  }

  #forEach<Rows extends Insert | Update>(rows: Rows, sql: (rows: Rows) => string): StatementSync {
    const known = this.#forRows.get(rows)
    if (known !== undefined) return known
    const statement = this.#prepare(sql(rows))
    this.#forRows.set(rows, statement)
    return statement
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql)
    if (known !== undefined) return known
    const statement = this.#db.prepare(sql)
    // An amount is a bigint from here on.
    statement.setReadBigInts(true)
    this.#statements.set(sql, statement)
    return statement
  }
}

function insertSql({ table, columns, guard, onConflict }: Insert): string {
  const names = Object.keys(columns)
  const rows =
    guard === undefined
      ? `VALUES (${names.map(() => '?').join(', ')})`
      : `SELECT * FROM (SELECT ${names.map((name) => `? AS ${name}`).join(', ')}) AS given WHERE ${guard}`
  return `INSERT INTO ${table} (${names.join(', ')}) ${rows} ${onConflict}`
}

/** Numbered parameters take a row's values as they come, whatever their place in the statement. */
function updateSql({ table, columns, key, set, guard }: Update): string {
  const equals = Object.keys(columns).map((name, place) => ({ name, sql: `${name} = ?${place + 1}` }))
  const others = equals.filter(({ name }) => !key.includes(name)).map(({ sql }) => sql)
  const where = equals.filter(({ name }) => key.includes(name)).map(({ sql }) => sql)
  return `UPDATE ${table} SET ${set ?? others.join(', ')} WHERE ${[...where, guard].join(' AND ')}`
}
