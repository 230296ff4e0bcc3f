import { type ProblemReason, remedies } from '../http/remedies.ts'

/** Something was refused: by the vendor, by the bank, or by this client's own rules. `message` says what to do. */
export class RefusedError extends Error {
  override readonly name: string = 'RefusedError'
  readonly reason: ProblemReason
  /** What was wrong this time. */
  readonly detail: string

  constructor(refusal: { readonly reason: ProblemReason; readonly detail: string }) {
    super(`${refusal.detail}. ${remedies[refusal.reason]}`)
    this.reason = refusal.reason
    this.detail = refusal.detail
  }
}

/** A server did not answer, or not in the protocol's words. The request may have arrived: it can be sent again as it was. */
export class UnansweredError extends Error {
  override readonly name: string = 'UnansweredError'
}

/** The journal could not be written: the channel in memory is ahead of it, and signs nothing more. Open it from the journal. */
export class JournalError extends Error {
  override readonly name: string = 'JournalError'
}
