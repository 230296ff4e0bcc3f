/** What the client is everywhere: `index.ts` adds the wallet of Node.js, `browser.ts` is for pages. */

export { type ChannelOptions, type OnTraffic, type PaidResponse, type PayHooks, PayingChannel } from './channel.ts'
export type { Closed } from './ending.ts'
export { JournalError, RefusedError, UnansweredError } from './errors.ts'
export type {
  Answered,
  Bought,
  ChannelState,
  EndedChannel,
  Journal,
  Outcome,
  ProposedChannel,
  RetiredChannel,
  StoredChannel,
  StoredPayment,
  Today,
  WalletJournal,
} from './journal/contract.ts'
export { type Fetch, fetchOffer, post } from './remote.ts'
export type { StreamOptions } from './stream.ts'
export type { ChannelView } from './wallet/channelViews.ts'
export type { WalletEvent } from './wallet/events.ts'
export type { Home } from './wallet/home.ts'
export type { LedgerFilter, LedgerRow } from './wallet/ledger.ts'
export { toCsv, toNdjson, toTable } from './wallet/ledgerFormats.ts'
export type { Budget, PayingWalletOptions, Purchase } from './wallet/options.ts'
export { type Balance, openWallet, PayingWallet, type Platform } from './wallet/payingWallet.ts'
export type { EndedView, LostView, Recovered } from './wallet/recovery.ts'
export type { WalletStreamOptions } from './wallet/streaming.ts'
export { createWallet, type OpenOptions, type Synced, type Wallet, type WalletOptions } from './wallet.ts'
