export type { ChannelState, Journal, ProposedChannel, StoredChannel, StoredPayment } from './contract.ts'
export { sqliteJournal } from './sqlite.ts'
