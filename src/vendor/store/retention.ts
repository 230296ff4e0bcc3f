import { all, change, get, type Program } from '../../sql/program.ts'
import { bytes, integer } from '../../sql/rows.ts'
import { type UnixSeconds, unixSeconds } from '../../wire/amount.ts'
import { shardOf } from './shard.ts'

/** Removes a closed channel, or one that was never paid, and leaves a tombstone where it could still be shown again. */
export function* forgetChannel(channelId: Uint8Array, now: UnixSeconds): Program<boolean> {
  const place = { shard: shardOf(channelId), channelId }
  const channel = yield* get(
    `SELECT deadline FROM channels WHERE shard = :shard AND channel_id = :channelId
       AND (phase = 'closed' OR (paid = 0 AND deadline < :now))`,
    { ...place, now },
  )
  if (channel === undefined) return false
  const deadline = integer(channel, 'deadline')
  if (deadline >= now) yield* buryChannel(channelId, unixSeconds(deadline))
  for (const table of ['packs', 'payments', 'segments', 'openings', 'leases', 'channels']) {
    yield* change(`DELETE FROM ${table} WHERE shard = :shard AND channel_id = :channelId`, place)
  }
  return true
}

export function* pruneChannels(before: UnixSeconds, limit: number): Program<number> {
  const rows = yield* all(
    `SELECT channel_id FROM channels WHERE deadline < :before AND (phase = 'closed' OR paid = 0) LIMIT :limit`,
    { before, limit },
  )
  for (const row of rows) yield* forgetChannel(bytes(row, 'channel_id'), before)
  yield* change('DELETE FROM tombstones WHERE buried_until < :before', { before })
  return rows.length
}

export function* forgetAnswers(before: UnixSeconds, limit: number): Program<number> {
  return yield* change(
    `UPDATE payments SET answer_status = NULL, answer_headers = NULL, answer_body = NULL, answered_at = NULL
       WHERE (shard, channel_id, number) IN
         (SELECT shard, channel_id, number FROM payments WHERE answered_at < :before LIMIT :limit)`,
    { before, limit },
  )
}

export function* buryChannel(channelId: Uint8Array, until: UnixSeconds): Program<void> {
  yield* change(
    `INSERT INTO tombstones (shard, reference, buried_until) VALUES (:shard, :reference, :until)
       ON CONFLICT (shard, reference) DO UPDATE SET buried_until = excluded.buried_until
         WHERE excluded.buried_until > tombstones.buried_until`,
    { shard: shardOf(channelId), reference: channelId.subarray(0, 16), until },
  )
}

export function* readTombstone(reference: Uint8Array): Program<UnixSeconds | undefined> {
  const row = yield* get('SELECT buried_until FROM tombstones WHERE shard = :shard AND reference = :reference', {
    shard: shardOf(reference),
    reference,
  })
  return row && unixSeconds(integer(row, 'buried_until'))
}
