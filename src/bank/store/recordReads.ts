import type { Batch } from '../../chain/Chain.ts'
import { all, change, get, type Program, type Row } from '../../sql/program.ts'
import { bytes, count } from '../../sql/rows.ts'
import type { BankStore, RecordedBatch, StoredRecord } from './contract.ts'
import { shard } from './shard.ts'

/** What a method of the store resolves to, as a program. */
type Reads<Name extends keyof BankStore> = BankStore[Name] extends (...args: never[]) => Promise<infer T>
  ? Program<T>
  : never

export function* readRecord(channelId: Uint8Array): Reads<'record'> {
  const row = yield* get(
    `SELECT record, batch, position, recorded_at FROM records LEFT JOIN batches USING (shard, batch)
       WHERE shard = :shard AND channel_id = :channelId`,
    { shard, channelId },
  )
  return row && recordOf(row)
}

export function* readUnbatched(limit: number): Reads<'unbatched'> {
  const rows = yield* all(
    `SELECT channel_id, leaf FROM records WHERE shard = :shard AND batch IS NULL ORDER BY queued_at, leaf LIMIT :limit`,
    { shard, limit },
  )
  return rows.map((row) => ({ channelId: bytes(row, 'channel_id'), leaf: bytes(row, 'leaf') }))
}

export function* readPendingBatch(): Program<Batch | undefined> {
  const row = yield* get('SELECT * FROM batches WHERE shard = :shard AND recorded_at IS NULL', { shard })
  return row && batchOf(row)
}

export function* readRecordedBatch(number: number): Program<RecordedBatch | undefined> {
  const row = yield* get('SELECT * FROM batches WHERE shard = :shard AND batch = :number AND recorded_at IS NOT NULL', {
    shard,
    number,
  })
  return row && recordedOf(row)
}

export function* readLastBatch(): Program<RecordedBatch | undefined> {
  const row = yield* get(
    'SELECT * FROM batches WHERE shard = :shard AND recorded_at IS NOT NULL ORDER BY batch DESC LIMIT 1',
    { shard },
  )
  return row && recordedOf(row)
}

export function* readLeaves(batch: number): Program<readonly Uint8Array[]> {
  const sql = 'SELECT leaf FROM records WHERE shard = :shard AND batch = :batch ORDER BY position'
  return (yield* all(sql, { shard, batch })).map((row) => bytes(row, 'leaf'))
}

export function* readLastLogEntry(): Program<Uint8Array | undefined> {
  const row = yield* get('SELECT entry FROM chain_log WHERE log = :shard ORDER BY sequence DESC LIMIT 1', { shard })
  return row && bytes(row, 'entry')
}

export function* readLogEntries(from: number, limit: number): Program<readonly Uint8Array[]> {
  const rows = yield* all(
    'SELECT entry FROM chain_log WHERE log = :shard AND sequence >= :from ORDER BY sequence LIMIT :limit',
    { shard, from, limit },
  )
  return rows.map((row) => bytes(row, 'entry'))
}

/** Throws where the sequence number is taken. */
export function* appendLogEntry(sequence: number, entry: Uint8Array): Program<void> {
  yield* change('INSERT INTO chain_log (log, sequence, entry) VALUES (:shard, :sequence, :entry)', {
    shard,
    sequence,
    entry,
  })
}

/** The record in a row of `records` beside its batch, if there is one. */
export function recordOf(row: Row): StoredRecord | undefined {
  if (row.record === null) return undefined
  const place = row.batch === null ? undefined : { batch: count(row, 'batch'), index: count(row, 'position') }
  return { record: bytes(row, 'record'), place, recorded: row.recorded_at !== null }
}

function recordedOf(row: Row): RecordedBatch {
  return {
    batch: batchOf(row),
    head: bytes(row, 'head'),
    headSignature: bytes(row, 'head_signature'),
    evidence: bytes(row, 'evidence'),
  }
}

function batchOf(row: Row): Batch {
  return { number: count(row, 'batch'), root: bytes(row, 'root'), count: count(row, 'leaf_count') }
}
