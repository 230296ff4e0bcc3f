import type { BankStore } from '../../bank/index.ts'
import { postgresBankStore } from '../../bank/store/postgres.ts'
import { openBankStore } from '../../bank/store/sqlite.ts'
import { isPostgres } from '../config/index.ts'

/** The store that a config names. A server does not stand still while a disk does: SQLite waits in a thread of its own. */
export async function openBankDatabase(store: string): Promise<BankStore> {
  return isPostgres(store) ? postgresBankStore({ url: store }) : openBankStore(store)
}
