import { runInThread } from '../../sqlite/run.ts'
import type { WalletJournal } from './contract.ts'
import { schema } from './schema.ts'
import { journalOf, tasks } from './tasks.ts'

/**
 * A client's journal in one SQLite file (`:memory:` for a client that may forget, and lose what it has not released). It
 * takes no lock and knows no generation: a wallet that has to survive backups uses `openJournal`.
 */
export function sqliteJournal(path: string): WalletJournal {
  return journalOf(runInThread(path, schema, tasks))
}
