import type { Batch } from '../../chain/Chain.ts'
import { all, change, get, type Program, type Row } from '../../sql/program.ts'
import { bytes, count, damaged, integer, optional, text } from '../../sql/rows.ts'
import { unixSeconds } from '../../wire/amount.ts'
import * as Terms from '../../wire/Terms.ts'
import type { Account, BankStore, Closing, RecordedBatch, StoredChannel } from './contract.ts'

/** One database is one shard. */
export const shard = 0

/** What a method of the store resolves to, as a program. */
type Reads<Name extends keyof BankStore> = BankStore[Name] extends (...args: never[]) => Promise<infer T>
  ? Program<T>
  : never

export function* readAccount(account: Uint8Array): Program<Account | undefined> {
  const row = yield* get('SELECT reputation, registered_at FROM accounts WHERE shard = :shard AND account = :account', {
    shard,
    account,
  })
  return row && { account, reputation: count(row, 'reputation'), registeredAt: integer(row, 'registered_at') }
}

export function* readBalance(owner: Uint8Array, asset: string): Program<bigint> {
  const row = yield* get(
    `SELECT balance FROM balances WHERE shard = :shard AND place = 'account' AND owner = :owner AND asset = :asset`,
    { shard, owner, asset },
  )
  return row === undefined ? 0n : integer(row, 'balance')
}

export function* readCommand(account: Uint8Array, id: Uint8Array): Reads<'command'> {
  const row = yield* get(
    'SELECT body_hash, answer, valid_until FROM commands WHERE shard = :shard AND account = :account AND id = :id',
    { shard, account, id },
  )
  if (row === undefined) return undefined
  const validUntil = unixSeconds(integer(row, 'valid_until'))
  return { account, id, bodyHash: bytes(row, 'body_hash'), answer: bytes(row, 'answer'), validUntil }
}

export function* readChannel(channelId: Uint8Array): Program<StoredChannel | undefined> {
  const row = yield* get('SELECT * FROM channels WHERE shard = :shard AND channel_id = :channelId', {
    shard,
    channelId,
  })
  return row && channelOf(row)
}

export function* readHasChannelKey(channelKey: Uint8Array): Program<boolean> {
  const sql = 'SELECT 1 AS found FROM channels WHERE shard = :shard AND channel_key = :channelKey'
  return (yield* get(sql, { shard, channelKey })) !== undefined
}

export function* readRecord(channelId: Uint8Array): Reads<'record'> {
  const row = yield* get(
    `SELECT record, batch, position, recorded_at FROM records LEFT JOIN batches USING (shard, batch)
       WHERE shard = :shard AND channel_id = :channelId`,
    { shard, channelId },
  )
  if (row === undefined) return undefined
  const place = row.batch === null ? undefined : { batch: count(row, 'batch'), index: count(row, 'position') }
  return { record: bytes(row, 'record'), place, recorded: row.recorded_at !== null }
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
  return (
    row && {
      batch: batchOf(row),
      head: bytes(row, 'head'),
      headSignature: bytes(row, 'head_signature'),
      evidence: bytes(row, 'evidence'),
    }
  )
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

function channelOf(row: Row): StoredChannel {
  const encodedTerms = bytes(row, 'terms')
  const terms = Terms.parse(encodedTerms)
  if (!terms.ok) return damaged(terms.detail)
  return {
    channelId: bytes(row, 'channel_id'),
    account: bytes(row, 'account'),
    terms: terms.value,
    encodedTerms,
    commitment: bytes(row, 'commitment'),
    receipt: bytes(row, 'receipt'),
    grant: bytes(row, 'bank_grant'),
    closing: optional(bytes, row, 'close') && closingOf(row),
  }
}

function closingOf(row: Row): Closing {
  return {
    close: bytes(row, 'close'),
    settled: integer(row, 'settled'),
    refund: integer(row, 'refund'),
    basis: text(row, 'basis') as Closing['basis'],
  }
}

function batchOf(row: Row): Batch {
  return { number: count(row, 'batch'), root: bytes(row, 'root'), count: count(row, 'leaf_count') }
}
