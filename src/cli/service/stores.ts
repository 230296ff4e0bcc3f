import { schema as bankSchema } from '../../bank/store/tasks.ts'
import { schema as journalSchema } from '../../client/journal/schema.ts'
import { isPostgres, type LoadedConfig } from '../../ops/config/index.ts'
import { openBankDatabase, openVendorDatabase } from '../../ops/service/stores.ts'
import type { MigrationPlan, Schema } from '../../sql/schema.ts'
import { openDatabase, planMigrations } from '../../sqlite/open.ts'
import { schema as vendorSchema } from '../../vendor/store/tasks.ts'
import { unixSeconds } from '../../wire/amount.ts'
import { UsageError } from '../command.ts'

/** A store that a config names. */
export interface ConfiguredStore {
  readonly role: 'bank' | 'vendor' | 'client'
  /** A path, or a PostgreSQL address. */
  readonly store: string
  readonly schema: Schema
  plan(): Promise<MigrationPlan>
  /** Opens it, which brings it to the newest version. */
  migrate(): Promise<void>
}

/** Every store of a config, the bank's first. */
export function configuredStores({ path, bank, vendor, client }: LoadedConfig): readonly ConfiguredStore[] {
  const found: ConfiguredStore[] = []
  if (bank !== undefined) {
    const { store } = bank
    const migrate = async (): Promise<void> => {
      const opened = await openBankDatabase(store)
      // PostgreSQL is opened by what is asked of it first.
      await opened.pendingBatch()
      await opened.close()
    }
    found.push({ role: 'bank', store, schema: bankSchema, plan: () => planOf(store, bankSchema), migrate })
  }
  if (vendor !== undefined) {
    const { store } = vendor
    const migrate = async (): Promise<void> => {
      const opened = await openVendorDatabase(store)
      await opened.due(unixSeconds(0n), 1)
      await opened.close()
    }
    found.push({ role: 'vendor', store, schema: vendorSchema, plan: () => planOf(store, vendorSchema), migrate })
  }
  if (client !== undefined) {
    const { journal: store } = client
    const { role, migrations } = journalSchema
    const migrate = async (): Promise<void> => openDatabase(store, role, migrations, { exclusive: true }).close()
    found.push({ role: 'client', store, schema: journalSchema, plan: () => planOf(store, journalSchema), migrate })
  }
  if (found.length === 0) throw new UsageError(`${path} names no store`)
  return found
}

async function planOf(store: string, schema: Schema): Promise<MigrationPlan> {
  if (!isPostgres(store)) return planMigrations(store, schema.role, schema.migrations)
  const { planPostgresMigrations } = await import('../../postgres/index.ts')
  return planPostgresMigrations({ url: store }, schema)
}
