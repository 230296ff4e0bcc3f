export { AssertionError, assert } from './assert.ts'
export * as Bank from './bank/index.ts'
export * as Client from './client/index.ts'
export {
  type Chain,
  committed,
  type Head,
  isReceipt,
  type Opened,
  openFromFirst,
  openFromLast,
  signed,
  unlock,
} from './receipts.ts'
export { type Reason, type Refusal, refuse } from './refusals.ts'
export * as Vendor from './vendor/index.ts'
