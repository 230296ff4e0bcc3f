import { equal } from '../../crypto/bytes.ts'
import { lockSchemes } from '../../crypto/locks.ts'
import * as Closing from '../../wire/Closing.ts'
import { type Refusal, refuse } from '../refusals.ts'
import * as BankClock from './BankClock.ts'
import { assessChannel, assessOwner, type BookedChannel } from './channel.ts'
import { assessRelease } from './release.ts'

/** What the parties left at the bank for each other, where they do not reach each other: Design 3.7. */
export interface Ending {
  /** The vendor's last statement. The first that is left stays. */
  readonly closing?: Closing.Closing
  /** The bank's uptime when the client's account first fetched it. */
  readonly fetchedAt?: bigint
  /** The client's account says that it does not release for this closing. */
  readonly disputed?: boolean
  /** The client's answer: the last that held, and a proven one for good. */
  readonly release?: Closing.Release
}

/** Whether a closing may be left here. It proves itself: who brings it does not matter. */
export function assessClosing(
  closing: Closing.Closing,
  channel: BookedChannel,
  ending: Ending,
): Refusal | { readonly ok: true; readonly repeated: boolean } {
  const elsewhere = assessChannel(closing.channelId, channel)
  if (elsewhere !== undefined) return elsewhere
  if (!Closing.verify(channel.terms.vendor, closing)) {
    return refuse('SignatureInvalid', 'the closing is not signed by the vendor')
  }
  const { closing: left } = ending
  if (left === undefined) return { ok: true, repeated: false }
  return equal(Closing.encode(left), Closing.encode(closing))
    ? { ok: true, repeated: true }
    : refuse('ClosingConflict', `another closing was left here, over ${left.index} payments and ${left.spent} spent`)
}

/** What the client's account gets. The first time counts: from then on it is known to have what it takes to release. */
export function assessFetchClosing(
  account: Uint8Array,
  channel: BookedChannel,
  ending: Ending,
): Refusal | { readonly ok: true; readonly closing: Closing.Closing } {
  const { closing } = ending
  return (
    assessOwner(account, channel.account) ??
    (closing === undefined ? refuse('ClosingMissing', 'the vendor left no closing here') : { ok: true, closing })
  )
}

/**
 * The client's account refuses the closing that it fetched: it counts other payments, or charges more than was agreed, or
 * the secrets to answer it are gone. Who is right the bank cannot see, so that nobody's reputation changes.
 */
export function assessDispute(
  account: Uint8Array,
  channel: BookedChannel,
  ending: Ending,
): Refusal | { readonly ok: true } {
  const { closing, fetchedAt } = ending
  const stranger = assessOwner(account, channel.account)
  if (stranger !== undefined) return stranger
  if (closing === undefined || fetchedAt === undefined) {
    return refuse('ClosingMissing', 'only a closing that was fetched from this bank can be disputed')
  }
  return { ok: true }
}

/** What the vendor gets. */
export function assessFetchRelease(
  account: Uint8Array,
  channel: BookedChannel,
  ending: Ending,
): Refusal | { readonly ok: true; readonly release: Closing.Release } {
  const { release, disputed } = ending
  const stranger = assessOwner(account, channel.terms.vendor)
  if (stranger !== undefined) return stranger
  if (release !== undefined) return { ok: true, release }
  const detail = disputed === true ? 'the client disputes the closing' : 'the client left no release here'
  return refuse('ReleaseMissing', detail)
}

/**
 * Whether the client's account kept its release back through grace, though it fetched the closing: Design 3.8. Only where
 * the bank's `σ_0` does not open the receipts. Asked once the deadline has passed, and never before the account had as long
 * as the grace to answer. A bank that asks again gets the same answer until a release or a dispute comes.
 */
export function isWithheld(channel: BookedChannel, ending: Ending, clock: BankClock.BankClock): boolean {
  const { terms, standing, graceFrom } = channel
  const { closing, fetchedAt, disputed, release } = ending
  if (lockSchemes[terms.lockScheme].opensFrom.includes('first')) return false
  if (closing === undefined || closing.index === 0 || fetchedAt === undefined || disputed === true) return false
  // Who claims by σ_n has it.
  if (standing.status === 'closed' && standing.close.evidence.kind === 'receipts') return false
  // What was kept before a claim shows then whether it is σ_n.
  if (release !== undefined && assessRelease({ release, channel, closing, account: channel.account }).ok) return false
  if (clock.held !== undefined || clock.uptime - fetchedAt <= BigInt(terms.graceSeconds)) return false
  return BankClock.timeOf(clock, terms, graceFrom) > BankClock.deadline(terms)
}
