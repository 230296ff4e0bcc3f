import { runInThread } from '../../sqlite/run.ts'
import { runInWorker } from '../../sqlite/worker.ts'
import type { BankStore } from './contract.ts'
import { bankStore, schema, tasks } from './tasks.ts'

/**
 * Opens the bank's store in a file, which is made where there is none, and brings it to the schema of this program. The loop
 * stands still while it waits for the disk: a server uses {@link openBankStore}.
 */
export function sqliteBankStore(path: string): BankStore {
  return bankStore(runInThread(path, schema, tasks))
}

/** The same in a thread of its own. */
export async function openBankStore(path: string): Promise<BankStore> {
  return bankStore(await runInWorker({ path, tasks: new URL('./tasks.ts', import.meta.url) }))
}
