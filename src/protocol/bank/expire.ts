import { type Refusal, refuse } from '../refusals.ts'
import * as BankClock from './BankClock.ts'
import { assessOwner, type BookedChannel } from './channel.ts'
import { type Entry, expireEntry } from './postings.ts'

export interface Expiry {
  readonly ok: true
  /** F: all of it. */
  readonly refund: bigint
  readonly entry: Entry
}

/**
 * Decides whether a channel's funds go back to its client: Design 3.7. At any moment either this or a claim is in time,
 * never both, since both go by `BankClock.timeOf`.
 */
export function assessExpire(args: {
  readonly channel: BookedChannel
  readonly clock: BankClock.BankClock
  /** Who asks; absent where the bank itself does. */
  readonly account?: Uint8Array
}): Refusal | Expiry {
  const { channel, clock, account } = args
  const { terms, standing, channelId, graceFrom } = channel
  const stranger = account && assessOwner(account, channel.account)
  if (stranger !== undefined) return stranger
  if (standing.status !== 'open') {
    const by = standing.status === 'closed' ? 'a claim of its vendor' : 'an expiry before this one'
    return refuse('ChannelClosed', `the channel was ended by ${by}`)
  }
  const now = BankClock.timeOf(clock, terms, graceFrom)
  const deadline = BankClock.deadline(terms)
  if (clock.held !== undefined && clock.wall >= terms.expiresAt) {
    return refuse('ExpiryHeld', 'the bank’s clock is in doubt: no deadline passes until its operator confirms it')
  }
  if (now <= deadline)
    return refuse('DeadlineAhead', `claims are taken until ${deadline}; it is ${now} for this channel`)
  const { asset, funds } = terms
  return { ok: true, refund: funds, entry: expireEntry({ channelId, account: channel.account, asset, funds }) }
}
