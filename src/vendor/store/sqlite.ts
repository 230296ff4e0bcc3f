import { runInThread } from '../../sqlite/run.ts'
import type { VendorDatabase } from './contract.ts'
import { schema } from './schema.ts'
import { tasks, vendorStore } from './tasks.ts'

/** A vendor's store in one SQLite file (`:memory:` for a vendor that may forget). */
export function sqliteVendorStore(path: string): VendorDatabase {
  return vendorStore(runInThread(path, schema, tasks))
}
