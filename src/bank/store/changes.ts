import { get, type Program, type Update, updateAll, type Values, change as write } from '../../sql/program.ts'
import { integer } from '../../sql/rows.ts'
import { amountMax } from '../../wire/amount.ts'
import type { Entry, Transfer } from '../ledger.ts'
import type { Change, Conflict } from './contract.ts'
import { shard } from './reads.ts'

/** Writes one change, or gives the guard that failed. */
export function* applyChange(change: Change): Program<Conflict | undefined> {
  switch (change.kind) {
    case 'account': {
      const { account, reputation, registeredAt } = change.account
      const done = yield* run(
        `INSERT INTO accounts (shard, account, reputation, registered_at)
           VALUES (:shard, :account, :reputation, :registeredAt) ON CONFLICT DO NOTHING`,
        { account, reputation, registeredAt },
      )
      return done ? undefined : 'AccountExists'
    }
    case 'command': {
      const done = yield* run(
        `INSERT INTO commands (shard, account, id, body_hash, answer, valid_until)
           VALUES (:shard, :account, :id, :bodyHash, :answer, :validUntil) ON CONFLICT DO NOTHING`,
        { ...change.command },
      )
      return done ? undefined : 'CommandExists'
    }
    case 'entry':
      return yield* post(change.entry, change.at)
    case 'open':
      return yield* open(change)
    case 'close': {
      const { channelId, closing, at } = change
      const done = yield* run(
        `UPDATE channels SET status = 'closed', close = :close, settled = :settled, refund = :refund, basis = :basis,
           closed_at = :at WHERE shard = :shard AND channel_id = :channelId AND status = 'open'`,
        { channelId, at, ...closing },
      )
      return done ? undefined : 'ChannelNotOpen'
    }
    case 'record': {
      const { channelId, record, leaf, at } = change
      const done = yield* run(
        `INSERT INTO records (shard, channel_id, record, leaf, queued_at)
           VALUES (:shard, :channelId, :record, :leaf, :at) ON CONFLICT DO NOTHING`,
        { channelId, record, leaf, at },
      )
      return done ? undefined : 'RecordExists'
    }
    case 'batch':
      return yield* makeBatch(change)
    case 'recorded': {
      const { head, headSignature, evidence, batch } = change.batch
      const done = yield* run(
        `UPDATE batches SET head = :head, head_signature = :headSignature, evidence = :evidence, recorded_at = :at
           WHERE shard = :shard AND batch = :number AND root = :root AND leaf_count = :count AND recorded_at IS NULL`,
        { head, headSignature, evidence, at: change.at, ...batch },
      )
      return done ? undefined : 'BatchNotPending'
    }
  }
}

function* open({ channel, at }: Change & { readonly kind: 'open' }): Program<Conflict | undefined> {
  const { channelId, account, terms, encodedTerms, commitment, receipt, grant } = channel
  const { channelKey, vendor, asset, funds, expiresAt, graceSeconds } = terms
  const deadline = expiresAt + BigInt(graceSeconds)
  const done = yield* run(
    `INSERT INTO channels (shard, channel_id, channel_key, account, vendor, asset, funds, deadline, terms, commitment,
       receipt, bank_grant, opened_at, status)
     VALUES (:shard, :channelId, :channelKey, :account, :vendor, :asset, :funds, :deadline, :encodedTerms, :commitment,
       :receipt, :grant, :at, 'open') ON CONFLICT DO NOTHING`,
    { channelId, channelKey, account, vendor, asset, funds, deadline, encodedTerms, commitment, receipt, grant, at },
  )
  return done ? undefined : 'ChannelExists'
}

function* post({ kind, reference, transfers }: Entry, at: bigint): Program<Conflict | undefined> {
  const posted = yield* run(
    `INSERT INTO entries (shard, kind, reference, at) VALUES (:shard, :kind, :reference, :at) ON CONFLICT DO NOTHING`,
    { kind, reference, at },
  )
  if (!posted) return 'EntryExists'
  for (const [line, { asset, amount, from, to }] of transfers.entries()) {
    yield* run(
      `INSERT INTO transfers (shard, kind, reference, line, asset, amount, from_place, from_owner, to_place, to_owner)
       VALUES (:shard, :kind, :reference, :line, :asset, :amount, :fromPlace, :fromOwner, :toPlace, :toOwner)`,
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
    if (from.place === 'outside' && !(yield* hasRoom(asset, amount))) return 'AssetFull'
    if (!(yield* debit(from, asset, amount))) return 'BalanceTooLow'
    yield* run(
      `INSERT INTO balances (shard, place, owner, asset, balance) VALUES (:shard, :place, :owner, :asset, :amount)
         ON CONFLICT (shard, place, owner, asset) DO UPDATE SET balance = balances.balance + excluded.balance`,
      { ...to, asset, amount },
    )
  }
  return undefined
}

function* debit(from: Transfer['from'], asset: string, amount: bigint): Program<boolean> {
  if (from.place === 'outside') {
    yield* run(
      `INSERT INTO balances (shard, place, owner, asset, balance) VALUES (:shard, :place, :owner, :asset, 0)
         ON CONFLICT DO NOTHING`,
      { ...from, asset },
    )
  }
  return yield* run(
    `UPDATE balances SET balance = balance - :amount WHERE shard = :shard AND place = :place AND owner = :owner
       AND asset = :asset AND (balance >= :amount OR place = 'outside')`,
    { ...from, asset, amount },
  )
}

/** What came in of an asset is the sum of all balances: below 2^63, none of them can overflow. */
function* hasRoom(asset: string, amount: bigint): Program<boolean> {
  const row = yield* get(
    `SELECT coalesce(-sum(balance), 0) AS total FROM balances
       WHERE shard = :shard AND place = 'outside' AND asset = :asset`,
    { shard, asset },
  )
  return integer(row ?? {}, 'total') + amount <= amountMax
}

function* makeBatch({ batch, channelIds, at }: Change & { readonly kind: 'batch' }): Program<Conflict | undefined> {
  const made = yield* run(
    `INSERT INTO batches (shard, batch, root, leaf_count, made_at) VALUES (:shard, :number, :root, :count, :at)
       ON CONFLICT DO NOTHING`,
    { ...batch, at },
  )
  if (!made) return 'BatchExists'
  const rows = channelIds.map((channelId, position) => [shard, channelId, batch.number, position])
  const placed = yield* updateAll(places, rows)
  return placed === rows.length ? undefined : 'RecordNotQueued'
}

const places: Update = {
  table: 'records',
  columns: { shard: 'integer', channel_id: 'blob', batch: 'integer', position: 'integer' },
  key: ['shard', 'channel_id'],
  guard: 'records.batch IS NULL',
}

/** Whether the statement changed a row. */
function* run(sql: string, values: Values): Program<boolean> {
  return (yield* write(sql, { shard, ...values })) > 0
}
