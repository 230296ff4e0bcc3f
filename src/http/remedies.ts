import type { Reason } from '../protocol/refusals.ts'

/** Reasons that arise on the way to a machine, beside those of the machines. */
export type TransportReason =
  | 'NotFound'
  | 'MethodNotAllowed'
  | 'BodyTooLarge'
  | 'HeaderTooLarge'
  | 'RequestTimeout'
  | 'HandlerFailed'
  | 'UpstreamFailed'
  | 'UpstreamTimeout'
  | 'QueryUnsigned'
  | 'NotApproved'
  | 'NotSecure'
  | 'StoreUnavailable'
  | 'BankUnavailable'
  | 'Internal'

export type ProblemReason = Reason | TransportReason

const resend = 'Nothing was charged. Send the frame again exactly as it was stored.'
const reopen = 'Nothing was charged. Open another channel.'
const bug = 'Nothing was charged. The client that made this is at fault: report it with the detail above.'
export const untouched = 'No money moved. Correct the command and send it under a new id.'

/** What to do about each. The type makes it whole. */
export const remedies: Readonly<Record<ProblemReason, string>> = {
  Malformed: bug,
  VersionUnsupported: 'Nothing was charged. Speak version 1.',
  ChannelUnknown: 'Nothing was charged. Send the attachment along.',
  ChannelClosed: reopen,
  ChannelSuspended: 'What was paid stays paid. Close the channel and open another one.',
  ChannelExpired: reopen,
  MacMismatch: bug,
  GrantInvalid: reopen,
  BankUnknown: 'Nothing was charged. Open a channel at a bank of the offer.',
  VendorMismatch: reopen,
  NetworkMismatch: reopen,
  AssetMismatch: reopen,
  LockSchemeUnsupported: reopen,
  LifeTooShort: reopen,
  GraceTooShort: reopen,
  AttachmentRateLimited: 'Nothing was charged. Wait a second and send the same again.',
  IndexSeen: 'It is charged once at most. Its answer is not kept any more.',
  IndexConflict: 'Nothing was charged for this one. Never sign two payments for one index.',
  IndexOutsideWindow: 'Nothing was charged. Resend the payments the statement misses.',
  LockMalformed: bug,
  IndexOutsideSegment: bug,
  SegmentUnknown: 'Nothing was charged. Send its checkpoint along.',
  StepOutOfRange: bug,
  SegmentTooLarge: bug,
  CheckpointConflict: bug,
  CheckpointAmount: bug,
  CheckpointSignature: bug,
  CoinMismatch: bug,
  AmountInconsistent: bug,
  PaymentMissing: 'Nothing was charged. Make a payment first.',
  PaymentRequired: 'Read the offer, open a channel and send the request with a payment.',
  RequestMismatch: 'It was accepted as credit, not charged. Make the next payment for the request as it arrives here.',
  CreditTooLow: 'What was paid stays credit. Pay the rest with the next payment.',
  AnswerGone: 'The payment was charged once, and its handler will not run again.',
  InDoubt:
    'The vendor stopped while this request ran. It was not charged; ask the vendor before repeating what it does.',
  PaymentsMissing: 'Nothing is lost. Resend the payments the statement misses.',
  RequestsRunning: 'Ask again when they have ended.',
  ClosingInvalid: 'Nothing was released. Ask the vendor for its closing again.',
  ClosingDisputed: 'Nothing was released, and nothing more is signed. What was not charged comes back from the bank.',
  ReleaseInvalid: 'What was paid stays paid. Send the release as it was made.',
  SignatureInvalid: untouched,
  CommandExpired: untouched,
  CommandLifeTooLong: untouched,
  CommandConflict: untouched,
  BankMismatch: untouched,
  ClockSkewed: 'No money moved. Use the bank’s clock, which its offer tells.',
  LifeOutOfRange: untouched,
  FundsTooSmall: untouched,
  AccountUnknown: 'No money moved. Register the account at the bank.',
  AccountExists: 'No money moved. Use the account.',
  DepositTooSmall: 'No money moved. Deposit the rest, then register again.',
  VendorUnknown: 'No money moved. The vendor has to register at this bank.',
  ReputationTooLow: 'No money moved. Reputation recovers with time: ask the bank for the causes.',
  BalanceTooLow: 'No money moved. Deposit more, or open a smaller channel.',
  WithdrawalBlocked: 'No money moved. What comes in pays the debt first.',
  TooManyChannels: 'No money moved. Close one, or wait for one to end.',
  RateLimited: 'Nothing was done. Wait as long as the detail says, then send the same again.',
  ChannelNotYours: untouched,
  ChannelKeyReused: 'No money moved. Make a fresh channel key.',
  EvidenceInvalid: 'No money moved. Send what the other side signed, as it was signed.',
  AmountUnproven: 'No money moved, and the channel is open. Claim what is proven.',
  DeadlinePassed: 'No money moved. The channel is the client’s to take back.',
  DeadlineAhead: 'No money moved. The vendor may still claim: ask again after it.',
  ExpiryHeld: 'No money moved, and none is lost. Ask again when the bank’s operator has confirmed the clock.',
  ClosingMissing: 'Nothing changed. Ask the vendor for its closing.',
  ClosingConflict: 'The first one stays. A vendor signs one closing a channel: a second one is evidence.',
  ReleaseMissing: 'Nothing changed. The channel can be claimed without one.',
  ChannelNotSettled: 'No money moved. Nothing was paid that could be too much.',
  EvidenceTooLate: 'No money moved.',
  EvidenceRepeated: 'No money moved. What it shows was settled then.',
  FundsExhausted: 'Nothing was signed. Open another channel.',
  BudgetExceeded: 'Nothing was signed. Raise the budget if you mean to.',
  NotFound: 'Look at the path.',
  MethodNotAllowed: 'Use one of the methods in Allow.',
  BodyTooLarge: 'Nothing was charged. Send less.',
  HeaderTooLarge: 'Nothing was charged. Send the headers as the protocol has them.',
  RequestTimeout: 'Nothing was charged. Send it again as it was.',
  NotApproved: 'Nothing was signed.',
  NotSecure: 'Nothing was signed. Pay over https.',
  QueryUnsigned: 'Sign the question: Authorization: Lockstep …',
  HandlerFailed: 'Nothing was charged. What was paid stays credit.',
  UpstreamFailed: 'Nothing was charged. What was paid stays credit.',
  UpstreamTimeout: 'Nothing was charged. What was paid stays credit.',
  StoreUnavailable: resend,
  BankUnavailable: 'No money moved. Try again later; nothing is lost before the deadline.',
  Internal: resend,
}

/** Whether a string names a reason, as when a client reads a problem document. */
export function isProblemReason(text: string): text is ProblemReason {
  return Object.hasOwn(remedies, text)
}
