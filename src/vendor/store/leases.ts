import { change, get, type Program, type Update, updateAll } from '../../sql/program.ts'
import { count, integer, text } from '../../sql/rows.ts'
import { type UnixSeconds, unixSeconds } from '../../wire/amount.ts'
import type { HeldBy, HeldLease, Lease, LeaseRequest } from './contract.ts'
import { shardOf } from './shard.ts'

/**
 * Takes a lease that is free, over, or the node's own, under the next epoch. The channel's row takes the epoch in the same
 * transaction: a commit under an older one waits for that, or is waited for, and finds its epoch gone.
 */
export function* acquireLease({ channelId, node, now, ttl }: LeaseRequest): Program<Lease | HeldBy> {
  const place = { shard: shardOf(channelId), channelId }
  const until = now + BigInt(ttl)
  const taken = yield* change(
    `INSERT INTO leases (shard, channel_id, node, epoch, held_until) VALUES (:shard, :channelId, :node, 1, :until)
       ON CONFLICT (shard, channel_id) DO UPDATE
         SET node = excluded.node, epoch = leases.epoch + 1, held_until = excluded.held_until
         WHERE leases.held_until <= :now OR leases.node = excluded.node`,
    { ...place, node, until, now },
  )
  const lease = (yield* get(
    'SELECT node, epoch, held_until FROM leases WHERE shard = :shard AND channel_id = :channelId',
    place,
  ))!
  const heldUntil = unixSeconds(integer(lease, 'held_until'))
  if (taken === 0) return { ok: false, node: text(lease, 'node'), until: heldUntil }
  const epoch = count(lease, 'epoch')
  yield* change('UPDATE channels SET epoch = :epoch WHERE shard = :shard AND channel_id = :channelId', {
    ...place,
    epoch,
  })
  return { ok: true, channelId, epoch, until: heldUntil }
}

export function* renewLeases(
  node: string,
  leases: readonly HeldLease[],
  until: UnixSeconds,
): Program<readonly Uint8Array[]> {
  const rows = leases.map(({ channelId, epoch }) => [shardOf(channelId), channelId, node, epoch, until])
  if ((yield* updateAll(prolong, rows)) === rows.length) return []
  const lost: Uint8Array[] = []
  for (const { channelId, epoch } of leases) {
    const row = yield* get('SELECT node, epoch FROM leases WHERE shard = :shard AND channel_id = :channelId', {
      shard: shardOf(channelId),
      channelId,
    })
    if (row === undefined || text(row, 'node') !== node || count(row, 'epoch') !== epoch) lost.push(channelId)
  }
  return lost
}

const prolong: Update = {
  table: 'leases',
  columns: { shard: 'integer', channel_id: 'blob', node: 'text', epoch: 'integer', held_until: 'integer' },
  key: ['shard', 'channel_id', 'node', 'epoch'],
  guard: 'true',
}

/** Ends the leases and their epochs: not even this node writes under them any more. */
export function* relinquishLeases(node: string, leases: readonly HeldLease[]): Program<void> {
  const rows = leases.map(({ channelId, epoch }) => [shardOf(channelId), channelId, epoch])
  yield* updateAll(
    endLeases,
    rows.map((row) => [...row, node]),
  )
  yield* updateAll(endEpochs, rows)
}

const epochKey = { shard: 'integer', channel_id: 'blob', epoch: 'integer' } as const

const endLeases: Update = {
  table: 'leases',
  columns: { ...epochKey, node: 'text' },
  key: ['shard', 'channel_id', 'epoch', 'node'],
  set: 'held_until = 0, epoch = leases.epoch + 1',
  guard: 'true',
}

const endEpochs: Update = {
  table: 'channels',
  columns: epochKey,
  key: ['shard', 'channel_id', 'epoch'],
  set: 'epoch = channels.epoch + 1',
  guard: `EXISTS (SELECT 1 FROM leases WHERE leases.shard = channels.shard AND leases.channel_id = channels.channel_id
    AND leases.epoch = channels.epoch + 1)`,
}
