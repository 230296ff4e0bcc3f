import type { Refusal } from '../protocol/refusals.ts'
import { type ProblemReason, remedies, untouched } from './remedies.ts'

export { isProblemReason, type ProblemReason, type TransportReason } from './remedies.ts'

/** A problem document, RFC 9457: `application/problem+json`. */
export interface Problem {
  /** `urn:lockstep:problem:<reason>`, the same for ever. */
  readonly type: string
  readonly title: string
  readonly status: number
  /** What was wrong this time. */
  readonly detail: string
  readonly reason: ProblemReason
  /** What to do about it. */
  readonly remedy: string
}

export const problemType = 'application/problem+json'

/** The problem document of a refusal, with the status to send it under. */
export function problemOf(refusal: Pick<Refusal, 'detail'> & { readonly reason: ProblemReason }): Problem {
  const { reason, detail } = refusal
  const [status, title] = problems[reason]
  const remedy = remedies[reason]
  return { type: `urn:lockstep:problem:${reason}`, title, status, detail, reason, remedy }
}

/** The same where a bank refuses: nothing is charged there, and a channel is looked up, not paid for. */
export function bankProblemOf(refusal: Pick<Refusal, 'detail'> & { readonly reason: ProblemReason }): Problem {
  const { reason, detail } = refusal
  const [status, title, remedy] = bankWords[reason] ?? [...problems[reason], remedies[reason]]
  return { type: `urn:lockstep:problem:${reason}`, title, status, detail, reason, remedy }
}

/** Status and title of every reason. The type makes it whole. */
const problems: Readonly<Record<ProblemReason, readonly [status: number, title: string]>> = {
  Malformed: [400, 'What was sent cannot be read'],
  VersionUnsupported: [400, 'Another version of the protocol'],
  ChannelUnknown: [402, 'The channel is not known here'],
  ChannelClosed: [402, 'The channel is closed'],
  ChannelSuspended: [403, 'The channel is suspended'],
  ChannelExpired: [402, 'The channel has expired'],
  MacMismatch: [401, 'The frame is not from this channel'],
  GrantInvalid: [402, 'The bank did not grant this channel'],
  BankUnknown: [402, 'The vendor does not take this bank'],
  VendorMismatch: [402, 'The channel is for another vendor'],
  NetworkMismatch: [402, 'The channel is on another network'],
  AssetMismatch: [402, 'The asset is not taken here'],
  LockSchemeUnsupported: [402, 'The lock scheme is not taken here'],
  LifeTooShort: [402, 'The channel expires too soon'],
  GraceTooShort: [402, 'The channel leaves too little time to close'],
  AttachmentRateLimited: [429, 'Too many new channels'],
  IndexSeen: [409, 'The payment was accepted before'],
  IndexConflict: [409, 'Another payment has this index'],
  IndexOutsideWindow: [409, 'The index is too far ahead'],
  LockMalformed: [400, 'The lock cannot be one'],
  IndexOutsideSegment: [400, 'The payment is not of this segment'],
  SegmentUnknown: [409, 'The segment is not open here'],
  StepOutOfRange: [400, 'The segment has no such coin'],
  SegmentTooLarge: [400, 'The segment is worth more than the channel'],
  CheckpointConflict: [409, 'Another checkpoint opened this segment'],
  CheckpointAmount: [400, 'The checkpoint contradicts what was paid'],
  CheckpointSignature: [401, 'The checkpoint is not signed by the channel'],
  CoinMismatch: [402, 'The coin is wrong'],
  AmountInconsistent: [400, 'The amount contradicts its neighbours'],
  PaymentMissing: [409, 'A tick needs a payment in progress'],
  PaymentRequired: [402, 'Payment required'],
  RequestMismatch: [409, 'The payment is for another request'],
  CreditTooLow: [402, 'Not enough credit'],
  AnswerGone: [409, 'The answer is not kept'],
  InDoubt: [409, 'The outcome is in doubt'],
  PaymentsMissing: [409, 'Payments are missing'],
  RequestsRunning: [409, 'Requests are still running'],
  ClosingInvalid: [409, 'The closing is not valid'],
  ClosingDisputed: [409, 'The closing contradicts what was agreed'],
  ReleaseInvalid: [400, 'The release opens nothing'],
  SignatureInvalid: [401, 'The signature is wrong'],
  CommandExpired: [400, 'The command has expired'],
  CommandLifeTooLong: [400, 'The command is valid for too long'],
  CommandConflict: [409, 'Another command has this id'],
  BankMismatch: [400, 'The terms name another bank'],
  ClockSkewed: [400, 'The clocks differ too much'],
  LifeOutOfRange: [400, 'The bank does not take such times'],
  FundsTooSmall: [400, 'The channel is too small'],
  AccountUnknown: [404, 'The account is not registered'],
  AccountExists: [409, 'The account is registered already'],
  DepositTooSmall: [402, 'The deposit is too small'],
  VendorUnknown: [404, 'The vendor is not registered'],
  ReputationTooLow: [403, 'The reputation is too low'],
  BalanceTooLow: [402, 'The balance is too low'],
  WithdrawalBlocked: [403, 'The account owes money'],
  TooManyChannels: [403, 'Too many channels are open'],
  RateLimited: [429, 'Too many at once'],
  ChannelNotYours: [403, 'The channel is another account’s'],
  ChannelKeyReused: [409, 'The channel key was used before'],
  EvidenceInvalid: [400, 'The evidence does not hold'],
  AmountUnproven: [400, 'The evidence proves less'],
  DeadlinePassed: [409, 'The deadline has passed'],
  DeadlineAhead: [409, 'The deadline has not passed'],
  ExpiryHeld: [503, 'The bank’s clock is in doubt'],
  ClosingMissing: [404, 'No closing was left here'],
  ClosingConflict: [409, 'Another closing was left here'],
  ReleaseMissing: [404, 'No release was left here'],
  ChannelNotSettled: [409, 'The channel was not settled'],
  EvidenceTooLate: [410, 'The evidence comes too late'],
  EvidenceRepeated: [409, 'The evidence was judged before'],
  FundsExhausted: [402, 'The channel is used up'],
  BudgetExceeded: [402, 'The budget does not allow it'],
  NotFound: [404, 'Nothing is here'],
  MethodNotAllowed: [405, 'The method does not fit'],
  BodyTooLarge: [413, 'The body is too large'],
  HeaderTooLarge: [431, 'A header is too large'],
  RequestTimeout: [408, 'The request took too long to arrive'],
  NotApproved: [402, 'The payment was not approved'],
  NotSecure: [402, 'The connection is not secure'],
  QueryUnsigned: [401, 'Whose it is, only its account may ask'],
  HandlerFailed: [500, 'The service failed'],
  UpstreamFailed: [502, 'The service behind this one failed'],
  UpstreamTimeout: [504, 'The service behind this one takes too long'],
  StoreUnavailable: [503, 'The store is unavailable'],
  BankUnavailable: [503, 'The bank cannot be reached'],
  Internal: [500, 'Something is wrong here'],
}

const repeatCommand = 'Send the same bytes again: what was done is answered as before, and done once.'

/** What a bank says otherwise than a vendor. */
const bankWords: Readonly<
  Partial<Record<ProblemReason, readonly [...(typeof problems)[ProblemReason], remedy: string]>>
> = {
  Malformed: [400, 'What was sent cannot be read', untouched],
  VersionUnsupported: [400, 'Another version of the protocol', 'No money moved. Speak version 1.'],
  ChannelUnknown: [404, 'The channel is not known here', 'No money moved. Ask the bank that the terms name.'],
  ChannelClosed: [
    409,
    'The channel is closed',
    'No money moved now. What moved when it closed, its status says; the same claim gets its answer again.',
  ],
  AssetMismatch: [400, 'The asset is not held here', untouched],
  NetworkMismatch: [400, 'The bank records on another network', untouched],
  ReleaseInvalid: [400, 'The release does not hold here', 'Nothing was kept. Send the release as it was made.'],
  BodyTooLarge: [413, 'The body is too large', 'Nothing was done. Send what the protocol has, and no more.'],
  HeaderTooLarge: [431, 'A header is too large', 'Nothing was done. Send less.'],
  RequestTimeout: [408, 'The request took too long to arrive', `Nothing was done. ${repeatCommand}`],
  StoreUnavailable: [503, 'The store is unavailable', repeatCommand],
  Internal: [500, 'Something is wrong here', repeatCommand],
}
