import { equal } from '../../crypto/bytes.ts'
import { all, get, type Program, type Row } from '../../sql/program.ts'
import { bytes, count, damaged, integer, optional, text } from '../../sql/rows.ts'
import { type UnixSeconds, unixSeconds } from '../../wire/amount.ts'
import * as Terms from '../../wire/Terms.ts'
import type { Answer, DueChannel, PaymentStatus, StoredChannel, StoredPayment, StoredSegment } from './contract.ts'
import { readPackedCores, readPackedPayment } from './packs.ts'
import { shardOf } from './shard.ts'

export function* readChannel(reference: Uint8Array): Program<StoredChannel | undefined> {
  const row = yield* get(
    `SELECT channels.*, openings.terms, openings.bank_grant FROM channels LEFT JOIN openings
         ON openings.shard = channels.shard AND openings.channel_id = channels.channel_id
       WHERE channels.shard = :shard AND channels.reference = :reference`,
    { shard: shardOf(reference), reference },
  )
  if (row === undefined) return undefined
  const channelId = bytes(row, 'channel_id')
  const place = { shard: shardOf(channelId), channelId, contiguous: integer(row, 'contiguous') }
  const segments = yield* all(
    `SELECT * FROM segments WHERE shard = :shard AND channel_id = :channelId AND number >= coalesce(
       (SELECT segment FROM payments WHERE shard = :shard AND channel_id = :channelId AND number = :contiguous), 0)
     ORDER BY number`,
    place,
  )
  const ahead = yield* all(
    'SELECT * FROM payments WHERE shard = :shard AND channel_id = :channelId AND number > :contiguous ORDER BY number',
    place,
  )
  return channelOf(row, segments.map(segmentOf), ahead.map(paymentOf))
}

export function* readPayment(channelId: Uint8Array, index: number): Program<StoredPayment | undefined> {
  const row = yield* get(
    'SELECT * FROM payments WHERE shard = :shard AND channel_id = :channelId AND number = :index',
    { shard: shardOf(channelId), channelId, index },
  )
  return row === undefined ? yield* readPackedPayment(channelId, index) : paymentOf(row)
}

export function* readCores(channelId: Uint8Array, last: number, first = 1): Program<readonly Uint8Array[]> {
  const rows = yield* all(
    `SELECT core FROM payments WHERE shard = :shard AND channel_id = :channelId AND number BETWEEN :first AND :last
       ORDER BY number`,
    { shard: shardOf(channelId), channelId, first, last },
  )
  return [...(yield* readPackedCores(channelId, { first, last })), ...rows.map((row) => bytes(row, 'core'))]
}

export function* readCheckpoints(channelId: Uint8Array): Program<readonly Uint8Array[]> {
  const rows = yield* all(
    'SELECT checkpoint FROM segments WHERE shard = :shard AND channel_id = :channelId AND number > 0 ORDER BY number',
    { shard: shardOf(channelId), channelId },
  )
  return rows.map((row) => bytes(row, 'checkpoint'))
}

export function* readUnsettled(): Program<readonly Uint8Array[]> {
  const rows = yield* all(`SELECT reference FROM channels WHERE phase = 'closing' OR (phase = 'open' AND paid > 0)`)
  return rows.map((row) => bytes(row, 'reference'))
}

export function* readDue(until: UnixSeconds, limit: number): Program<readonly DueChannel[]> {
  const rows = yield* all(
    `SELECT reference, deadline FROM channels
       WHERE phase <> 'closed' AND (phase = 'closing' OR (deadline <= :until AND paid > 0)) ORDER BY deadline, reference LIMIT :limit`,
    { until, limit },
  )
  return rows.map((row) => ({
    reference: bytes(row, 'reference'),
    deadline: unixSeconds(integer(row, 'deadline')),
  }))
}

export function* readUnpacked(limit: number): Program<readonly Uint8Array[]> {
  const rows = yield* all(
    `SELECT reference FROM channels WHERE phase = 'closed' AND EXISTS (SELECT 1 FROM payments
       WHERE payments.shard = channels.shard AND payments.channel_id = channels.channel_id) LIMIT :limit`,
    { limit },
  )
  return rows.map((row) => bytes(row, 'reference'))
}

export function* readRunning(): Program<readonly StoredPayment[]> {
  const rows = yield* all(`SELECT * FROM payments WHERE status = 'running' ORDER BY shard, channel_id, number`)
  return rows.map(paymentOf)
}

export function* readRestoredAt(): Program<UnixSeconds | undefined> {
  const row = yield* get('SELECT max(restored_at) AS restored_at FROM restorations WHERE shard = 0')
  const at = row && optional(integer, row, 'restored_at')
  return at === undefined ? undefined : unixSeconds(at)
}

/** A channel whose terms do not give its id has been changed on the disk. */
function channelOf(row: Row, segments: readonly StoredSegment[], ahead: readonly StoredPayment[]): StoredChannel {
  const channelId = bytes(row, 'channel_id')
  const terms = bytes(row, 'terms')
  if (!equal(Terms.channelId(terms), channelId)) return damaged('the terms of a channel are not those it is named for')
  return {
    channelId,
    terms,
    commitment: bytes(row, 'commitment'),
    grant: bytes(row, 'bank_grant'),
    phase: text(row, 'phase') as StoredChannel['phase'],
    suspended: optional(text, row, 'suspended'),
    strikes: count(row, 'strikes'),
    paid: integer(row, 'paid'),
    spent: integer(row, 'spent'),
    contiguous: count(row, 'contiguous'),
    transcript: bytes(row, 'transcript'),
    amount: integer(row, 'amount'),
    segments,
    ahead,
    closing: optional(bytes, row, 'closing'),
    release: optional(bytes, row, 'release'),
    claim: optional(bytes, row, 'claim'),
    locks: optional(bytes, row, 'locks'),
    epoch: count(row, 'epoch'),
  }
}

function segmentOf(row: Row): StoredSegment {
  return {
    number: count(row, 'number'),
    checkpoint: optional(bytes, row, 'checkpoint'),
    step: count(row, 'step'),
    coin: bytes(row, 'coin'),
  }
}

function paymentOf(row: Row): StoredPayment {
  return {
    channelId: bytes(row, 'channel_id'),
    index: count(row, 'number'),
    segment: count(row, 'segment'),
    amount: integer(row, 'amount'),
    digest: bytes(row, 'digest'),
    core: bytes(row, 'core'),
    status: text(row, 'status') as PaymentStatus,
    charged: integer(row, 'charged'),
    answer: answerOf(row),
  }
}

function answerOf(row: Row): Answer | undefined {
  if (row.answer_status === null) return undefined
  return {
    status: count(row, 'answer_status'),
    headers: headersOf(text(row, 'answer_headers')),
    body: bytes(row, 'answer_body'),
  }
}

function headersOf(json: string): Answer['headers'] {
  try {
    return JSON.parse(json) as Answer['headers']
  } catch {
    return damaged('the headers of an answer cannot be read')
  }
}
