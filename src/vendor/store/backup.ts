import { type PostgresOptions, postgresSource, postgresTarget } from '../../postgres/index.ts'
import { copyStore } from '../../sql/copy.ts'
import { sqliteSource, sqliteTarget, tablesOf } from '../../sqlite/copy.ts'
import type { UnixSeconds } from '../../wire/amount.ts'
import { schema } from './schema.ts'

/** Copies a vendor's store, as of one moment, into a file that is not there yet. The vendor may run meanwhile. */
export async function backupVendor(from: string | PostgresOptions, to: string): Promise<void> {
  const source = () => (typeof from === 'string' ? sqliteSource(from, schema) : postgresSource(from, schema))
  await copyStore({ source, target: () => sqliteTarget(to, schema) }, tablesOf(schema))
}

/**
 * Makes a store of a copy, where there is none yet. It remembers when: of channels opened before, it may know less than
 * happened, and the bank is asked before one of them is accepted.
 */
export async function restoreVendor(from: string, to: string | PostgresOptions, now: UnixSeconds): Promise<void> {
  const tables = tablesOf(schema)
  const target = () => (typeof to === 'string' ? sqliteTarget(to, schema) : postgresTarget(to, schema, tables))
  await copyStore({ source: () => sqliteSource(from, schema), target }, tables, { add: { restorations: [[0n, now]] } })
}
