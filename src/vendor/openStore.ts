import type { VendorDatabase } from './store/contract.ts'
import { openVendorStore } from './store/sqlite.ts'

/** A store by its name: an address `postgres://…`, or the path of an SQLite file. SQLite waits in a thread of its own. */
export async function openVendorDatabase(store: string): Promise<VendorDatabase> {
  if (!/^postgres(?:ql)?:/.test(store)) return openVendorStore(store)
  const { postgresVendorStore } = await import('./store/postgres.ts')
  return postgresVendorStore({ url: store })
}
