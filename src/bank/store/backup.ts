import { type PostgresOptions, postgresSource, postgresTarget } from '../../postgres/index.ts'
import { copyStore } from '../../sql/copy.ts'
import { sqliteSource, sqliteTarget, tablesOf } from '../../sqlite/copy.ts'
import { schema } from './schema.ts'

/**
 * Copies a bank's store, as of one moment, into a file that is not there yet. The bank may run meanwhile. The bank's key is
 * not in its store, and so not in the copy; receipts of open channels are: keep it as secret as the store.
 */
export async function backupBank(from: string | PostgresOptions, to: string): Promise<void> {
  const source = () => (typeof from === 'string' ? sqliteSource(from, schema) : postgresSource(from, schema))
  await copyStore({ source, target: () => sqliteTarget(to, schema) }, tablesOf(schema))
}

/**
 * Makes a store of a copy, where there is none yet. What the bank acknowledged since the copy was made is not in it: see
 * docs/operations.md.
 */
export async function restoreBank(from: string, to: string | PostgresOptions): Promise<void> {
  const tables = tablesOf(schema)
  const target = () => (typeof to === 'string' ? sqliteTarget(to, schema) : postgresTarget(to, schema, tables))
  await copyStore({ source: () => sqliteSource(from, schema), target }, tables)
}
