import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { openDatabase } from '../../sqlite/open.ts'
import type { ChannelState, Journal, ProposedChannel, StoredChannel, StoredPayment } from './contract.ts'
import { migrations } from './schema.ts'

/** A client's journal in one SQLite file (`:memory:` for a client that may forget, and lose what it has not released). */
export function sqliteJournal(path: string): Journal {
  return new SqliteJournal(openDatabase(path, 'client', migrations))
}

type Row = Record<string, unknown>

class SqliteJournal implements Journal {
  readonly #db: DatabaseSync
  readonly #channels: StatementSync
  readonly #state: StatementSync
  readonly #payments: StatementSync
  readonly #putChannel: StatementSync
  readonly #putState: StatementSync
  readonly #putPayment: StatementSync

  constructor(db: DatabaseSync) {
    this.#db = db
    this.#channels = read(db, 'SELECT * FROM channels ORDER BY shard, channel_id')
    this.#state = read(db, 'SELECT * FROM states WHERE shard = ? AND channel_id = ?')
    this.#payments = read(db, 'SELECT * FROM payments WHERE shard = ? AND channel_id = ? ORDER BY number')
    this.#putChannel = db.prepare('INSERT INTO channels VALUES (?, ?, ?, ?, ?, ?, ?, ?)')
    // An older state never replaces a newer one: a revealed coin stays revealed.
    this.#putState = db.prepare(`
      INSERT INTO states VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET number = excluded.number, transcript = excluded.transcript, receipt = excluded.receipt,
        paid = excluded.paid, segment = excluded.segment, base = excluded.base, unit_price = excluded.unit_price,
        length = excluded.length, since = excluded.since, step = excluded.step, checkpoint = excluded.checkpoint, agreed = excluded.agreed,
        acknowledged = excluded.acknowledged, frozen = excluded.frozen, closing = excluded.closing,
        release = excluded.release
      WHERE excluded.number >= states.number AND excluded.paid >= states.paid AND excluded.agreed >= states.agreed`)
    this.#putPayment = db.prepare('INSERT INTO payments VALUES (?, ?, ?, ?, ?, ?, ?, ?)')
  }

  async propose(proposed: ProposedChannel): Promise<void> {
    const { channelId } = proposed
    this.#putChannel.run(
      channelId[0]!,
      channelId,
      proposed.vendorUrl,
      proposed.bankUrl,
      proposed.terms,
      proposed.open,
      proposed.channelKey,
      proposed.channelSeed,
    )
  }

  async channels(): Promise<readonly StoredChannel[]> {
    const rows = this.#channels.all() as Row[]
    return rows.map((row) => {
      const state = this.#state.get(row.shard as bigint, row.channel_id as Uint8Array) as Row | undefined
      return { ...proposedOf(row), state: state && stateOf(state) }
    })
  }

  async payments(channelId: Uint8Array): Promise<readonly StoredPayment[]> {
    return (this.#payments.all(channelId[0]!, channelId) as Row[]).map(paymentOf)
  }

  async commit(channelId: Uint8Array, state: ChannelState, payment?: StoredPayment): Promise<void> {
    this.#db.exec('BEGIN IMMEDIATE')
    try {
      this.#writeState(channelId, state)
      if (payment !== undefined) this.#writePayment(channelId, payment)
      this.#db.exec('COMMIT')
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
      throw error
    }
  }

  async close(): Promise<void> {
    this.#db.close()
  }

  #writeState(channelId: Uint8Array, state: ChannelState): void {
    const { segment } = state
    const { changes } = this.#putState.run(
      channelId[0]!,
      channelId,
      state.opened,
      state.index,
      state.transcript,
      state.receipt,
      state.paid,
      segment.number,
      segment.base,
      segment.unitPrice,
      segment.length,
      segment.index,
      segment.step,
      state.checkpoint ?? null,
      state.agreed,
      state.acknowledged,
      state.frozen ?? null,
      state.closing ?? null,
      state.release ?? null,
    )
    if (changes !== 1) throw new Error('the journal holds a newer state of this channel: is another process using it?')
  }

  #writePayment(channelId: Uint8Array, payment: StoredPayment): void {
    this.#putPayment.run(
      channelId[0]!,
      channelId,
      payment.index,
      payment.price,
      payment.frame,
      payment.checkpoint ?? null,
      payment.core,
      payment.receipt,
    )
  }
}

function read(db: DatabaseSync, sql: string): StatementSync {
  const statement = db.prepare(sql)
  statement.setReadBigInts(true)
  return statement
}

function proposedOf(row: Row): ProposedChannel {
  return {
    channelId: row.channel_id as Uint8Array,
    vendorUrl: row.vendor_url as string,
    bankUrl: row.bank_url as string,
    terms: row.terms as Uint8Array,
    open: row.open as Uint8Array,
    channelKey: row.channel_key as Uint8Array,
    channelSeed: row.channel_seed as Uint8Array,
  }
}

function stateOf(row: Row): ChannelState {
  return {
    opened: row.opened as Uint8Array,
    index: Number(row.number),
    transcript: row.transcript as Uint8Array,
    receipt: row.receipt as Uint8Array,
    paid: row.paid as bigint,
    segment: {
      number: Number(row.segment),
      base: row.base as bigint,
      unitPrice: row.unit_price as bigint,
      length: Number(row.length),
      index: Number(row.since),
      step: Number(row.step),
    },
    checkpoint: optional(row.checkpoint as Uint8Array | null),
    agreed: row.agreed as bigint,
    acknowledged: row.acknowledged as bigint,
    frozen: optional(row.frozen as string | null),
    closing: optional(row.closing as Uint8Array | null),
    release: optional(row.release as Uint8Array | null),
  }
}

function paymentOf(row: Row): StoredPayment {
  return {
    index: Number(row.number),
    price: row.price as bigint,
    frame: row.frame as Uint8Array,
    checkpoint: optional(row.checkpoint as Uint8Array | null),
    core: row.core as Uint8Array,
    receipt: row.receipt as Uint8Array,
  }
}

function optional<T>(value: T | null): T | undefined {
  return value ?? undefined
}
