/** Reads a store and writes to it, as a user who may or may not; says how each went. */

import { StoreError } from '../../src/sql/storeError.ts'
import { sqliteVendorStore } from '../../src/vendor/store/sqlite.ts'
import { unixSeconds } from '../../src/wire/amount.ts'

const store = sqliteVendorStore(process.argv[2]!)
const found = await store.channel(new Uint8Array(16))
const read = found === undefined ? 'nothing' : 'something'
const write = await store.bury(new Uint8Array(32), unixSeconds(1n)).then(
  () => 'done',
  (error: unknown) => (error instanceof StoreError ? error.fault : String(error)),
)
process.stdout.write(JSON.stringify({ read, write }))
