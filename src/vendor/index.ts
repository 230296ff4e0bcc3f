/** A vendor as a service: a paywall for HTTP, paid streams, closing and collecting, its state in SQLite. */

export { managementPaths } from '../http/management.ts'
export { ListenError } from '../net/listen.ts'
export type { Handler } from './answering.ts'
export { archive } from './archive.ts'
export { claimAtBank } from './claimAtBank.ts'
export { createCloseJob } from './closeJob.ts'
export { type ClosingOptions, claim, close, release, settled } from './closing.ts'
export { type Collected, type CollectOptions, collect } from './collect.ts'
export { CollectError, EvictedError, StoreUnavailableError } from './errors.ts'
export { proveWrongLock } from './evidence.ts'
export { hearBanks } from './hearBanks.ts'
export type { Held } from './held.ts'
export { vendorIdentity } from './identity.ts'
export { HeldElsewhereError, type LeaseOptions } from './leases.ts'
export { management } from './management.ts'
export { openVendorDatabase } from './openStore.ts'
export type { OriginOptions } from './origin.ts'
export { type PaidRoutesOptions, paidRoutes } from './paidRoutes.ts'
export * from './paywall/index.ts'
export { answerSizeMax } from './purchase.ts'
export { problemResponse } from './responses.ts'
export type { PaidContext, PaidRoute, StreamContext, StreamRoute } from './routes.ts'
export { type RunningServer, type ServeOptions, serve } from './server.ts'
export { backupVendor, restoreVendor } from './store/backup.ts'
export type {
  Answer,
  Batch,
  Committed,
  PaymentStatus,
  StoredChannel,
  StoredPayment,
  StoredReceipt,
  VendorArchive,
  VendorDatabase,
  VendorLeases,
  VendorStore,
} from './store/contract.ts'
export { postgresVendorStore } from './store/postgres.ts'
export { openVendorStore, sqliteVendorStore } from './store/sqlite.ts'
export { StreamSession } from './stream.ts'
export { tidy } from './tidy.ts'
export { type Admission, type Repeated, Till, type TillOptions, type Turned } from './till.ts'
