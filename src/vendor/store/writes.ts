import { get, type Insert, insertAll, insertEach, type Program, type Value } from '../../sql/program.ts'
import { count } from '../../sql/rows.ts'
import type { Batch, ChannelChange, Committed, PaymentChange } from './contract.ts'
import { shardOf } from './shard.ts'

/**
 * Writes a batch. A channel whose lease was lost is left out with all that belongs to it; any other guard that fails means
 * that two writers, or a bug, contradict each other: it throws, and nothing of the batch is written.
 */
export function* commitBatch({ channels, payments }: Batch): Program<Committed> {
  // Always in one order: two nodes that write the same channels never wait for each other.
  const ordered = channels.length > 1 ? channels.toSorted(byChannelId) : channels
  const unwritten = yield* insertEach(channelRows, ordered.map(channelRow))
  const fenced = new Set<string>()
  for (const place of unwritten) {
    const channel = ordered[place]!
    assertFenced(yield* readEpochs(channel.channelId), channel)
    fenced.add(nameOf(channel.channelId))
  }
  const allowed = <Change extends { readonly channelId: Uint8Array }>(changes: readonly Change[]): readonly Change[] =>
    fenced.size === 0 ? changes : changes.filter(({ channelId }) => !fenced.has(nameOf(channelId)))
  const written = allowed(ordered)
  yield* insertAll(openingRows, written.flatMap(openingRowsOf))
  const segments = written.flatMap(segmentRowsOf)
  guard((yield* insertAll(segmentRows, segments)) === segments.length, 'a segment’s highest coin never falls')
  const settled = allowed(payments).map(paymentRow)
  guard((yield* insertAll(paymentRows, settled)) === settled.length, 'a payment is settled once and keeps its bytes')
  return { fenced: ordered.map(({ channelId }) => channelId).filter((channelId) => fenced.has(nameOf(channelId))) }
}

const channelRows: Insert = {
  table: 'channels',
  columns: {
    shard: 'integer',
    channel_id: 'blob',
    reference: 'blob',
    commitment: 'blob',
    phase: 'text',
    suspended: 'text',
    strikes: 'integer',
    paid: 'integer',
    spent: 'integer',
    contiguous: 'integer',
    transcript: 'blob',
    amount: 'integer',
    closing: 'blob',
    release: 'blob',
    claim: 'blob',
    epoch: 'integer',
    deadline: 'integer',
    locks: 'blob',
  },
  key: ['shard', 'channel_id'],
  // A row that is there has its epoch in it; for the first one, the lease tells. A first one brings its terms.
  guard: `given.epoch = coalesce(
      (SELECT leases.epoch FROM leases WHERE leases.shard = given.shard AND leases.channel_id = given.channel_id), 0)
    AND (given.deadline > 0 OR EXISTS
      (SELECT 1 FROM channels WHERE channels.shard = given.shard AND channels.channel_id = given.channel_id))`,
  onConflict: `ON CONFLICT (shard, channel_id) DO UPDATE SET phase = excluded.phase, suspended = excluded.suspended,
      strikes = excluded.strikes, paid = excluded.paid, spent = excluded.spent, contiguous = excluded.contiguous,
      transcript = excluded.transcript, amount = excluded.amount, closing = excluded.closing,
      release = excluded.release, claim = excluded.claim,
      deadline = CASE excluded.deadline WHEN 0 THEN channels.deadline ELSE excluded.deadline END,
      locks = excluded.locks
    WHERE excluded.epoch = channels.epoch AND excluded.paid >= channels.paid AND excluded.spent >= channels.spent
      AND excluded.contiguous >= channels.contiguous`,
}

const openingRows: Insert = {
  table: 'openings',
  columns: { shard: 'integer', channel_id: 'blob', terms: 'blob', bank_grant: 'blob' },
  key: ['shard', 'channel_id'],
  onConflict: 'ON CONFLICT (shard, channel_id) DO NOTHING',
}

const segmentRows: Insert = {
  table: 'segments',
  columns: {
    shard: 'integer',
    channel_id: 'blob',
    number: 'integer',
    checkpoint: 'blob',
    step: 'integer',
    coin: 'blob',
  },
  key: ['shard', 'channel_id', 'number'],
  onConflict: `ON CONFLICT (shard, channel_id, number) DO UPDATE SET step = excluded.step, coin = excluded.coin
    WHERE excluded.step >= segments.step`,
}

const paymentRows: Insert = {
  table: 'payments',
  columns: {
    shard: 'integer',
    channel_id: 'blob',
    number: 'integer',
    segment: 'integer',
    amount: 'integer',
    digest: 'blob',
    core: 'blob',
    status: 'text',
    charged: 'integer',
    answer_status: 'integer',
    answer_headers: 'text',
    answer_body: 'blob',
    answered_at: 'integer',
  },
  key: ['shard', 'channel_id', 'number'],
  onConflict: `ON CONFLICT (shard, channel_id, number) DO UPDATE SET status = excluded.status,
      charged = excluded.charged, answer_status = excluded.answer_status, answer_headers = excluded.answer_headers,
      answer_body = excluded.answer_body, answered_at = excluded.answered_at
    WHERE payments.status IN ('accepted', 'running') AND excluded.core = payments.core`,
}

function channelRow(channel: ChannelChange): readonly Value[] {
  const { channelId, terms } = channel
  return [
    shardOf(channelId),
    channelId,
    channelId.subarray(0, 16),
    channel.commitment,
    channel.phase,
    channel.suspended ?? null,
    channel.strikes,
    channel.paid,
    channel.spent,
    channel.contiguous,
    channel.transcript,
    channel.amount,
    channel.closing ?? null,
    channel.release ?? null,
    channel.claim ?? null,
    channel.epoch ?? 0,
    terms === undefined ? 0n : deadlineOf(terms),
    channel.locks ?? null,
  ]
}

function openingRowsOf({ channelId, terms, grant }: ChannelChange): readonly (readonly Value[])[] {
  return terms === undefined ? [] : [[shardOf(channelId), channelId, terms, grant]]
}

function segmentRowsOf({ channelId, segments }: ChannelChange): readonly (readonly Value[])[] {
  return segments.map(({ number, checkpoint, step, coin }) => [
    shardOf(channelId),
    channelId,
    number,
    checkpoint ?? null,
    step,
    coin,
  ])
}

function paymentRow(payment: PaymentChange): readonly Value[] {
  const { channelId, answer, answeredAt = 0n } = payment
  return [
    shardOf(channelId),
    channelId,
    payment.index,
    payment.segment,
    payment.amount,
    payment.digest,
    payment.core,
    payment.status,
    payment.charged,
    answer?.status ?? null,
    answer === undefined ? null : JSON.stringify(answer.headers),
    answer?.body ?? null,
    answer === undefined ? null : answeredAt,
  ]
}

/** `expiresAt + graceSeconds` of encoded terms, in which they have fixed places: parsing checks keys, at every commit. */
export function deadlineOf(terms: Uint8Array): bigint {
  const view = new DataView(terms.buffer, terms.byteOffset, terms.byteLength)
  return view.getBigUint64(32) + BigInt(view.getUint32(4))
}

interface Epochs {
  readonly leased: number
  readonly stored: number | undefined
}

function* readEpochs(channelId: Uint8Array): Program<Epochs> {
  const place = { shard: shardOf(channelId), channelId }
  const lease = yield* get('SELECT epoch FROM leases WHERE shard = :shard AND channel_id = :channelId', place)
  const channel = yield* get('SELECT epoch FROM channels WHERE shard = :shard AND channel_id = :channelId', place)
  return { leased: lease ? count(lease, 'epoch') : 0, stored: channel && count(channel, 'epoch') }
}

function assertFenced({ leased, stored = leased }: Epochs, { epoch = 0 }: ChannelChange): void {
  guard(epoch !== leased || epoch !== stored, 'a channel’s paid, spent and prefix never fall')
}

function guard(holds: boolean, law: string): void {
  if (!holds) throw new Error(`the store refused a write: ${law}`)
}

function byChannelId(left: ChannelChange, right: ChannelChange): number {
  return Buffer.compare(left.channelId, right.channelId)
}

function nameOf(channelId: Uint8Array): string {
  return Buffer.from(channelId).toString('latin1')
}
