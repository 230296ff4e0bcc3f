/** The bank as a service: its books in a database, its commands over HTTP, its records on a chain. */

export { type JobName, type JobsOptions, runJobs } from './jobs.ts'
export type { RecordedLeaf } from './records.ts'
export { type BankServer, ListenError, type ServeOptions, serveBank } from './server.ts'
export {
  type Bank,
  type BankDeps,
  createBank,
  type ListedStatus,
  type Log,
  type Score,
  type Sender,
} from './service.ts'
export type { Account, BankStore, Withdrawal } from './store/contract.ts'
export { sqliteBankStore } from './store/sqlite.ts'
