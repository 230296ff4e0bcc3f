/**
 * What a store does, written once for every database: a program yields its statements and is given their results. Whoever
 * runs it decides when: SQLite at once, PostgreSQL over a socket. It depends on its arguments and on what it reads alone,
 * so that it can run again where the database asks for that.
 */
export type Program<T> = Generator<Step, T, unknown>

export type Value = bigint | number | string | Uint8Array | null

/** Named as in the statement, without the colon. */
export type Values = Readonly<Record<string, Value>>

/** Every integer is a bigint: an amount never passes through a float. */
export type Row = Readonly<Record<string, bigint | string | Uint8Array | null>>

export type Step =
  | { readonly kind: 'read' | 'change'; readonly sql: string; readonly values: Values }
  | { readonly kind: 'insert' | 'insertEach'; readonly insert: Insert; readonly rows: readonly (readonly Value[])[] }
  | { readonly kind: 'update'; readonly update: Update; readonly rows: readonly (readonly Value[])[] }
  | { readonly kind: 'undo' }

/** Many rows of a table, in the order in which each row gives its values. No two rows have one key. */
interface Rows {
  readonly table: string
  readonly columns: Readonly<Record<string, ColumnType>>
  /** Columns that identify a row. */
  readonly key: readonly string[]
}

export type ColumnType = 'integer' | 'blob' | 'text'

export interface Insert extends Rows {
  /** What has to hold of a row before it is inserted: its columns are `given.shard` and so on. */
  readonly guard?: string
  /** As in `ON CONFLICT (…) DO UPDATE …`. */
  readonly onConflict: string
}

/** Changes the rows with these keys. */
export interface Update extends Rows {
  /** What to; by default the other columns, to the values given. */
  readonly set?: string
  /** What has to hold of a row. */
  readonly guard: string
}

/**
 * `read`: one statement. `snapshot`: several, which see one state. `write`: one transaction, durable when it is done.
 * `serializable`: one transaction that behaves as if it ran alone, where its guards span several rows.
 */
export type Mode = 'read' | 'snapshot' | 'write' | 'serializable'

export interface Task<Args extends readonly never[] = never[], T = unknown> {
  readonly mode: Mode
  readonly steps: (...args: Args) => Program<T>
}

export type Tasks = Readonly<Record<string, Task>>

/** A task for each asynchronous method of a contract. */
export type TasksOf<Contract> = {
  readonly [Name in keyof Contract]: Contract[Name] extends (...args: infer Args) => Promise<infer T>
    ? { readonly mode: Mode; readonly steps: (...args: Args) => Program<T> }
    : never
}

/** Runs the tasks of a role against one database. */
export interface Runner {
  /** Throws a `StoreError` where the environment fails. */
  run(name: string, args: readonly unknown[]): Promise<unknown>
  /** Lets what was started end first. */
  close(): Promise<void>
}

/** The methods of a contract, each of which runs the task of its name. */
export function methodsOf<Contract>(runner: Runner, tasks: TasksOf<Contract>): Contract {
  const names = Object.keys(tasks)
  return Object.fromEntries(
    names.map((name) => [name, (...args: readonly unknown[]) => runner.run(name, args)]),
  ) as Contract
}

/** Rows in the statement's order. */
export function* all(sql: string, values: Values = {}): Program<readonly Row[]> {
  return (yield { kind: 'read', sql, values }) as readonly Row[]
}

export function* get(sql: string, values: Values = {}): Program<Row | undefined> {
  return (yield* all(sql, values))[0]
}

/** How many rows the statement changed. */
export function* change(sql: string, values: Values = {}): Program<number> {
  return (yield { kind: 'change', sql, values }) as number
}

/** How many of the rows were written: those that met the conflict may not be. */
export function* insertAll(insert: Insert, rows: readonly (readonly Value[])[]): Program<number> {
  return rows.length === 0 ? 0 : ((yield { kind: 'insert', insert, rows }) as number)
}

/** The same; gives the places of the rows that were not written. */
export function* insertEach(insert: Insert, rows: readonly (readonly Value[])[]): Program<readonly number[]> {
  return rows.length === 0 ? [] : ((yield { kind: 'insertEach', insert, rows }) as readonly number[])
}

/** How many rows the update found and changed. */
export function* updateAll(update: Update, rows: readonly (readonly Value[])[]): Program<number> {
  return rows.length === 0 ? 0 : ((yield { kind: 'update', update, rows }) as number)
}

/** Takes back everything that this transaction wrote. Nothing may follow but the result. */
export function* undo(): Program<void> {
  yield { kind: 'undo' }
}
