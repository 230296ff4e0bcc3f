import type { ColumnType, Value } from './program.ts'

/** A table as a copy sees it. */
export interface Table {
  readonly name: string
  readonly columns: Readonly<Record<string, ColumnType>>
  /** A store that was just made has rows in it already. */
  readonly isFilled: boolean
}

/** A store that is read, all of it as of one moment. */
export interface Source {
  /** The rows of a table, in parts, each with the table's columns in order. */
  rows(table: Table): AsyncIterable<readonly (readonly Value[])[]>
  close(): Promise<void>
}

/** A fresh store that is written as a whole. */
export interface Target {
  /** Empties a table that was filled when it was made. */
  empty(table: Table): Promise<void>
  insert(table: Table, rows: readonly (readonly Value[])[]): Promise<void>
  /** Makes all of it durable. */
  finish(): Promise<void>
  /** Leaves nothing behind. */
  discard(): Promise<void>
}

export interface CopyOptions {
  /** Tables that stay behind. */
  readonly leaveOut?: readonly string[]
  /** Rows that are added in the same transaction, by table. */
  readonly add?: Readonly<Record<string, readonly (readonly Value[])[]>>
}

/** Copies a store, or leaves nothing behind. What is opened for it is closed. */
export async function copyStore(
  open: { readonly source: () => Source | Promise<Source>; readonly target: () => Target | Promise<Target> },
  tables: readonly Table[],
  { leaveOut = [], add = {} }: CopyOptions = {},
): Promise<void> {
  const source = await open.source()
  try {
    const target = await open.target()
    try {
      for (const table of tables) {
        if (table.isFilled) await target.empty(table)
        if (leaveOut.includes(table.name)) continue
        for await (const rows of source.rows(table)) await target.insert(table, rows)
        const added = add[table.name]
        if (added !== undefined) await target.insert(table, added)
      }
      await target.finish()
    } catch (error) {
      await target.discard()
      throw error
    }
  } finally {
    await source.close()
  }
}
