import { schema as bankSchema } from '../../bank/store/tasks.ts'
import { schema as journalSchema } from '../../client/journal/schema.ts'
import type { Schema } from '../../sql/schema.ts'
import { schema as vendorSchema } from '../../vendor/store/tasks.ts'
import { isPostgres } from '../config/index.ts'
import type { Reader } from './reader.ts'
import { openSqliteReader } from './sqliteReader.ts'

/** Reads a bank's books, beside the bank that writes them. */
export function openBankReader(store: string): Promise<Reader> {
  return openReader(store, bankSchema)
}

/** Reads a vendor's store, beside the vendor that writes it. */
export function openVendorReader(store: string): Promise<Reader> {
  return openReader(store, vendorSchema)
}

/** Reads a client's journal while no wallet has it open: it is one process's alone. */
export function openJournalReader(path: string): Promise<Reader> {
  return openReader(path, journalSchema)
}

async function openReader(store: string, schema: Schema): Promise<Reader> {
  if (!isPostgres(store)) return openSqliteReader(store, schema)
  const { openPostgresReader } = await import('./postgresReader.ts')
  return openPostgresReader(store, schema)
}
