export * as BankClock from './BankClock.ts'
export { assessBadOpening } from './badOpening.ts'
export { assessOwner, type BookedChannel, type Standing } from './channel.ts'
export { assessClose, type BankChannel, type Settlement } from './close.ts'
export { assessCommand, assessRegister, assessWithdraw, type CommandRules, defaultCommandRules } from './command.ts'
export {
  assessClosing,
  assessDispute,
  assessFetchClosing,
  assessFetchRelease,
  type Ending,
  isWithheld,
} from './ending.ts'
export { assessEquivocation, type Proven } from './equivocation.ts'
export { assessExpire, type Expiry } from './expire.ts'
export {
  assessLimits,
  type Bucket,
  defaultLimits,
  type Limits,
  type Rate,
  type RateName,
  takeToken,
  untilToken,
} from './limits.ts'
export { assessOpen, grant, type Parties } from './open.ts'
export { assessOvercharge, type Overcharge, overchargeSeconds } from './overcharge.ts'
export { type Debt, type Entry, type EntryKind, type Holding, type Place, repay, type Transfer } from './postings.ts'
export * as Reputation from './Reputation.ts'
export { defaultRules, type Rules } from './Rules.ts'
export { assessRelease, type ReleaseVerdict } from './release.ts'
