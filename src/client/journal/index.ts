export type {
  ChannelState,
  EndedChannel,
  Journal,
  Outcome,
  ProposedChannel,
  RetiredChannel,
  StoredChannel,
  StoredPayment,
} from './contract.ts'
export { sqliteJournal } from './sqlite.ts'
