import { backupBank, restoreBank } from '../../bank/store/backup.ts'
import { schema as bankSchema } from '../../bank/store/tasks.ts'
import { backupJournal, restoreJournal } from '../../client/journal/backup.ts'
import { schema as journalSchema } from '../../client/journal/schema.ts'
import { isPostgres, type LoadedConfig } from '../../ops/config/index.ts'
import { systemTime } from '../../ops/service/clock.ts'
import { openBankDatabase } from '../../ops/service/stores.ts'
import type { MigrationPlan, Schema } from '../../sql/schema.ts'
import { openDatabase, planMigrations } from '../../sqlite/open.ts'
import { openVendorDatabase } from '../../vendor/openStore.ts'
import { backupVendor, restoreVendor } from '../../vendor/store/backup.ts'
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
  /** Copies it into a file that is not there yet. */
  backup(to: string): Promise<void>
  /** Makes it, where there is none, of a copy. */
  restore(from: string): Promise<void>
}

/** Who has a store. */
export const rolesOf = ['bank', 'vendor', 'client'] as const

/** What its copy is called in a backup. */
export function copyName(role: ConfiguredStore['role']): string {
  return `${role}.db`
}

/** Every store of a config, the bank's first; or that of a role alone. */
export function configuredStores(config: LoadedConfig, role?: ConfiguredStore['role']): readonly ConfiguredStore[] {
  const found = storesOf(config).filter((store) => role === undefined || store.role === role)
  if (found.length === 0)
    throw new UsageError(`${config.path} names no store${role === undefined ? '' : ` of a ${role}`}`)
  return found
}

function storesOf({ bank, vendor, client }: LoadedConfig): readonly ConfiguredStore[] {
  const found: ConfiguredStore[] = []
  if (bank !== undefined) {
    const { store } = bank
    const migrate = async (): Promise<void> => {
      const opened = await openBankDatabase(store)
      // PostgreSQL is opened by what is asked of it first.
      await opened.pendingBatch()
      await opened.close()
    }
    const place = placeOf(store)
    found.push({
      role: 'bank',
      store,
      schema: bankSchema,
      plan: () => planOf(store, bankSchema),
      migrate,
      backup: (to) => backupBank(place, to),
      restore: (from) => restoreBank(from, place),
    })
  }
  if (vendor !== undefined) {
    const { store } = vendor
    const migrate = async (): Promise<void> => {
      const opened = await openVendorDatabase(store)
      await opened.due(unixSeconds(0n), 1)
      await opened.close()
    }
    const place = placeOf(store)
    found.push({
      role: 'vendor',
      store,
      schema: vendorSchema,
      plan: () => planOf(store, vendorSchema),
      migrate,
      backup: (to) => backupVendor(place, to),
      restore: (from) => restoreVendor(from, place, systemTime()),
    })
  }
  if (client !== undefined) {
    const { journal: store } = client
    const { role, migrations } = journalSchema
    const migrate = async (): Promise<void> => openDatabase(store, role, migrations, { exclusive: true }).close()
    found.push({
      role: 'client',
      store,
      schema: journalSchema,
      plan: () => planOf(store, journalSchema),
      migrate,
      backup: (to) => backupJournal(store, to),
      restore: (from) => restoreJournal(from, store),
    })
  }
  return found
}

function placeOf(store: string): string | { readonly url: string } {
  return isPostgres(store) ? { url: store } : store
}

async function planOf(store: string, schema: Schema): Promise<MigrationPlan> {
  if (!isPostgres(store)) return planMigrations(store, schema.role, schema.migrations)
  const { planPostgresMigrations } = await import('../../postgres/index.ts')
  return planPostgresMigrations({ url: store }, schema)
}
