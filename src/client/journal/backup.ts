import { copyStore } from '../../sql/copy.ts'
import { sqliteSource, sqliteTarget, tablesOf } from '../../sqlite/copy.ts'
import { schema } from './schema.ts'

/**
 * Copies a journal, as of one moment, into a file that is not there yet. Its wallet must not run: it has the journal to
 * itself. Channel keys and coin seeds stay behind, so that no copy can sign a second transaction for an index.
 */
export async function backupJournal(from: string, to: string): Promise<void> {
  await copyWithoutSecrets(from, to)
}

/**
 * Makes a journal of a copy, where there is none yet. Its channels sign nothing: they wait for Close or Expire. It has the
 * receipts, and pays through channels that are opened anew.
 */
export async function restoreJournal(from: string, to: string): Promise<void> {
  await copyWithoutSecrets(from, to)
}

async function copyWithoutSecrets(from: string, to: string): Promise<void> {
  const source = () => sqliteSource(from, schema)
  await copyStore({ source, target: () => sqliteTarget(to, schema) }, tablesOf(schema), { leaveOut: ['secrets'] })
}
