/** The bank as a service: its books in a database, its commands over HTTP, its records on a chain. */

export { ListenError } from '../net/listen.ts'
export { type JobName, type JobsOptions, runJobs } from './jobs.ts'
export type { RecordedLeaf } from './records.ts'
export { type BankServer, type ServeOptions, serveBank } from './server.ts'
export {
  type Bank,
  type BankDeps,
  createBank,
  type ListedStatus,
  type Log,
  type Score,
  type Sender,
} from './service.ts'
export { backupBank, restoreBank } from './store/backup.ts'
export type { Account, BankStore, Withdrawal } from './store/contract.ts'
export { postgresBankStore } from './store/postgres.ts'
export { openBankStore, sqliteBankStore } from './store/sqlite.ts'
