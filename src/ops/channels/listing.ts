import { toHex } from '../../crypto/bytes.ts'
import type { Row } from '../../sql/program.ts'
import * as Terms from '../../wire/Terms.ts'
import type { Reader } from '../audit/reader.ts'
import { amountIn, bytesIn, countIn, nameIn } from '../audit/rows.ts'

/** A channel as its owner's store has it, for a person to look at. */
export interface ChannelSummary {
  /** 64 hex digits. */
  readonly channel: string
  /** A vendor's: open, closing, closed. A client's: proposed, open, closing, released, retired. */
  readonly phase: string
  readonly asset: string
  readonly funds: bigint
  /** Proven by coins and checkpoints. */
  readonly paid: bigint
  /** What was charged; as far as the client knows. */
  readonly spent: bigint
  readonly payments: number
  /** Unix seconds. */
  readonly expiresAt: bigint
  /** Claims are taken until then. */
  readonly deadline: bigint
  /** Why nothing is paid or taken any more, if so. */
  readonly stopped: string | undefined
}

export interface ChannelDetails extends ChannelSummary {
  readonly bank: string
  readonly vendor: string
  readonly network: string
  readonly lockScheme: string
  readonly openedAt: bigint
  /** Of a client: where the vendor is reached. */
  readonly vendorUrl: string | undefined
  /** Payments by what became of them, of a vendor. */
  readonly byStatus: Readonly<Record<string, number>>
  /** Payments of a vendor whose handler runs; where no vendor does, it is in doubt what became of them. */
  readonly running: readonly number[]
  readonly hasClosing: boolean
  readonly hasRelease: boolean
  readonly hasClaim: boolean
}

export type Side = 'vendor' | 'client'

/** Every channel of a store, the most urgent first. */
export async function listChannels(reader: Reader, side: Side): Promise<readonly ChannelSummary[]> {
  const rows = await reader.all(side === 'vendor' ? vendorSql : clientSql)
  return rows.map((row) => summaryOf(row)).sort((left, right) => (left.deadline < right.deadline ? -1 : 1))
}

/** The channels whose id starts with these hex digits. */
export async function findChannels(reader: Reader, side: Side, prefix: string): Promise<readonly ChannelDetails[]> {
  const rows = await reader.all(side === 'vendor' ? vendorSql : clientSql)
  const found = rows.filter((row) => toHex(bytesIn(row, 'channel_id')).startsWith(prefix))
  return Promise.all(found.map((row) => detailsOf(row, reader, side)))
}

const vendorSql = `
  SELECT channels.shard, channels.channel_id, terms, phase, suspended AS stopped, paid, spent, contiguous AS payments,
    closing, release, claim
  FROM channels JOIN openings ON openings.shard = channels.shard AND openings.channel_id = channels.channel_id`

const clientSql = `
  SELECT channels.shard, channels.channel_id, terms, vendor_url, coalesce(retired, frozen) AS stopped,
    CASE WHEN retired IS NOT NULL THEN 'retired' WHEN opened IS NULL THEN 'proposed' WHEN release IS NOT NULL THEN 'released'
      WHEN closing IS NOT NULL THEN 'closing' ELSE 'open' END AS phase,
    coalesce(paid, 0) AS paid, coalesce(acknowledged, 0) AS spent, coalesce(number, 0) AS payments, closing, release
  FROM channels LEFT JOIN states ON states.shard = channels.shard AND states.channel_id = channels.channel_id`

function summaryOf(row: Row): ChannelSummary {
  const { asset, funds, expiresAt, graceSeconds } = termsOf(row)
  return {
    channel: toHex(bytesIn(row, 'channel_id')),
    phase: nameIn(row, 'phase'),
    asset,
    funds,
    paid: amountIn(row, 'paid'),
    spent: amountIn(row, 'spent'),
    payments: countIn(row, 'payments'),
    expiresAt,
    deadline: expiresAt + BigInt(graceSeconds),
    stopped: typeof row.stopped === 'string' ? row.stopped : undefined,
  }
}

async function detailsOf(row: Row, reader: Reader, side: Side): Promise<ChannelDetails> {
  const { bank, vendor, network, lockScheme, openedAt } = termsOf(row)
  const counts =
    side === 'client'
      ? []
      : await reader.all(
          `SELECT status, count(*) AS payments FROM payments WHERE shard = ${amountIn(row, 'shard')}
            AND ${reader.isBlob('channel_id', bytesIn(row, 'channel_id'))} GROUP BY status ORDER BY status`,
        )
  const running =
    side === 'client'
      ? []
      : await reader.all(
          `SELECT number FROM payments WHERE shard = ${amountIn(row, 'shard')} AND status = 'running'
            AND ${reader.isBlob('channel_id', bytesIn(row, 'channel_id'))} ORDER BY number LIMIT 1000`,
        )
  const has = (column: string): boolean => row[column] instanceof Uint8Array
  return {
    ...summaryOf(row),
    bank: toHex(bank),
    vendor: toHex(vendor),
    network,
    lockScheme,
    openedAt,
    vendorUrl: typeof row.vendor_url === 'string' ? row.vendor_url : undefined,
    byStatus: Object.fromEntries(counts.map((count) => [nameIn(count, 'status'), countIn(count, 'payments')])),
    running: running.map((payment) => countIn(payment, 'number')),
    hasClosing: has('closing'),
    hasRelease: has('release'),
    hasClaim: has('claim'),
  }
}

function termsOf(row: Row): Terms.Terms {
  const parsed = Terms.parse(bytesIn(row, 'terms'))
  if (!parsed.ok)
    throw new Error(`the terms of channel ${toHex(bytesIn(row, 'channel_id'))} cannot be read: ${parsed.detail}`)
  return parsed.value
}
