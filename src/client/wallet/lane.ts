import { Client } from '../../protocol/index.ts'
import type { UnixSeconds } from '../../wire/amount.ts'
import type { PayingChannel } from '../channel.ts'

/** An open channel of a tab, and what is on its way through it. */
export interface Lane {
  readonly channel: PayingChannel
  /** Base units that requests were promised which have not signed yet. */
  promised: bigint
  /** Requests and streams under way. */
  running: number
}

/** Base units that can still be bought for, beside what is promised. */
export function restOf({ channel, promised }: Lane): bigint {
  const { terms, paid } = channel.state
  return terms.funds - paid + Client.credit(channel.state) - promised
}

/** Base units that the vendor has and has not acknowledged as spent, once another `price` is paid. */
export function riskWith({ channel, promised }: Lane, price: bigint): bigint {
  const { paid, acknowledged, segment } = channel.state
  const missing = promised + price - Client.credit(channel.state)
  const coins = (missing + segment.unitPrice - 1n) / segment.unitPrice
  return paid - acknowledged + (missing > 0n ? coins * segment.unitPrice : 0n)
}

/** Whether it may pay: it signs, and ends no time soon. */
export function isUsable({ channel }: Lane, now: UnixSeconds): boolean {
  const { frozen, terms } = channel.state
  const life = terms.expiresAt - terms.openedAt
  const margin = life / 20n < marginMax ? life / 20n : marginMax
  return frozen === undefined && !channel.isReleased && now + margin < terms.expiresAt
}

/** Seconds before its end from which on a channel is replaced. */
const marginMax = 60n
