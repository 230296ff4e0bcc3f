import type { BankStore } from '../../bank/index.ts'
import { openBankStore } from '../../bank/store/sqlite.ts'
import type { VendorDatabase } from '../../vendor/store/contract.ts'
import { openVendorStore } from '../../vendor/store/sqlite.ts'
import { isPostgres } from '../config/index.ts'

/** The store that a config names, in a thread of its own: a server does not stand still while a disk does. */
export async function openBankDatabase(store: string): Promise<BankStore> {
  if (isPostgres(store)) throw new RangeError('PostgreSQL is not supported yet')
  return openBankStore(store)
}

export async function openVendorDatabase(store: string): Promise<VendorDatabase> {
  if (isPostgres(store)) throw new RangeError('PostgreSQL is not supported yet')
  return openVendorStore(store)
}
