import type { UnixSeconds } from '../../wire/amount.ts'
import * as Closing from '../../wire/Closing.ts'
import { type Refusal, refuse } from '../refusals.ts'
import * as BankClock from './BankClock.ts'
import { assessChannel, type BookedChannel } from './channel.ts'
import { type Debt, type Entry, overchargeEntries } from './postings.ts'

/** Seconds after the deadline in which an overcharge is still returned. */
export const overchargeSeconds: bigint = 7n * 86_400n

export interface Overcharge {
  readonly ok: true
  readonly cause: 'overcharge'
  /** What the vendor claimed above its own closing, and was not judged to return before. */
  readonly difference: bigint
  readonly entries: readonly Entry[]
  /** What the vendor does not have now. */
  readonly debt: Debt | undefined
}

/**
 * Judges a closing against what its vendor was paid: Design 3.7. A vendor stores its closing before it leaves and charges
 * nothing after it, so that an honest one never claimed more than any closing of its own says.
 */
export function assessOvercharge(args: {
  readonly closing: Closing.Closing
  readonly channel: BookedChannel
  /** What earlier closings of this channel were judged to return, debts included. */
  readonly returned: bigint
  /** In the channel's asset. */
  readonly vendor: { readonly balance: bigint; readonly locked: bigint }
  /** `BankClock.timeOf` this channel. */
  readonly now: UnixSeconds
}): Refusal | Overcharge {
  const { closing, channel, returned, vendor, now } = args
  const { terms, standing, account } = channel
  const elsewhere = assessChannel(closing.channelId, channel)
  if (elsewhere !== undefined) return elsewhere
  if (standing.status !== 'closed') return refuse('ChannelNotSettled', 'nothing was paid to the vendor of this channel')
  const until = BankClock.deadline(terms) + overchargeSeconds
  if (now > until) return refuse('EvidenceTooLate', `an overcharge is returned until ${until}; it is ${now}`)
  if (!Closing.verify(terms.vendor, closing)) {
    return refuse('SignatureInvalid', 'the closing is not signed by the vendor')
  }
  const { settled } = standing
  if (closing.spent >= settled) {
    return refuse('EvidenceInvalid', `the closing says ${closing.spent}; the vendor was paid ${settled}`)
  }
  const difference = settled - returned - closing.spent
  if (difference <= 0n) return refuse('EvidenceRepeated', `what this closing shows was judged before: ${returned}`)
  const debt = {
    reference: Closing.digest(closing),
    debtor: terms.vendor,
    creditor: account,
    asset: terms.asset,
    amount: difference,
  }
  return { ok: true, cause: 'overcharge', difference, ...overchargeEntries(debt, vendor) }
}
