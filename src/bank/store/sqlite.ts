import { runInThread } from '../../sqlite/run.ts'
import type { BankStore } from './contract.ts'
import { schema } from './schema.ts'
import { bankStore, tasks } from './tasks.ts'

/** Opens the bank's store in a file, which is made where there is none, and brings it to the schema of this program. */
export function sqliteBankStore(path: string): BankStore {
  return bankStore(runInThread(path, schema, tasks))
}
