import { type PostgresOptions, runOnPostgres } from '../../postgres/index.ts'
import type { VendorDatabase } from './contract.ts'
import { schema, tasks, vendorStore } from './tasks.ts'

/**
 * The vendor's store on a PostgreSQL server. It connects, and migrates, when it is first used. While the server is away,
 * everything is refused with its reason; once it is back, everything goes on.
 */
export function postgresVendorStore(options: PostgresOptions): VendorDatabase {
  return vendorStore(runOnPostgres(options, schema, tasks))
}
