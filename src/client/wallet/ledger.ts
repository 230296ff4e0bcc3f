import { toHex } from '../../crypto/bytes.ts'
import * as Terms from '../../wire/Terms.ts'
import * as Transaction from '../../wire/Transaction.ts'
import type { Journal, StoredPayment } from '../journal/contract.ts'
import { everyChannel } from '../journal/everyChannel.ts'
import { type Money, moneyOf } from './money.ts'

/** One payment: what was bought where, and what it cost. Amounts are decimal strings in the asset. */
export interface LedgerRow {
  /** ISO 8601, UTC. */
  readonly time: string
  readonly host: string
  readonly method: string
  /** Without its query, which may hold secrets. */
  readonly url: string
  /** The most that it was agreed to cost, when it was made. */
  readonly price: string
  /** What the vendor said it charged: `0` where it failed, `null` where it never said. */
  readonly charged: string | null
  /** As `USD`. */
  readonly asset: string
  /** Id of the channel, in hex. */
  readonly channel: string
  /** i of the payment in its channel. */
  readonly index: number
}

/** Which payments are wanted: those to a host, from one time on and before another. */
export interface LedgerFilter {
  readonly host?: string
  readonly since?: Date
  readonly until?: Date
}

/** The payments of a journal, oldest first. */
export async function readLedger(journal: Journal, filter: LedgerFilter = {}): Promise<readonly LedgerRow[]> {
  const rows: { readonly at: bigint; readonly row: LedgerRow }[] = []
  for (const channel of await everyChannel(journal)) {
    const { host } = new URL(channel.vendorUrl)
    const terms = Terms.parse(channel.terms)
    if (!terms.ok || (filter.host !== undefined && filter.host !== host)) continue
    const money = moneyOf(terms.value.asset)
    for (const payment of await journal.payments(channel.channelId)) {
      const at = paidAt(payment)
      if (isWithin(at, filter))
        rows.push({ at, row: rowOf(payment, { host, money, at, channel: toHex(channel.channelId) }) })
    }
  }
  return rows.sort((one, other) => Number(one.at - other.at)).map(({ row }) => row) // Seconds, not an amount.
}

function rowOf(
  { index, price, charged, bought }: StoredPayment,
  {
    host,
    money,
    at,
    channel,
  }: { readonly host: string; readonly money: Money; readonly at: bigint; readonly channel: string },
): LedgerRow {
  return {
    time: dateOf(at).toISOString(),
    host,
    method: bought?.method ?? '',
    url: bought?.target ?? '',
    price: money.format(price),
    charged: charged === undefined ? null : money.format(charged),
    asset: money.asset.split('/')[0]!,
    channel,
    index,
  }
}

/** The time in the transaction that was signed. */
function paidAt({ core }: StoredPayment): bigint {
  const transaction = Transaction.transactionLayout.parse(core.subarray(0, Transaction.transactionLayout.size))
  return transaction.ok ? transaction.value.paidAt : 0n
}

function isWithin(at: bigint, { since, until }: LedgerFilter): boolean {
  const time = dateOf(at)
  return (since === undefined || time >= since) && (until === undefined || time < until)
}

function dateOf(seconds: bigint): Date {
  return new Date(Number(seconds) * 1000)
}
