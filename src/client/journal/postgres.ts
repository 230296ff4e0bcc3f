import { type PostgresOptions, runOnPostgres } from '../../postgres/index.ts'
import type { OpenedJournal } from './contract.ts'
import { markFile } from './markFile.ts'
import { startGeneration } from './open.ts'
import { schema, tasks } from './tasks.ts'

export interface PostgresJournalOptions extends PostgresOptions {
  /** The file that carries the generation, on the machine of the wallet. */
  readonly generationPath: string
}

/**
 * Opens the journal of a wallet on a PostgreSQL server. There is no lock: whoever opens it begins a generation, and whoever
 * had it open before writes nothing more.
 */
export function openPostgresJournal(options: PostgresJournalOptions): Promise<OpenedJournal> {
  return startGeneration(runOnPostgres(options, schema, tasks), markFile(options.generationPath))
}
