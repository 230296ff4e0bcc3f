export type { BankOption } from './bank.ts'
export { PaywallError, PriceError } from './errors.ts'
export type { Meter, Pieces, StreamPrice } from './meter.ts'
export type { OpenapiDocument } from './openapi.ts'
export { type OpenSale, openSale } from './openSale.ts'
export { paywall } from './paywall.ts'
export type { Price, PriceOptions, PriceTag } from './prices.ts'
export { byLockstep, type SoldHandler, sideBySide, type Way } from './sideBySide.ts'
export type {
  ListenOptions,
  MeteredHandler,
  PaidHandler,
  PaidStream,
  Payment,
  Paywall,
  PaywallLogger,
  PaywallOptions,
  Place,
  Routes,
  StreamPayment,
  StreamSource,
} from './types.ts'
