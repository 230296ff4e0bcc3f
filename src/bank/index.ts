/** The bank as a service: its books in SQLite, its commands over HTTP, its records on a chain. */

export type { RecordedLeaf } from './records.ts'
export { type BankServer, ListenError, type ServeOptions, serveBank } from './server.ts'
export { type Bank, type BankDeps, createBank, type Log } from './service.ts'
export type { Account, BankStore } from './store/contract.ts'
export { sqliteBankStore } from './store/sqlite.ts'
