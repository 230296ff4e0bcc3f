/** What the store holds as decisions and answers have it. */

import type { ChannelStatus } from '../http/bank.ts'
import { assert } from '../protocol/assert.ts'
import { Bank as Decide } from '../protocol/index.ts'
import { amount as amountOf, type UnixSeconds, unixSeconds } from '../wire/amount.ts'
import * as Close from '../wire/Close.ts'
import * as Record from '../wire/Record.ts'
import type { StoredChannel, StoredRecord } from './store/contract.ts'

/** What the last change of a reputation comes to by now. */
export function scoreOf(
  last: Decide.Reputation.Change,
  now: UnixSeconds,
  rules: Decide.Reputation.ReputationRules,
): number {
  return Decide.Reputation.score([last], now, rules)
}

/** The channel as the decisions see it. */
export function bookedOf(channel: StoredChannel): Decide.BookedChannel {
  const { channelId, terms, commitment, receipt, account, graceFrom } = channel
  return { channelId, terms, commitment, receipt, account, graceFrom, standing: standingOf(channel) }
}

export function statusOf(channel: StoredChannel, record: StoredRecord | undefined): ChannelStatus {
  const { channelId, terms, status, closing } = channel
  const { vendor, asset, funds, openedAt, expiresAt, graceSeconds } = terms
  const deadline = unixSeconds(expiresAt + BigInt(graceSeconds))
  const known = { channelId, vendor, asset, funds, openedAt, expiresAt, deadline }
  if (status === 'open') return { ...known, status }
  if (closing === undefined) return { ...known, status: 'expired', refund: funds }
  const { settled, refund } = closing
  return {
    ...known,
    status: 'closed',
    settled: amountOf(settled),
    refund: amountOf(refund),
    basis: basisOf(record) ?? closing.basis,
    record: record?.recorded === true ? 'recorded' : 'queued',
  }
}

function standingOf({ status, closing }: StoredChannel): Decide.Standing {
  if (closing === undefined) return { status: status === 'open' ? 'open' : 'expired' }
  const close = Close.parse(closing.close)
  assert(close.ok, 'a stored claim is one')
  return { status: 'closed', close: close.value, settled: closing.settled }
}

/** A release after the claim may have proven what the claim did not. */
function basisOf(stored: StoredRecord | undefined): Record.Record['basis'] | undefined {
  const record = stored && Record.parse(stored.record)
  return record?.ok === true ? record.value.basis : undefined
}
