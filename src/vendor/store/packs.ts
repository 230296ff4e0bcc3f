import { isZero } from '../../crypto/bytes.ts'
import { assert } from '../../protocol/assert.ts'
import { all, change, get, type Program, type Row } from '../../sql/program.ts'
import { bytes, count, damaged, integer, text } from '../../sql/rows.ts'
import * as Transaction from '../../wire/Transaction.ts'
import * as Transcript from '../../wire/Transcript.ts'
import type { PaymentStatus, StoredPayment, StoredReceipt } from './contract.ts'
import { shardOf } from './shard.ts'

/**
 * Payments of a closed channel, one after the other in one row:
 *
 * | at | bytes | what |
 * | --- | --- | --- |
 * | 0 | 2 | size of the core |
 * | 2 | 1 | status, in the order of `statuses` |
 * | 3 | 8 | charged, base units |
 * | 11 | 64 | `σ_i`, zeros where it was not opened |
 * | 75 | 188 or 220 | `core_i`, which holds index, amount, digest and segment |
 */
const headSize = 75
const receiptSize = 64
const statuses: readonly PaymentStatus[] = ['accepted', 'running', 'charged', 'released']

/** Payments in one row. */
export const packLength = 1024

/** Packs payments of a closed channel from index `from` on into one row, and tells whether there are more after them. */
export function* packNext(channelId: Uint8Array, from: number, receipts: readonly Uint8Array[]): Program<boolean> {
  const place = { shard: shardOf(channelId), channelId }
  const closed = yield* get(
    `SELECT 1 AS found FROM channels WHERE shard = :shard AND channel_id = :channelId AND phase = 'closed'`,
    place,
  )
  assert(closed !== undefined, 'only a closed channel is packed')
  const range = { ...place, from, to: from + packLength - 1 }
  const rows = yield* all(
    `SELECT number, core, status, charged FROM payments WHERE shard = :shard AND channel_id = :channelId
       AND number BETWEEN :from AND :to ORDER BY number`,
    range,
  )
  const isLeft = yield* get(
    'SELECT 1 AS found FROM payments WHERE shard = :shard AND channel_id = :channelId AND number > :to LIMIT 1',
    { ...place, to: range.to },
  )
  const payments = rows.map(receiptOf).map((payment) => ({ ...payment, receipt: receipts[payment.index - from] }))
  const [first, last] = [payments[0]?.index, payments.at(-1)?.index]
  if (first === undefined || last === undefined) return isLeft !== undefined
  yield* change(
    `INSERT INTO packs (shard, channel_id, first_number, last_number, payments)
       VALUES (:shard, :channelId, :first, :last, :packed)`,
    { ...place, first, last, packed: encode(payments) },
  )
  yield* change(
    'DELETE FROM payments WHERE shard = :shard AND channel_id = :channelId AND number BETWEEN :from AND :to',
    range,
  )
  return isLeft !== undefined
}

export function* readReceipts(channelId: Uint8Array, from: number): Program<readonly StoredReceipt[]> {
  const place = { shard: shardOf(channelId), channelId, from }
  const pack = yield* get(
    `SELECT payments FROM packs WHERE shard = :shard AND channel_id = :channelId AND last_number >= :from
       ORDER BY first_number LIMIT 1`,
    place,
  )
  if (pack !== undefined) return decode(bytes(pack, 'payments')).filter(({ index }) => index >= from)
  const rows = yield* all(
    `SELECT number, core, status, charged FROM payments WHERE shard = :shard AND channel_id = :channelId
       AND number >= :from ORDER BY number LIMIT :limit`,
    { ...place, limit: packLength },
  )
  return rows.map(receiptOf)
}

export function* readPackedCores(
  channelId: Uint8Array,
  { first, last }: { readonly first: number; readonly last: number },
): Program<readonly Uint8Array[]> {
  const rows = yield* all(
    `SELECT payments FROM packs WHERE shard = :shard AND channel_id = :channelId AND first_number <= :last
       AND last_number >= :first ORDER BY first_number`,
    { shard: shardOf(channelId), channelId, first, last },
  )
  const packed = rows.flatMap((row) => decode(bytes(row, 'payments')))
  return packed.filter(({ index }) => index >= first && index <= last).map(({ core }) => core)
}

export function* readPackedPayment(channelId: Uint8Array, index: number): Program<StoredPayment | undefined> {
  const row = yield* get(
    `SELECT payments FROM packs WHERE shard = :shard AND channel_id = :channelId AND first_number <= :index
       AND last_number >= :index`,
    { shard: shardOf(channelId), channelId, index },
  )
  const found = row && decode(bytes(row, 'payments')).find((payment) => payment.index === index)
  if (found === undefined) return undefined
  const { core, status, charged } = found
  return { channelId, ...fieldsOf(core), core, status, charged, answer: undefined }
}

function receiptOf(row: Row): StoredReceipt {
  return {
    index: count(row, 'number'),
    core: bytes(row, 'core'),
    status: text(row, 'status') as PaymentStatus,
    charged: integer(row, 'charged'),
    receipt: undefined,
  }
}

function encode(payments: readonly StoredReceipt[]): Uint8Array {
  const packed = new Uint8Array(payments.reduce((size, { core }) => size + headSize + core.length, 0))
  const view = new DataView(packed.buffer)
  let at = 0
  for (const { core, status, charged, receipt } of payments) {
    view.setUint16(at, core.length)
    view.setUint8(at + 2, statuses.indexOf(status))
    view.setBigUint64(at + 3, charged)
    packed.set(receipt ?? new Uint8Array(receiptSize), at + 11)
    packed.set(core, at + headSize)
    at += headSize + core.length
  }
  return packed
}

function decode(packed: Uint8Array): readonly StoredReceipt[] {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength)
  const payments: StoredReceipt[] = []
  for (let at = 0; at < packed.length; ) {
    const end = at + headSize <= packed.length ? at + headSize + view.getUint16(at) : Number.POSITIVE_INFINITY
    const status = statuses[packed[at + 2]!]
    if (end > packed.length || status === undefined) return damaged('a row of packed payments is cut or overwritten')
    const core = packed.slice(at + headSize, end)
    const receipt = packed.slice(at + 11, at + headSize)
    payments.push({
      index: fieldsOf(core).index,
      core,
      status,
      charged: view.getBigUint64(at + 3),
      receipt: isZero(receipt) ? undefined : receipt,
    })
    at = end
  }
  return payments
}

/** What a core says of its payment. */
function fieldsOf(core: Uint8Array): Pick<StoredPayment, 'index' | 'segment' | 'amount' | 'digest'> {
  const parsed = Transcript.coreLayout(core.length - coreSizeWithoutLock).parse(core)
  const transaction = parsed.ok ? Transaction.transactionLayout.parse(parsed.value.transaction) : parsed
  if (!parsed.ok || !transaction.ok) return damaged('a packed payment cannot be read')
  const { index, amount, digest } = transaction.value
  return { index, segment: parsed.value.segment, amount, digest }
}

const coreSizeWithoutLock = Transcript.coreLayout(32).size - 32
