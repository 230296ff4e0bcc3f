import { runInThread } from '../../sqlite/run.ts'
import { runInWorker } from '../../sqlite/worker.ts'
import type { VendorDatabase } from './contract.ts'
import { schema, tasks, vendorStore } from './tasks.ts'

/**
 * A vendor's store in one SQLite file (`:memory:` for a vendor that may forget). The loop stands still while it waits for
 * the disk: a server uses {@link openVendorStore}.
 */
export function sqliteVendorStore(path: string): VendorDatabase {
  return vendorStore(runInThread(path, schema, tasks))
}

/** The same in a thread of its own. */
export async function openVendorStore(path: string): Promise<VendorDatabase> {
  return vendorStore(await runInWorker({ path, tasks: new URL('./tasks.ts', import.meta.url) }))
}
