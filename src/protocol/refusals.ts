/**
 * Every reason for which a machine refuses something it was sent. A refusal is a value: nothing was stored, charged or
 * paid because of it. `http/problems.ts` gives each one its status and its advice.
 */
export type Reason =
  // What was sent could not be read.
  | 'Malformed'
  | 'VersionUnsupported'
  // The channel.
  | 'ChannelUnknown'
  | 'ChannelClosed'
  | 'ChannelSuspended'
  | 'ChannelExpired'
  | 'MacMismatch'
  // The attachment, against the vendor's offer.
  | 'GrantInvalid'
  | 'BankUnknown'
  | 'VendorMismatch'
  | 'NetworkMismatch'
  | 'AssetMismatch'
  | 'LockSchemeUnsupported'
  | 'LifeTooShort'
  | 'GraceTooShort'
  | 'AttachmentRateLimited'
  // The index.
  | 'IndexSeen'
  | 'IndexConflict'
  | 'IndexOutsideWindow'
  // Bounds, checkpoint, coin, amounts.
  | 'LockMalformed'
  | 'IndexOutsideSegment'
  | 'SegmentUnknown'
  | 'StepOutOfRange'
  | 'SegmentTooLarge'
  | 'CheckpointConflict'
  | 'CheckpointAmount'
  | 'CheckpointSignature'
  | 'CoinMismatch'
  | 'AmountInconsistent'
  | 'PaymentMissing'
  // The request that the payment is for.
  | 'PaymentRequired'
  | 'RequestMismatch'
  | 'CreditTooLow'
  | 'AnswerGone'
  | 'InDoubt'
  // Closing and release.
  | 'PaymentsMissing'
  | 'RequestsRunning'
  | 'ClosingInvalid'
  | 'ClosingDisputed'
  | 'ReleaseInvalid'
  // The bank.
  | 'SignatureInvalid'
  | 'CommandExpired'
  | 'CommandLifeTooLong'
  | 'CommandConflict'
  | 'BankMismatch'
  | 'ClockSkewed'
  | 'LifeOutOfRange'
  | 'FundsTooSmall'
  | 'AccountUnknown'
  | 'AccountExists'
  | 'DepositTooSmall'
  | 'VendorUnknown'
  | 'ReputationTooLow'
  | 'BalanceTooLow'
  | 'WithdrawalBlocked'
  | 'TooManyChannels'
  | 'RateLimited'
  | 'ChannelKeyReused'
  | 'ChannelNotYours'
  | 'EvidenceInvalid'
  | 'AmountUnproven'
  | 'DeadlinePassed'
  | 'DeadlineAhead'
  | 'ExpiryHeld'
  // What is left at the bank, and what proves fraud to it.
  | 'ClosingMissing'
  | 'ClosingConflict'
  | 'ReleaseMissing'
  | 'ChannelNotSettled'
  | 'EvidenceTooLate'
  | 'EvidenceRepeated'
  // The client's own limits.
  | 'FundsExhausted'
  | 'BudgetExceeded'

export interface Refusal {
  readonly ok: false
  readonly reason: Reason
  /** One line: what was wrong, with the values that show it. Never a secret. */
  readonly detail: string
}

export function refuse(reason: Reason, detail: string): Refusal {
  return { ok: false, reason, detail }
}
