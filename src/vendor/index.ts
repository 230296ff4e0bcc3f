export {
  type ClosingOptions,
  claim,
  close,
  management,
  managementPaths,
  type Released,
  release,
  settled,
} from './closing.ts'
export { CollectError, collect } from './collect.ts'
export type { Held } from './held.ts'
export {
  answerSizeMax,
  type PaidContext,
  type PaidRoute,
  type PaywallOptions,
  paywall,
  problemResponse,
} from './paywall.ts'
export { listen, PortBusyError, type RunningServer, type ServeOptions, serve } from './server.ts'
export type { Answer, Batch, PaymentStatus, StoredChannel, StoredPayment, VendorStore } from './store/contract.ts'
export { sqliteVendorStore } from './store/sqlite.ts'
export { type StreamRoute, StreamSession } from './stream.ts'
export { EvictedError, Till, type TillOptions } from './till.ts'
