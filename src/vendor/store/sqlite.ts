import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { openDatabase } from '../../sqlite/open.ts'
import type {
  Answer,
  Batch,
  PaymentStatus,
  StoredChannel,
  StoredPayment,
  StoredSegment,
  VendorStore,
} from './contract.ts'
import { migrations } from './schema.ts'

/** A vendor's store in one SQLite file (`:memory:` for a vendor that may forget). */
export function sqliteVendorStore(path: string): VendorStore {
  return new SqliteVendorStore(openDatabase(path, 'vendor', migrations))
}

type Row = Record<string, unknown>

class SqliteVendorStore implements VendorStore {
  readonly #db: DatabaseSync
  readonly #channel: StatementSync
  readonly #segments: StatementSync
  readonly #checkpoints: StatementSync
  readonly #ahead: StatementSync
  readonly #payment: StatementSync
  readonly #cores: StatementSync
  readonly #unsettled: StatementSync
  readonly #putChannel: StatementSync
  readonly #putSegment: StatementSync
  readonly #putPayment: StatementSync

  constructor(db: DatabaseSync) {
    this.#db = db
    this.#channel = read(db, 'SELECT * FROM channels WHERE shard = ? AND reference = ?')
    this.#segments = read(
      db,
      `SELECT * FROM segments WHERE shard = :shard AND channel_id = :channel AND number >= coalesce(
        (SELECT segment FROM payments WHERE shard = :shard AND channel_id = :channel AND number = :contiguous), 0)
      ORDER BY number`,
    )
    this.#checkpoints = read(
      db,
      'SELECT checkpoint FROM segments WHERE shard = ? AND channel_id = ? AND number > 0 ORDER BY number',
    )
    this.#ahead = read(db, 'SELECT * FROM payments WHERE shard = ? AND channel_id = ? AND number > ? ORDER BY number')
    this.#payment = read(db, 'SELECT * FROM payments WHERE shard = ? AND channel_id = ? AND number = ?')
    this.#cores = read(
      db,
      'SELECT core FROM payments WHERE shard = ? AND channel_id = ? AND number <= ? ORDER BY number',
    )
    this.#unsettled = read(db, "SELECT reference FROM channels WHERE phase <> 'closed' AND paid > 0")
    this.#putChannel = db.prepare(`
      INSERT INTO channels VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET phase = excluded.phase, suspended = excluded.suspended, strikes = excluded.strikes,
        paid = excluded.paid, spent = excluded.spent, contiguous = excluded.contiguous,
        transcript = excluded.transcript, amount = excluded.amount, closing = excluded.closing,
        release = excluded.release, claim = excluded.claim
      WHERE excluded.paid >= channels.paid AND excluded.spent >= channels.spent
        AND excluded.contiguous >= channels.contiguous`)
    this.#putSegment = db.prepare(`
      INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET step = excluded.step, coin = excluded.coin WHERE excluded.step >= segments.step`)
    this.#putPayment = db.prepare(`
      INSERT INTO payments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET status = excluded.status, charged = excluded.charged,
        answer_status = excluded.answer_status, answer_headers = excluded.answer_headers,
        answer_body = excluded.answer_body
      WHERE payments.status IN ('accepted', 'running') AND excluded.core = payments.core`)
  }

  async channel(reference: Uint8Array): Promise<StoredChannel | undefined> {
    const row = this.#channel.get(reference[0]!, reference) as Row | undefined
    if (row === undefined) return undefined
    const channelId = row.channel_id as Uint8Array
    const place = { shard: channelId[0]!, channel: channelId, contiguous: row.contiguous as bigint }
    const segments = this.#segments.all(place) as Row[]
    const ahead = this.#ahead.all(channelId[0]!, channelId, row.contiguous as bigint) as Row[]
    return channelOf(row, segments.map(segmentOf), ahead.map(paymentOf))
  }

  async payment(channelId: Uint8Array, index: number): Promise<StoredPayment | undefined> {
    const row = this.#payment.get(channelId[0]!, channelId, index) as Row | undefined
    return row && paymentOf(row)
  }

  async cores(channelId: Uint8Array, last: number): Promise<readonly Uint8Array[]> {
    const rows = this.#cores.all(channelId[0]!, channelId, last) as Row[]
    return rows.map((row) => row.core as Uint8Array)
  }

  async checkpoints(channelId: Uint8Array): Promise<readonly Uint8Array[]> {
    const rows = this.#checkpoints.all(channelId[0]!, channelId) as Row[]
    return rows.map((row) => row.checkpoint as Uint8Array)
  }

  async unsettled(): Promise<readonly Uint8Array[]> {
    return (this.#unsettled.all() as Row[]).map((row) => row.reference as Uint8Array)
  }

  async commit(batch: Batch): Promise<void> {
    this.#db.exec('BEGIN IMMEDIATE')
    try {
      for (const channel of batch.channels) this.#writeChannel(channel)
      for (const payment of batch.payments) this.#writePayment(payment)
      this.#db.exec('COMMIT')
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
      throw error
    }
  }

  async close(): Promise<void> {
    this.#db.close()
  }

  #writeChannel(channel: StoredChannel): void {
    const { channelId } = channel
    const shard = channelId[0]!
    const { changes } = this.#putChannel.run(
      shard,
      channelId,
      channelId.subarray(0, 16),
      channel.terms,
      channel.commitment,
      channel.grant,
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
    )
    guard(changes, 'a channel’s paid, spent and prefix never fall')
    for (const { number, checkpoint, step, coin } of channel.segments) {
      const written = this.#putSegment.run(shard, channelId, number, checkpoint ?? null, step, coin)
      guard(written.changes, 'a segment’s highest coin never falls')
    }
  }

  #writePayment(payment: StoredPayment): void {
    const { channelId, answer } = payment
    const { changes } = this.#putPayment.run(
      channelId[0]!,
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
    )
    guard(changes, 'a payment is settled once and keeps its bytes')
  }
}

function read(db: DatabaseSync, sql: string): StatementSync {
  const statement = db.prepare(sql)
  statement.setReadBigInts(true)
  return statement
}

/** A guarded write that changed nothing means that two writers, or a bug, contradict each other. */
function guard(changes: number | bigint, law: string): void {
  if (BigInt(changes) !== 1n) throw new Error(`the store refused a write: ${law}`)
}

function channelOf(row: Row, segments: readonly StoredSegment[], ahead: readonly StoredPayment[]): StoredChannel {
  return {
    channelId: row.channel_id as Uint8Array,
    terms: row.terms as Uint8Array,
    commitment: row.commitment as Uint8Array,
    grant: row.bank_grant as Uint8Array,
    phase: row.phase as StoredChannel['phase'],
    suspended: (row.suspended as string | null) ?? undefined,
    strikes: Number(row.strikes),
    paid: row.paid as bigint,
    spent: row.spent as bigint,
    contiguous: Number(row.contiguous),
    transcript: row.transcript as Uint8Array,
    amount: row.amount as bigint,
    segments,
    ahead,
    closing: (row.closing as Uint8Array | null) ?? undefined,
    release: (row.release as Uint8Array | null) ?? undefined,
    claim: (row.claim as Uint8Array | null) ?? undefined,
  }
}

function segmentOf(row: Row): StoredSegment {
  return {
    number: Number(row.number),
    checkpoint: (row.checkpoint as Uint8Array | null) ?? undefined,
    step: Number(row.step),
    coin: row.coin as Uint8Array,
  }
}

function paymentOf(row: Row): StoredPayment {
  return {
    channelId: row.channel_id as Uint8Array,
    index: Number(row.number),
    segment: Number(row.segment),
    amount: row.amount as bigint,
    digest: row.digest as Uint8Array,
    core: row.core as Uint8Array,
    status: row.status as PaymentStatus,
    charged: row.charged as bigint,
    answer: answerOf(row),
  }
}

function answerOf(row: Row): Answer | undefined {
  if (row.answer_status === null) return undefined
  return {
    status: Number(row.answer_status),
    headers: JSON.parse(row.answer_headers as string) as Answer['headers'],
    body: row.answer_body as Uint8Array,
  }
}
