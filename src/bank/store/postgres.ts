import { type PostgresOptions, runOnPostgres } from '../../postgres/index.ts'
import type { BankStore } from './contract.ts'
import { bankStore, schema, tasks } from './tasks.ts'

/**
 * The bank's store on a PostgreSQL server. It connects, and migrates, when it is first used. While the server is away,
 * everything is refused with its reason; once it is back, everything goes on.
 */
export function postgresBankStore(options: PostgresOptions): BankStore {
  return bankStore(runOnPostgres(options, schema, tasks))
}
