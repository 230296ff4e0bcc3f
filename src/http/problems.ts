import type { Reason, Refusal } from '../protocol/refusals.ts'

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

/** Reasons that arise on the way to a machine, beside those of the machines. */
export type TransportReason =
  | 'NotFound'
  | 'MethodNotAllowed'
  | 'BodyTooLarge'
  | 'HeaderTooLarge'
  | 'RequestTimeout'
  | 'HandlerFailed'
  | 'QueryUnsigned'
  | 'NotApproved'
  | 'NotSecure'
  | 'StoreUnavailable'
  | 'BankUnavailable'
  | 'Internal'

export type ProblemReason = Reason | TransportReason

export const problemType = 'application/problem+json'

/** The problem document of a refusal, with the status to send it under. */
export function problemOf(refusal: Pick<Refusal, 'detail'> & { readonly reason: ProblemReason }): Problem {
  const { reason, detail } = refusal
  const [status, title, remedy] = problems[reason]
  return { type: `urn:lockstep:problem:${reason}`, title, status, detail, reason, remedy }
}

/** The same where a bank refuses: nothing is charged there, and a channel is looked up, not paid for. */
export function bankProblemOf(refusal: Pick<Refusal, 'detail'> & { readonly reason: ProblemReason }): Problem {
  const { reason, detail } = refusal
  const [status, title, remedy] = bankWords[reason] ?? problems[reason]
  return { type: `urn:lockstep:problem:${reason}`, title, status, detail, reason, remedy }
}

/** Whether a string names a reason, as when a client reads a problem document. */
export function isProblemReason(text: string): text is ProblemReason {
  return Object.hasOwn(problems, text)
}

const resend = 'Nothing was charged. Send the frame again exactly as it was stored.'
const reopen = 'Nothing was charged. Open another channel.'
const bug = 'Nothing was charged. The client that made this is at fault: report it with the detail above.'
const untouched = 'No money moved. Correct the command and send it under a new id.'

/** Status, title and advice of every reason. The type makes it whole. */
const problems: Readonly<Record<ProblemReason, readonly [status: number, title: string, remedy: string]>> = {
  Malformed: [400, 'What was sent cannot be read', bug],
  VersionUnsupported: [400, 'Another version of the protocol', 'Nothing was charged. Speak version 1.'],
  ChannelUnknown: [402, 'The channel is not known here', 'Nothing was charged. Send the attachment along.'],
  ChannelClosed: [402, 'The channel is closed', reopen],
  ChannelSuspended: [
    403,
    'The channel is suspended',
    'What was paid stays paid. Close the channel and open another one.',
  ],
  ChannelExpired: [402, 'The channel has expired', reopen],
  MacMismatch: [401, 'The frame is not from this channel', bug],
  GrantInvalid: [402, 'The bank did not grant this channel', reopen],
  BankUnknown: [
    402,
    'The vendor does not take this bank',
    'Nothing was charged. Open a channel at a bank of the offer.',
  ],
  VendorMismatch: [402, 'The channel is for another vendor', reopen],
  NetworkMismatch: [402, 'The channel is on another network', reopen],
  AssetMismatch: [402, 'The asset is not taken here', reopen],
  LockSchemeUnsupported: [402, 'The lock scheme is not taken here', reopen],
  LifeTooShort: [402, 'The channel expires too soon', reopen],
  GraceTooShort: [402, 'The channel leaves too little time to close', reopen],
  AttachmentRateLimited: [429, 'Too many new channels', 'Nothing was charged. Wait a second and send the same again.'],
  IndexSeen: [409, 'The payment was accepted before', 'It is charged once at most. Its answer is not kept any more.'],
  IndexConflict: [
    409,
    'Another payment has this index',
    'Nothing was charged for this one. Never sign two payments for one index.',
  ],
  IndexOutsideWindow: [
    409,
    'The index is too far ahead',
    'Nothing was charged. Resend the payments the statement misses.',
  ],
  LockMalformed: [400, 'The lock cannot be one', bug],
  IndexOutsideSegment: [400, 'The payment is not of this segment', bug],
  SegmentUnknown: [409, 'The segment is not open here', 'Nothing was charged. Send its checkpoint along.'],
  StepOutOfRange: [400, 'The segment has no such coin', bug],
  SegmentTooLarge: [400, 'The segment is worth more than the channel', bug],
  CheckpointConflict: [409, 'Another checkpoint opened this segment', bug],
  CheckpointAmount: [400, 'The checkpoint contradicts what was paid', bug],
  CheckpointSignature: [401, 'The checkpoint is not signed by the channel', bug],
  CoinMismatch: [402, 'The coin is wrong', bug],
  AmountInconsistent: [400, 'The amount contradicts its neighbours', bug],
  PaymentMissing: [409, 'A tick needs a payment in progress', 'Nothing was charged. Make a payment first.'],
  PaymentRequired: [402, 'Payment required', 'Read the offer, open a channel and send the request with a payment.'],
  RequestMismatch: [
    409,
    'The payment is for another request',
    'It was accepted as credit, not charged. Make the next payment for the request as it arrives here.',
  ],
  CreditTooLow: [402, 'Not enough credit', 'What was paid stays credit. Pay the rest with the next payment.'],
  AnswerGone: [409, 'The answer is not kept', 'The payment was charged once, and its handler will not run again.'],
  InDoubt: [
    409,
    'The outcome is in doubt',
    'The vendor stopped while this request ran. It was not charged; ask the vendor before repeating what it does.',
  ],
  PaymentsMissing: [409, 'Payments are missing', 'Nothing is lost. Resend the payments the statement misses.'],
  RequestsRunning: [409, 'Requests are still running', 'Ask again when they have ended.'],
  ClosingInvalid: [409, 'The closing is not valid', 'Nothing was released. Ask the vendor for its closing again.'],
  ClosingDisputed: [
    409,
    'The closing contradicts what was agreed',
    'Nothing was released, and nothing more is signed. What was not charged comes back from the bank.',
  ],
  ReleaseInvalid: [400, 'The release opens nothing', 'What was paid stays paid. Send the release as it was made.'],
  SignatureInvalid: [401, 'The signature is wrong', untouched],
  CommandExpired: [400, 'The command has expired', untouched],
  CommandLifeTooLong: [400, 'The command is valid for too long', untouched],
  CommandConflict: [409, 'Another command has this id', untouched],
  BankMismatch: [400, 'The terms name another bank', untouched],
  ClockSkewed: [400, 'The clocks differ too much', 'No money moved. Use the bank’s clock, which its offer tells.'],
  LifeOutOfRange: [400, 'The bank does not take such times', untouched],
  FundsTooSmall: [400, 'The channel is too small', untouched],
  AccountUnknown: [404, 'The account is not registered', 'No money moved. Register the account at the bank.'],
  AccountExists: [409, 'The account is registered already', 'No money moved. Use the account.'],
  DepositTooSmall: [402, 'The deposit is too small', 'No money moved. Deposit the rest, then register again.'],
  VendorUnknown: [404, 'The vendor is not registered', 'No money moved. The vendor has to register at this bank.'],
  ReputationTooLow: [
    403,
    'The reputation is too low',
    'No money moved. Reputation recovers with time: ask the bank for the causes.',
  ],
  BalanceTooLow: [402, 'The balance is too low', 'No money moved. Deposit more, or open a smaller channel.'],
  WithdrawalBlocked: [403, 'The account owes money', 'No money moved. What comes in pays the debt first.'],
  TooManyChannels: [403, 'Too many channels are open', 'No money moved. Close one, or wait for one to end.'],
  RateLimited: [
    429,
    'Too many at once',
    'Nothing was done. Wait as long as the detail says, then send the same again.',
  ],
  ChannelNotYours: [403, 'The channel is another account’s', untouched],
  ChannelKeyReused: [409, 'The channel key was used before', 'No money moved. Make a fresh channel key.'],
  EvidenceInvalid: [
    400,
    'The evidence does not hold',
    'No money moved. Send what the other side signed, as it was signed.',
  ],
  AmountUnproven: [400, 'The evidence proves less', 'No money moved, and the channel is open. Claim what is proven.'],
  DeadlinePassed: [409, 'The deadline has passed', 'No money moved. The channel is the client’s to take back.'],
  DeadlineAhead: [
    409,
    'The deadline has not passed',
    'No money moved. The vendor may still claim: ask again after it.',
  ],
  ExpiryHeld: [
    503,
    'The bank’s clock is in doubt',
    'No money moved, and none is lost. Ask again when the bank’s operator has confirmed the clock.',
  ],
  ClosingMissing: [404, 'No closing was left here', 'Nothing changed. Ask the vendor for its closing.'],
  ClosingConflict: [
    409,
    'Another closing was left here',
    'The first one stays. A vendor signs one closing a channel: a second one is evidence.',
  ],
  ReleaseMissing: [404, 'No release was left here', 'Nothing changed. The channel can be claimed without one.'],
  ChannelNotSettled: [409, 'The channel was not settled', 'No money moved. Nothing was paid that could be too much.'],
  EvidenceTooLate: [410, 'The evidence comes too late', 'No money moved.'],
  EvidenceRepeated: [409, 'The evidence was judged before', 'No money moved. What it shows was settled then.'],
  FundsExhausted: [402, 'The channel is used up', 'Nothing was signed. Open another channel.'],
  BudgetExceeded: [402, 'The budget does not allow it', 'Nothing was signed. Raise the budget if you mean to.'],
  NotFound: [404, 'Nothing is here', 'Look at the path.'],
  MethodNotAllowed: [405, 'The method does not fit', 'Use one of the methods in Allow.'],
  BodyTooLarge: [413, 'The body is too large', 'Nothing was charged. Send less.'],
  HeaderTooLarge: [431, 'A header is too large', 'Nothing was charged. Send the headers as the protocol has them.'],
  RequestTimeout: [408, 'The request took too long to arrive', 'Nothing was charged. Send it again as it was.'],
  NotApproved: [402, 'The payment was not approved', 'Nothing was signed.'],
  NotSecure: [402, 'The connection is not secure', 'Nothing was signed. Pay over https.'],
  QueryUnsigned: [401, 'Whose it is, only its account may ask', 'Sign the question: Authorization: Lockstep …'],
  HandlerFailed: [500, 'The service failed', 'Nothing was charged. What was paid stays credit.'],
  StoreUnavailable: [503, 'The store is unavailable', resend],
  BankUnavailable: [
    503,
    'The bank cannot be reached',
    'No money moved. Try again later; nothing is lost before the deadline.',
  ],
  Internal: [500, 'Something is wrong here', resend],
}

const repeatCommand = 'Send the same bytes again: what was done is answered as before, and done once.'

/** What a bank says otherwise than a vendor. */
const bankWords: Readonly<Partial<Record<ProblemReason, (typeof problems)[ProblemReason]>>> = {
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
