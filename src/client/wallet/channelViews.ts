import { toHex } from '../../crypto/bytes.ts'
import type { UnixSeconds } from '../../wire/amount.ts'
import * as Terms from '../../wire/Terms.ts'
import type { ChannelState, Journal, Outcome } from '../journal/contract.ts'
import { moneyOf } from './money.ts'

/** A channel as people look at it. Amounts are decimal strings in the asset. */
export interface ChannelView {
  /** Its id, in hex. */
  readonly channel: string
  readonly host: string
  /**
   * `opening`: the bank has not answered. `open`: it pays. `expired`: its time is up, the funds come back. `released`: the vendor
   * may claim. `disputed`: the vendor contradicted what was agreed. `retired`: it signs nothing since the journal was restored.
   * `closed`, `refunded`: it has ended at the bank.
   */
  readonly status: 'opening' | 'open' | 'expired' | 'released' | 'disputed' | 'retired' | 'closed' | 'refunded'
  readonly funds: string
  /** What was revealed: the most that the vendor can have. */
  readonly paid: string
  /** What the vendor says it charged, or what the bank has paid it. */
  readonly spent: string
  readonly asset: string
  readonly payments: number
  /** ISO 8601, UTC. */
  readonly expires: string
  /** Why it pays nothing, where that is no matter of course. */
  readonly reason?: string
}

export async function viewChannels(journal: Journal, now: UnixSeconds): Promise<readonly ChannelView[]> {
  const [live, retired, ended] = await Promise.all([journal.channels(), journal.retired(), journal.ended()])
  return [
    ...live.map((channel) => viewOf(channel, standingOf(channel, now))),
    ...retired.map((channel) => viewOf(channel, { status: 'retired', reason: channel.reason })),
    // One that was never opened is none.
    ...ended.flatMap((channel) => (channel.state ? [viewOf(channel, endOf(channel.outcome))] : [])),
  ]
}

interface Known {
  readonly channelId: Uint8Array
  readonly vendorUrl: string
  readonly terms: Uint8Array
  readonly state: ChannelState | undefined
}

interface Standing extends Pick<ChannelView, 'status' | 'reason'> {
  readonly settled?: bigint
}

function standingOf({ state, terms }: Known, now: UnixSeconds): Standing {
  if (state === undefined) return { status: 'opening' }
  const agreed = Terms.parse(terms)
  if (state.closing !== undefined) return { status: 'released' }
  if (state.frozen !== undefined) return { status: 'disputed', reason: state.frozen }
  return { status: agreed.ok && now < agreed.value.expiresAt ? 'open' : 'expired' }
}

function endOf({ status, settled }: Outcome): Standing {
  return { status: status === 'closed' ? 'closed' : 'refunded', settled }
}

function viewOf({ channelId, vendorUrl, terms, state }: Known, { status, reason, settled }: Standing): ChannelView {
  const agreed = Terms.parse(terms)
  // The journal has compared them with the channel's id.
  if (!agreed.ok) throw new TypeError(agreed.detail)
  const { asset, funds, expiresAt } = agreed.value
  const money = moneyOf(asset)
  return {
    channel: toHex(channelId),
    host: new URL(vendorUrl).host,
    status,
    funds: money.format(funds),
    paid: money.format(state?.paid ?? 0n),
    spent: money.format(settled ?? state?.acknowledged ?? 0n),
    asset: asset.split('/')[0]!,
    payments: state?.index ?? 0,
    expires: new Date(Number(expiresAt) * 1000).toISOString(),
    ...(reason !== undefined && { reason }),
  }
}
