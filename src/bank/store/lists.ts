/** What an account sees of itself, newest first, a page at a time. */

import { all, type Program } from '../../sql/program.ts'
import { bytes, count, integer, text } from '../../sql/rows.ts'
import { amountMax, unixSeconds } from '../../wire/amount.ts'
import type { ChannelCursor, JournalCursor, ListedChannel, NumberedChange, Page, Posting, Role } from './contract.ts'
import { channelOf } from './reads.ts'
import { recordOf } from './recordReads.ts'
import { changeOf } from './scores.ts'
import { shard } from './shard.ts'

const none = new Uint8Array(0)
const newest: JournalCursor = { at: amountMax, kind: '', reference: none, line: 0, side: 0 }

export function* readJournal(account: Uint8Array, page: Page<JournalCursor>): Program<readonly Posting[]> {
  const { before: { at, kind, reference, line, side } = newest, limit } = page
  const rows = yield* all(
    `SELECT * FROM (SELECT * FROM (
         SELECT at, kind, reference, line, 0 AS side, from_place AS place, asset, -amount AS amount FROM transfers
           WHERE shard = :shard AND from_owner = :account AND from_place IN ('account', 'locked') AND at <= :at
             AND (at, kind, reference, line, 0) < (:at, :kind, :reference, :line, :side)
           ORDER BY at DESC, kind DESC, reference DESC, line DESC LIMIT :limit) AS debits
       UNION ALL SELECT * FROM (
         SELECT at, kind, reference, line, 1 AS side, to_place AS place, asset, amount FROM transfers
           WHERE shard = :shard AND to_owner = :account AND to_place IN ('account', 'locked') AND at <= :at
             AND (at, kind, reference, line, 1) < (:at, :kind, :reference, :line, :side)
           ORDER BY at DESC, kind DESC, reference DESC, line DESC LIMIT :limit) AS credits) AS postings
     ORDER BY at DESC, kind DESC, reference DESC, line DESC, side DESC LIMIT :limit`,
    { shard, account, at, kind, reference, line, side, limit },
  )
  return rows.map((row) => ({
    at: unixSeconds(integer(row, 'at')),
    kind: text(row, 'kind') as Posting['kind'],
    reference: bytes(row, 'reference'),
    line: count(row, 'line'),
    side: count(row, 'side'),
    place: text(row, 'place') as Posting['place'],
    asset: text(row, 'asset'),
    amount: integer(row, 'amount'),
  }))
}

export function* readChannels(
  account: Uint8Array,
  role: Role,
  { before, limit }: Page<ChannelCursor>,
): Program<readonly ListedChannel[]> {
  const { openedAt, channelId } = before ?? { openedAt: amountMax, channelId: none }
  const rows = yield* all(
    `SELECT channels.*, record, batch, position, recorded_at FROM channels LEFT JOIN records USING (shard, channel_id)
         LEFT JOIN batches USING (shard, batch)
       WHERE shard = :shard AND ${role === 'client' ? 'account' : 'vendor'} = :account AND opened_at <= :openedAt
         AND (opened_at, channel_id) < (:openedAt, :channelId)
       ORDER BY opened_at DESC, channel_id DESC LIMIT :limit`,
    { shard, account, openedAt, channelId, limit },
  )
  return rows.map((row) => ({
    channel: channelOf(row),
    record: recordOf(row),
    openedAt: integer(row, 'opened_at'),
  }))
}

export function* readReputation(
  account: Uint8Array,
  { before, limit }: Page<number>,
): Program<readonly NumberedChange[]> {
  const rows = yield* all(
    `SELECT number, cause, at, score, channel_id, counterparty FROM reputation
       WHERE shard = :shard AND account = :account AND number < :before ORDER BY number DESC LIMIT :limit`,
    { shard, account, before: before ?? amountMax, limit },
  )
  return rows.map(changeOf)
}
