import { change, get, type Insert, insertAll, type Program, type Update, updateAll } from '../../sql/program.ts'
import { integer } from '../../sql/rows.ts'
import { StoreError } from '../../sql/storeError.ts'
import type { Answered, ChannelState, Outcome, ProposedChannel, StoredPayment } from './contract.ts'
import { shardOf } from './shard.ts'

/** Gives the number of this commit. `generation` is the writer's, where it has one. */
export function* writeProposed(generation: bigint | undefined, proposed: ProposedChannel): Program<bigint> {
  const commits = yield* countCommit(generation)
  const { channelId, vendorUrl, bankUrl, terms, open, channelKey, channelSeed } = proposed
  const place = { shard: shardOf(channelId), channelId }
  yield* change(
    `INSERT INTO channels (shard, channel_id, vendor_url, bank_url, terms, open)
       VALUES (:shard, :channelId, :vendorUrl, :bankUrl, :terms, :open)`,
    { ...place, vendorUrl, bankUrl, terms, open },
  )
  yield* change(
    `INSERT INTO secrets (shard, channel_id, channel_key, channel_seed)
       VALUES (:shard, :channelId, :channelKey, :channelSeed)`,
    { ...place, channelKey, channelSeed },
  )
  return commits
}

/** A channel as it now stands, and the payments that were made since. */
export interface Change {
  readonly channelId: Uint8Array
  readonly state: ChannelState
  readonly payments: readonly StoredPayment[]
  readonly answered: readonly Answered[]
}

export function* writeChange(
  generation: bigint | undefined,
  { channelId, state, payments, answered }: Change,
): Program<bigint> {
  const commits = yield* countCommit(generation)
  const maySign = yield* get(
    `SELECT 1 AS found FROM channels WHERE shard = :shard AND channel_id = :channelId AND retired IS NULL
       AND NOT EXISTS (SELECT 1 FROM outcomes WHERE outcomes.shard = :shard AND outcomes.channel_id = :channelId)`,
    { shard: shardOf(channelId), channelId },
  )
  if (maySign === undefined) throw new Error('nothing is signed on a channel that is retired, ended or unknown')
  yield* upsertState(channelId, state)
  yield* insertPayments(channelId, payments)
  if (state.index > 0) yield* assertStored(channelId, payments[0]?.index ?? state.index, state.index)
  yield* updateCharged(channelId, answered)
  return commits
}

export function* writeNote(generation: bigint | undefined, name: string, value: string): Program<bigint> {
  const commits = yield* countCommit(generation)
  yield* change(
    `INSERT INTO notes (shard, name, value) VALUES (0, :name, :value)
     ON CONFLICT (shard, name) DO UPDATE SET value = excluded.value`,
    { name, value },
  )
  return commits
}

export function* writeOutcome(
  generation: bigint | undefined,
  channelId: Uint8Array,
  { status, settled, refund, returned }: Outcome,
): Program<bigint> {
  const commits = yield* countCommit(generation)
  yield* change(
    `INSERT INTO outcomes (shard, channel_id, status, settled, refund, returned)
       VALUES (:shard, :channelId, :status, :settled, :refund, :returned) ON CONFLICT (shard, channel_id) DO NOTHING`,
    { shard: shardOf(channelId), channelId, status, settled, refund, returned },
  )
  return commits
}

/** Starts a generation. Whoever wrote under an older one is refused from here on. */
export function* raiseGeneration(from: bigint, to: bigint): Program<void> {
  const raised = yield* change('UPDATE generations SET generation = :to WHERE shard = 0 AND generation = :from', {
    from,
    to,
  })
  if (raised === 0) throw taken()
}

/** Nothing is signed any more on the channels that are in the journal now. */
export function* retireChannels(reason: string): Program<number> {
  return yield* change(
    `UPDATE channels SET retired = :reason WHERE retired IS NULL AND NOT EXISTS (SELECT 1 FROM outcomes
       WHERE outcomes.shard = channels.shard AND outcomes.channel_id = channels.channel_id)`,
    { reason },
  )
}

function* countCommit(generation: bigint | undefined): Program<bigint> {
  const row =
    generation === undefined
      ? yield* get('UPDATE generations SET commits = commits + 1 WHERE shard = 0 RETURNING commits')
      : yield* get(
          'UPDATE generations SET commits = commits + 1 WHERE shard = 0 AND generation = :generation RETURNING commits',
          { generation },
        )
  if (row === undefined) throw taken()
  return integer(row, 'commits')
}

function* upsertState(channelId: Uint8Array, state: ChannelState): Program<void> {
  const { segment } = state
  // An older state never replaces a newer one: a revealed coin stays revealed.
  const written = yield* change(
    `INSERT INTO states (shard, channel_id, opened, number, transcript, receipt, paid, segment, base, unit_price, length,
       since, step, checkpoint, agreed, acknowledged, frozen, closing, release, day, paid_before)
     VALUES (:shard, :channelId, :opened, :number, :transcript, :receipt, :paid, :segment, :base, :unitPrice, :length,
       :since, :step, :checkpoint, :agreed, :acknowledged, :frozen, :closing, :release, :day, :paidBefore)
     ON CONFLICT (shard, channel_id) DO UPDATE SET number = excluded.number, transcript = excluded.transcript,
       receipt = excluded.receipt, paid = excluded.paid, segment = excluded.segment, base = excluded.base,
       unit_price = excluded.unit_price, length = excluded.length, since = excluded.since, step = excluded.step,
       checkpoint = excluded.checkpoint, agreed = excluded.agreed, acknowledged = excluded.acknowledged,
       frozen = coalesce(excluded.frozen, states.frozen), closing = excluded.closing, release = excluded.release,
       day = excluded.day, paid_before = excluded.paid_before
     WHERE excluded.number >= states.number AND excluded.paid >= states.paid AND excluded.agreed >= states.agreed`,
    {
      shard: shardOf(channelId),
      channelId,
      opened: state.opened,
      number: state.index,
      transcript: state.transcript,
      receipt: state.receipt,
      paid: state.paid,
      segment: segment.number,
      base: segment.base,
      unitPrice: segment.unitPrice,
      length: segment.length,
      since: segment.index,
      step: segment.step,
      checkpoint: state.checkpoint ?? null,
      agreed: state.agreed,
      acknowledged: state.acknowledged,
      frozen: state.frozen ?? null,
      closing: state.closing ?? null,
      release: state.release ?? null,
      day: state.today?.day ?? 0n,
      paidBefore: state.today?.before ?? 0n,
    },
  )
  if (written === 0) throw new Error('the journal holds a newer state of this channel: is another process using it?')
}

/**
 * Writes may be on their way when one before them fails: none counts a payment that is not here, and could not be resent. What is here
 * from the payment before the first to the last is all there is to know.
 */
function* assertStored(channelId: Uint8Array, first: number, last: number): Program<void> {
  const from = Math.max(1, first - 1)
  const row = yield* get(
    `SELECT count(*) AS stored FROM payments
       WHERE shard = :shard AND channel_id = :channelId AND number BETWEEN :from AND :last`,
    { shard: shardOf(channelId), channelId, from, last },
  )
  if (integer(row ?? {}, 'stored') < BigInt(last - from + 1)) {
    throw new StoreError(`A payment before ${last}, or it, could not be stored, and so nothing after that is.`)
  }
}

function insertPayments(channelId: Uint8Array, payments: readonly StoredPayment[]): Program<number> {
  const shard = shardOf(channelId)
  const rows = payments.map(({ index, price, frame, checkpoint = null, core, receipt, bought }) => {
    const { method, target } = bought ?? { method: null, target: null }
    return [shard, channelId, index, price, frame, checkpoint, core, receipt, method, target]
  })
  return insertAll(paymentRows, rows)
}

/** A payment is made once: one that is there already is no conflict to be settled, but an end of the commit. */
const paymentRows: Insert = {
  table: 'payments',
  columns: {
    shard: 'integer',
    channel_id: 'blob',
    number: 'integer',
    price: 'integer',
    frame: 'blob',
    checkpoint: 'blob',
    core: 'blob',
    receipt: 'blob',
    method: 'text',
    target: 'text',
  },
  key: ['shard', 'channel_id', 'number'],
  onConflict: '',
}

function updateCharged(channelId: Uint8Array, answered: readonly Answered[]): Program<number> {
  const shard = shardOf(channelId)
  const rows = answered.map(({ index, charged }) => [shard, channelId, index, charged])
  return updateAll(chargedRows, rows)
}

const chargedRows: Update = {
  table: 'payments',
  columns: { shard: 'integer', channel_id: 'blob', number: 'integer', charged: 'integer' },
  key: ['shard', 'channel_id', 'number'],
  guard: 'TRUE',
}

function taken(): StoreError {
  return new StoreError('Another process has opened this journal since. Nothing was written: stop one of the two.', {
    fault: 'held',
  })
}
