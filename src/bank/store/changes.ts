import { get, type Program, type Update, updateAll, type Values, change as write } from '../../sql/program.ts'
import { count, integer } from '../../sql/rows.ts'
import * as Closing from '../../wire/Closing.ts'
import type { Change, Conflict, Scored } from './change.ts'
import type { Committed } from './contract.ts'
import { type Credits, noteCredits, post, repayDebts, storeDebt } from './post.ts'
import { score, startHistory } from './scores.ts'
import { shard } from './shard.ts'

/** All of the changes, or the first guard that failed: then the caller undoes them. */
export function* applyAll(changes: readonly Change[]): Program<Committed> {
  const credits: Credits = new Map()
  const scored: Scored[] = []
  for (const change of changes) {
    const conflict = yield* apply(change, credits, scored)
    if (conflict !== undefined) return { ok: false, conflict }
  }
  const conflict = yield* repayDebts(credits)
  if (conflict !== undefined) return { ok: false, conflict }
  return scored.length === 0 ? { ok: true } : { ok: true, scored }
}

/** Writes one change, or gives the guard that failed. */
function* apply(change: Change, credits: Credits, scored: Scored[]): Program<Conflict | undefined> {
  switch (change.kind) {
    case 'account': {
      const { account, reputation, registeredAt } = change.account
      const done = yield* run(
        `INSERT INTO accounts (shard, account, registered_at) VALUES (:shard, :account, :registeredAt) ON CONFLICT DO NOTHING`,
        { account, registeredAt },
      )
      if (!done) return 'AccountExists'
      yield* startHistory(account, reputation, registeredAt)
      return undefined
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
      noteCredits(credits, change.entry, change.at)
      return yield* post(change.entry, change.at)
    case 'debt':
      return yield* storeDebt(credits, change)
    case 'reputation':
      scored.push(...(yield* score(change)))
      return undefined
    case 'open':
      return yield* open(change)
    case 'close': {
      const { channelId, closing, at, ending } = change
      if (ending !== undefined && (yield* endingVersion(channelId)) !== ending) return 'EndingChanged'
      const done = yield* run(
        `UPDATE channels SET status = 'closed', close = :close, settled = :settled, refund = :refund, basis = :basis,
           closed_at = :at WHERE shard = :shard AND channel_id = :channelId AND status = 'open'`,
        { channelId, at, ...closing },
      )
      return done ? undefined : 'ChannelNotOpen'
    }
    case 'expire': {
      const { channelId, at } = change
      const done = yield* run(
        `UPDATE channels SET status = 'expired', refund = funds, closed_at = :at
           WHERE shard = :shard AND channel_id = :channelId AND status = 'open'`,
        { channelId, at },
      )
      return done ? undefined : 'ChannelNotOpen'
    }
    case 'ending':
      return yield* storeEnding(change)
    case 'proof':
      return yield* storeProof(change)
    case 'withdrawal': {
      const done = yield* run(
        `INSERT INTO withdrawals (shard, reference, account, asset, amount, destination, asked_at)
           VALUES (:shard, :reference, :account, :asset, :amount, :destination, :askedAt) ON CONFLICT DO NOTHING`,
        { ...change.withdrawal },
      )
      return done ? undefined : 'EntryExists'
    }
    case 'paidOut': {
      const done = yield* run(
        `UPDATE withdrawals SET paid_at = :at WHERE shard = :shard AND reference = :reference AND paid_at IS NULL`,
        { reference: change.reference, at: change.at },
      )
      return done ? undefined : 'WithdrawalNotPending'
    }
    case 'clock':
      return yield* storeClock(change)
    case 'record':
    case 'rerecord':
    case 'batch':
    case 'recorded':
      return yield* applyToRecords(change)
  }
}

function* applyToRecords(
  change: Change & { readonly kind: 'record' | 'rerecord' | 'batch' | 'recorded' },
): Program<Conflict | undefined> {
  switch (change.kind) {
    case 'record': {
      const { channelId, record, leaf, at } = change
      const done = yield* run(
        `INSERT INTO records (shard, channel_id, record, leaf, queued_at)
           VALUES (:shard, :channelId, :record, :leaf, :at) ON CONFLICT DO NOTHING`,
        { channelId, record, leaf, at },
      )
      return done ? undefined : 'RecordExists'
    }
    case 'rerecord': {
      const { channelId, record, leaf } = change
      const done = yield* run(
        `UPDATE records SET record = :record, leaf = :leaf
           WHERE shard = :shard AND channel_id = :channelId AND batch IS NULL`,
        { channelId, record, leaf },
      )
      return done ? undefined : 'RecordPlaced'
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

function* open({ channel, at, openMax }: Change & { readonly kind: 'open' }): Program<Conflict | undefined> {
  const { channelId, account, terms, encodedTerms, commitment, receipt, grant } = channel
  const { channelKey, vendor, asset, funds, expiresAt, graceSeconds } = terms
  if (openMax !== undefined) {
    const row = yield* get(
      `SELECT count(*) AS opened FROM channels WHERE shard = :shard AND account = :account AND status = 'open'`,
      { shard, account },
    )
    if (count(row ?? {}, 'opened') >= openMax) return 'TooManyChannels'
  }
  const deadline = expiresAt + BigInt(graceSeconds)
  const done = yield* run(
    `INSERT INTO channels (shard, channel_id, channel_key, account, vendor, asset, funds, expires_at, deadline, terms,
       commitment, receipt, bank_grant, opened_at, status)
     VALUES (:shard, :channelId, :channelKey, :account, :vendor, :asset, :funds, :expiresAt, :deadline, :encodedTerms,
       :commitment, :receipt, :grant, :at, 'open') ON CONFLICT DO NOTHING`,
    {
      channelId,
      channelKey,
      account,
      vendor,
      asset,
      funds,
      expiresAt,
      deadline,
      encodedTerms,
      commitment,
      receipt,
      grant,
      at,
    },
  )
  return done ? undefined : 'ChannelExists'
}

function* storeEnding(change: Change & { readonly kind: 'ending' }): Program<Conflict | undefined> {
  const { channelId, ending, status } = change
  const { version } = ending
  const standing = yield* get('SELECT status FROM channels WHERE shard = :shard AND channel_id = :channelId', {
    shard,
    channelId,
  })
  if (standing?.status !== status) return 'EndingChanged'
  const values = {
    channelId,
    closing: ending.closing === undefined ? null : Closing.encode(ending.closing),
    fetchedAt: ending.fetchedAt ?? null,
    disputed: ending.disputed === true ? 1 : 0,
    release: ending.release === undefined ? null : Closing.encodeRelease(ending.release),
    proven: ending.releaseProven ? 1 : 0,
    reviewed: ending.reviewed ? 1 : 0,
    version,
  }
  const done =
    version === 1
      ? yield* run(
          `INSERT INTO endings (shard, channel_id, closing, fetched_at, disputed, release, release_proven, reviewed, version)
             VALUES (:shard, :channelId, :closing, :fetchedAt, :disputed, :release, :proven, :reviewed, :version)
             ON CONFLICT DO NOTHING`,
          values,
        )
      : yield* run(
          `UPDATE endings SET closing = :closing, fetched_at = :fetchedAt, disputed = :disputed, release = :release,
             release_proven = :proven, reviewed = :reviewed, version = :version
             WHERE shard = :shard AND channel_id = :channelId AND version = :version - 1`,
          values,
        )
  return done ? undefined : 'EndingChanged'
}

function* endingVersion(channelId: Uint8Array): Program<number> {
  const row = yield* get('SELECT version FROM endings WHERE shard = :shard AND channel_id = :channelId', {
    shard,
    channelId,
  })
  return row === undefined ? 0 : count(row, 'version')
}

function* storeProof(change: Change & { readonly kind: 'proof' }): Program<Conflict | undefined> {
  const { channelId, proof, evidence, judged } = change
  const row = yield* get(
    'SELECT coalesce(sum(amount), 0) AS judged FROM proofs WHERE shard = :shard AND channel_id = :channelId',
    { shard, channelId },
  )
  if (integer(row ?? {}, 'judged') !== judged) return 'ProofExists'
  const done = yield* run(
    `INSERT INTO proofs (shard, channel_id, reference, cause, evidence, amount, at)
       VALUES (:shard, :channelId, :reference, :cause, :evidence, :amount, :at) ON CONFLICT DO NOTHING`,
    { channelId, evidence, ...proof },
  )
  return done ? undefined : 'ProofExists'
}

function* storeClock(change: Change & { readonly kind: 'clock' }): Program<Conflict | undefined> {
  const { clock, beats } = change.clock
  const { wall, uptime, held = null, expected, expectedSince } = clock
  const values = { wall, uptime, held, expected, expectedSince, beats }
  const done =
    beats === 1
      ? yield* run(
          `INSERT INTO clock (shard, wall, uptime, held, expected, expected_since, beats)
             VALUES (:shard, :wall, :uptime, :held, :expected, :expectedSince, :beats) ON CONFLICT DO NOTHING`,
          values,
        )
      : yield* run(
          `UPDATE clock SET wall = :wall, uptime = :uptime, held = :held, expected = :expected,
             expected_since = :expectedSince, beats = :beats WHERE shard = :shard AND beats = :beats - 1`,
          values,
        )
  if (!done) return 'ClockMoved'
  // What `BankClock.graceFrom` says of each of them.
  if (held !== null) return undefined
  yield* run(
    'UPDATE channels SET grace_from = :uptime WHERE shard = :shard AND grace_from IS NULL AND expires_at <= :wall',
    { uptime, wall },
  )
  return undefined
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
