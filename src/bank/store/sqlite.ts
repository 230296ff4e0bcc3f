import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite'
import type { Batch } from '../../chain/Chain.ts'
import { sqliteLogStore } from '../../chain/embeddedSqlite.ts'
import { openDatabase, StoreError } from '../../sqlite/open.ts'
import { amountMax, count, unixSeconds } from '../../wire/amount.ts'
import * as Terms from '../../wire/Terms.ts'
import type { Entry, Transfer } from '../ledger.ts'
import type { BankStore, Change, Closing, Conflict, StoredChannel } from './contract.ts'
import { migrations } from './schema.ts'

/** One file is one shard. */
const shard = 0

/** Opens the bank's store in a file, which is made where there is none, and brings it to the schema of this program. */
export function sqliteBankStore(path: string): BankStore {
  return new SqliteStore(path)
}

type Row = Readonly<Record<string, SQLOutputValue>>
type Values = Readonly<Record<string, SQLInputValue>>

class SqliteStore implements BankStore {
  readonly #path: string
  readonly #db: DatabaseSync
  readonly #statements: Map<string, StatementSync> = new Map()
  readonly log: BankStore['log']

  constructor(path: string) {
    this.#path = path
    this.#db = this.#attempt(() => openDatabase(path, 'bank', migrations))
    const log = sqliteLogStore(this.#db, shard)
    this.log = { ...log, append: (sequence, entry) => this.#attempt(() => log.append(sequence, entry)) }
  }

  async account(account: Uint8Array): ReturnType<BankStore['account']> {
    const row = this.#get(
      'SELECT reputation, registered_at FROM accounts WHERE shard = :shard AND account = :account',
      { account },
    )
    return row && { account, reputation: count(integer(row.reputation)), registeredAt: integer(row.registered_at) }
  }

  async balance(owner: Uint8Array, asset: string): Promise<bigint> {
    const row = this.#get(
      `SELECT balance FROM balances WHERE shard = :shard AND place = 'account' AND owner = :owner AND asset = :asset`,
      { owner, asset },
    )
    return row === undefined ? 0n : integer(row.balance)
  }

  async command(account: Uint8Array, id: Uint8Array): ReturnType<BankStore['command']> {
    const row = this.#get(
      'SELECT body_hash, answer, valid_until FROM commands WHERE shard = :shard AND account = :account AND id = :id',
      { account, id },
    )
    if (row === undefined) return undefined
    const validUntil = unixSeconds(integer(row.valid_until))
    return { account, id, bodyHash: blob(row.body_hash), answer: blob(row.answer), validUntil }
  }

  async channel(channelId: Uint8Array): Promise<StoredChannel | undefined> {
    const row = this.#get('SELECT * FROM channels WHERE shard = :shard AND channel_id = :channelId', { channelId })
    return row && channelOf(row)
  }

  async hasChannelKey(channelKey: Uint8Array): Promise<boolean> {
    const row = this.#get('SELECT 1 FROM channels WHERE shard = :shard AND channel_key = :channelKey', { channelKey })
    return row !== undefined
  }

  async record(channelId: Uint8Array): ReturnType<BankStore['record']> {
    const row = this.#get(
      `SELECT record, batch, position, recorded_at FROM records LEFT JOIN batches USING (shard, batch)
         WHERE shard = :shard AND channel_id = :channelId`,
      { channelId },
    )
    if (row === undefined) return undefined
    const { record, batch, position, recorded_at: recordedAt } = row
    const place = batch === null ? undefined : { batch: count(integer(batch)), index: count(integer(position)) }
    return { record: blob(record), place, recorded: recordedAt !== null }
  }

  async unbatched(limit: number): ReturnType<BankStore['unbatched']> {
    const rows = this.#all(
      `SELECT channel_id, leaf FROM records WHERE shard = :shard AND batch IS NULL ORDER BY queued_at, leaf LIMIT :limit`,
      { limit },
    )
    return rows.map((row) => ({ channelId: blob(row.channel_id), leaf: blob(row.leaf) }))
  }

  async pendingBatch(): Promise<Batch | undefined> {
    const row = this.#get('SELECT * FROM batches WHERE shard = :shard AND recorded_at IS NULL', {})
    return row && batchOf(row)
  }

  async recordedBatch(number: number): ReturnType<BankStore['recordedBatch']> {
    const row = this.#get(
      'SELECT * FROM batches WHERE shard = :shard AND batch = :number AND recorded_at IS NOT NULL',
      { number },
    )
    if (row === undefined) return undefined
    const { head, head_signature: headSignature, evidence } = row
    return {
      batch: batchOf(row),
      head: blob(head),
      headSignature: blob(headSignature),
      evidence: blob(evidence),
    }
  }

  async leaves(batch: number): Promise<readonly Uint8Array[]> {
    const rows = this.#all('SELECT leaf FROM records WHERE shard = :shard AND batch = :batch ORDER BY position', {
      batch,
    })
    return rows.map((row) => blob(row.leaf))
  }

  async commit(changes: readonly Change[]): ReturnType<BankStore['commit']> {
    return this.#attempt(() => {
      this.#db.exec('BEGIN IMMEDIATE')
      try {
        for (const change of changes) {
          const conflict = this.#apply(change)
          if (conflict !== undefined) {
            this.#db.exec('ROLLBACK')
            return { ok: false, conflict }
          }
        }
        this.#db.exec('COMMIT')
        return { ok: true }
      } catch (error) {
        if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
        throw error
      }
    })
  }

  async close(): Promise<void> {
    this.#statements.clear()
    this.#db.close()
  }

  #apply(change: Change): Conflict | undefined {
    switch (change.kind) {
      case 'account': {
        const { account, reputation, registeredAt } = change.account
        const done = this.#run(
          'INSERT INTO accounts VALUES (:shard, :account, :reputation, :registeredAt) ON CONFLICT DO NOTHING',
          { account, reputation, registeredAt },
        )
        return done ? undefined : 'AccountExists'
      }
      case 'command': {
        const done = this.#run(
          `INSERT INTO commands VALUES (:shard, :account, :id, :bodyHash, :answer, :validUntil) ON CONFLICT DO NOTHING`,
          { ...change.command },
        )
        return done ? undefined : 'CommandExists'
      }
      case 'entry':
        return this.#post(change.entry, change.at)
      case 'open':
        return this.#open(change)
      case 'close': {
        const { channelId, closing, at } = change
        const done = this.#run(
          `UPDATE channels SET status = 'closed', close = :close, settled = :settled, refund = :refund, basis = :basis,
             closed_at = :at WHERE shard = :shard AND channel_id = :channelId AND status = 'open'`,
          { channelId, at, ...closing },
        )
        return done ? undefined : 'ChannelNotOpen'
      }
      case 'record': {
        const { channelId, record, leaf, at } = change
        const done = this.#run(
          `INSERT INTO records (shard, channel_id, record, leaf, queued_at) VALUES (:shard, :channelId, :record, :leaf, :at)
             ON CONFLICT DO NOTHING`,
          { channelId, record, leaf, at },
        )
        return done ? undefined : 'RecordExists'
      }
      case 'batch':
        return this.#makeBatch(change)
      case 'recorded': {
        const { head, headSignature, evidence, batch } = change.batch
        const done = this.#run(
          `UPDATE batches SET head = :head, head_signature = :headSignature, evidence = :evidence, recorded_at = :at
             WHERE shard = :shard AND batch = :number AND root = :root AND leaf_count = :count AND recorded_at IS NULL`,
          { head, headSignature, evidence, at: change.at, ...batch },
        )
        return done ? undefined : 'BatchNotPending'
      }
    }
  }

  #open({ channel, at }: Change & { readonly kind: 'open' }): Conflict | undefined {
    const { channelId, account, terms, encodedTerms, commitment, receipt, grant } = channel
    const { channelKey, vendor, asset, funds, expiresAt, graceSeconds } = terms
    const deadline = expiresAt + BigInt(graceSeconds)
    const done = this.#run(
      `INSERT INTO channels (shard, channel_id, channel_key, account, vendor, asset, funds, deadline, terms, commitment,
         receipt, bank_grant, opened_at, status)
       VALUES (:shard, :channelId, :channelKey, :account, :vendor, :asset, :funds, :deadline, :encodedTerms, :commitment,
         :receipt, :grant, :at, 'open') ON CONFLICT DO NOTHING`,
      { channelId, channelKey, account, vendor, asset, funds, deadline, encodedTerms, commitment, receipt, grant, at },
    )
    return done ? undefined : 'ChannelExists'
  }

  #post({ kind, reference, transfers }: Entry, at: bigint): Conflict | undefined {
    const posted = this.#run('INSERT INTO entries VALUES (:shard, :kind, :reference, :at) ON CONFLICT DO NOTHING', {
      kind,
      reference,
      at,
    })
    if (!posted) return 'EntryExists'
    for (const [line, { asset, amount, from, to }] of transfers.entries()) {
      this.#run(
        `INSERT INTO transfers VALUES (:shard, :kind, :reference, :line, :asset, :amount, :fromPlace, :fromOwner,
           :toPlace, :toOwner)`,
        {
          kind,
          reference,
          line,
          asset,
          amount,
          fromPlace: from.place,
          fromOwner: from.owner,
          toPlace: to.place,
          toOwner: to.owner,
        },
      )
      if (from.place === 'outside' && !this.#hasRoom(asset, amount)) return 'AssetFull'
      if (!this.#debit(from, asset, amount)) return 'BalanceTooLow'
      this.#run(
        `INSERT INTO balances VALUES (:shard, :place, :owner, :asset, :amount)
           ON CONFLICT DO UPDATE SET balance = balance + excluded.balance`,
        { ...to, asset, amount },
      )
    }
    return undefined
  }

  #debit(from: Transfer['from'], asset: string, amount: bigint): boolean {
    if (from.place === 'outside') {
      this.#run('INSERT INTO balances VALUES (:shard, :place, :owner, :asset, 0) ON CONFLICT DO NOTHING', {
        ...from,
        asset,
      })
    }
    return this.#run(
      `UPDATE balances SET balance = balance - :amount WHERE shard = :shard AND place = :place AND owner = :owner
         AND asset = :asset AND (balance >= :amount OR place = 'outside')`,
      { ...from, asset, amount },
    )
  }

  /** What came in of an asset is the sum of all balances: below 2^63, none of them can overflow. */
  #hasRoom(asset: string, amount: bigint): boolean {
    const row = this.#get(
      `SELECT coalesce(-sum(balance), 0) AS total FROM balances WHERE shard = :shard AND place = 'outside' AND asset = :asset`,
      { asset },
    )
    return integer(row?.total) + amount <= amountMax
  }

  #makeBatch({ batch, channelIds, at }: Change & { readonly kind: 'batch' }): Conflict | undefined {
    const made = this.#run(
      `INSERT INTO batches (shard, batch, root, leaf_count, made_at) VALUES (:shard, :number, :root, :count, :at)
         ON CONFLICT DO NOTHING`,
      { ...batch, at },
    )
    if (!made) return 'BatchExists'
    for (const [position, channelId] of channelIds.entries()) {
      const placed = this.#run(
        `UPDATE records SET batch = :number, position = :position
           WHERE shard = :shard AND channel_id = :channelId AND batch IS NULL`,
        { number: batch.number, position, channelId },
      )
      if (!placed) return 'RecordNotQueued'
    }
    return undefined
  }

  #get(sql: string, values: Values): Row | undefined {
    return this.#attempt(() => this.#prepare(sql).get({ shard, ...values }))
  }

  #all(sql: string, values: Values): readonly Row[] {
    return this.#attempt(() => this.#prepare(sql).all({ shard, ...values }))
  }

  /** Whether the statement changed a row. */
  #run(sql: string, values: Values): boolean {
    return this.#prepare(sql).run({ shard, ...values }).changes > 0
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql)
    if (known !== undefined) return known
    const statement = this.#db.prepare(sql)
    // An amount is a bigint from here on.
    statement.setReadBigInts(true)
    this.#statements.set(sql, statement)
    return statement
  }

  #attempt<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      throw explained(error, this.#path)
    }
  }
}

/** Advice by SQLite's primary result code. */
const advice: Readonly<Record<number, string>> = {
  5: 'Another process holds the store for too long. Nothing was written: stop the other one, or try again.',
  8: 'The store is read-only. Nothing was written: give this user the right to write the file and its folder.',
  10: 'The disk failed. Nothing was acknowledged: look at the disk and its cables, then start again.',
  11: 'The store is damaged. Stop the bank, keep the file, and restore a backup.',
  13: 'The disk is full. Nothing was written: make room, and it goes on by itself.',
  14: 'The file cannot be opened. Check that its folder exists and that this user may write there.',
  26: 'The file is no SQLite database. Nothing was changed: name another file.',
}

/** A failing environment as a {@link StoreError}; anything else is a bug and stays what it is. */
function explained(error: unknown, path: string): unknown {
  const code = error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode : 0
  const what = advice[code & 0xff]
  if (what === undefined) return error
  return new StoreError(`${path}: ${what}`, { cause: error })
}

function channelOf(row: Row): StoredChannel {
  const encodedTerms = blob(row.terms)
  const terms = Terms.parse(encodedTerms)
  if (!terms.ok) throw new StoreError(`The store is damaged: ${terms.detail}. Stop the bank and restore a backup.`)
  return {
    channelId: blob(row.channel_id),
    account: blob(row.account),
    terms: terms.value,
    encodedTerms,
    commitment: blob(row.commitment),
    receipt: blob(row.receipt),
    grant: blob(row.bank_grant),
    closing: row.status === 'open' ? undefined : closingOf(row),
  }
}

function closingOf(row: Row): Closing {
  return {
    close: blob(row.close),
    settled: integer(row.settled),
    refund: integer(row.refund),
    basis: row.basis as Closing['basis'],
  }
}

function batchOf(row: Row): Batch {
  return { number: count(integer(row.batch)), root: blob(row.root), count: count(integer(row.leaf_count)) }
}

function integer(value: SQLOutputValue | undefined): bigint {
  if (typeof value !== 'bigint') throw new StoreError(`The store is damaged: ${String(value)} is no integer.`)
  return value
}

function blob(value: SQLOutputValue | undefined): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new StoreError(`The store is damaged: ${String(value)} are no bytes.`)
  return value
}
