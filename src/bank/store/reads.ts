import type { Bank } from '../../protocol/index.ts'
import { all, get, type Program, type Row } from '../../sql/program.ts'
import { bytes, count, damaged, integer, optional, text } from '../../sql/rows.ts'
import { unixSeconds } from '../../wire/amount.ts'
import * as ClosingFormat from '../../wire/Closing.ts'
import type { Parsed } from '../../wire/parsed.ts'
import * as Terms from '../../wire/Terms.ts'
import type { BankStore, Closing, Onwards, StoredAccount, StoredChannel, Withdrawal } from './contract.ts'
import { changeOf } from './scores.ts'
import { shard } from './shard.ts'

/** What a method of the store resolves to, as a program. */
type Reads<Name extends keyof BankStore> = BankStore[Name] extends (...args: never[]) => Promise<infer T>
  ? Program<T>
  : never

export function* readAccount(account: Uint8Array): Program<StoredAccount | undefined> {
  const row = yield* get(
    `SELECT registered_at, number, cause, at, score, channel_id, counterparty FROM accounts JOIN reputation USING (shard, account)
       WHERE shard = :shard AND account = :account ORDER BY number DESC LIMIT 1`,
    { shard, account },
  )
  if (row === undefined) return undefined
  const { change: last } = changeOf(row)
  return { account, reputation: last.score, registeredAt: integer(row, 'registered_at'), last }
}

export function* readBalance(owner: Uint8Array, asset: string): Program<bigint> {
  return yield* readHolding('account', owner, asset)
}

export function* readLocked(owner: Uint8Array, asset: string): Program<bigint> {
  return yield* readHolding('locked', owner, asset)
}

export function* readDebts(debtor: Uint8Array): Reads<'debts'> {
  const rows = yield* all(
    `SELECT reference, debtor, creditor, asset, amount FROM debts WHERE shard = :shard AND debtor = :debtor AND amount > 0
       ORDER BY at, reference`,
    { shard, debtor },
  )
  return rows.map(debtOf)
}

/** Oldest first. */
export function* readDebtsIn(debtor: Uint8Array, asset: string): Reads<'debts'> {
  const rows = yield* all(
    `SELECT reference, debtor, creditor, asset, amount FROM debts
       WHERE shard = :shard AND debtor = :debtor AND asset = :asset AND amount > 0 ORDER BY at, reference`,
    { shard, debtor, asset },
  )
  return rows.map(debtOf)
}

export function* readIncurred(reference: Uint8Array): Program<bigint> {
  const sql = 'SELECT incurred FROM debts WHERE shard = :shard AND reference = :reference'
  const row = yield* get(sql, { shard, reference })
  return row === undefined ? 0n : integer(row, 'incurred')
}

export function* readEntry(kind: Bank.Entry['kind'], reference: Uint8Array): Reads<'entry'> {
  const entry = yield* get('SELECT at FROM entries WHERE shard = :shard AND kind = :kind AND reference = :reference', {
    shard,
    kind,
    reference,
  })
  if (entry === undefined) return undefined
  const rows = yield* all(
    `SELECT asset, amount, from_place, from_owner, to_place, to_owner FROM transfers
       WHERE shard = :shard AND kind = :kind AND reference = :reference ORDER BY line`,
    { shard, kind, reference },
  )
  return { kind, reference, transfers: rows.map(transferOf) }
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

export function* readOpenChannels(account: Uint8Array): Program<number> {
  const row = yield* get(
    `SELECT count(*) AS opened FROM channels WHERE shard = :shard AND account = :account AND status = 'open'`,
    { shard, account },
  )
  return count(row ?? {}, 'opened')
}

export function* readEnding(channelId: Uint8Array): Reads<'ending'> {
  const row = yield* get('SELECT * FROM endings WHERE shard = :shard AND channel_id = :channelId', { shard, channelId })
  if (row === undefined) return undefined
  const closing = optional(bytes, row, 'closing')
  const fetchedAt = optional(integer, row, 'fetched_at')
  const release = optional(bytes, row, 'release')
  return {
    ...(closing && { closing: written(ClosingFormat.parse(closing)) }),
    ...(fetchedAt !== undefined && { fetchedAt }),
    ...(release && { release: written(ClosingFormat.parseRelease(release)) }),
    disputed: integer(row, 'disputed') === 1n,
    releaseProven: integer(row, 'release_proven') === 1n,
    reviewed: integer(row, 'reviewed') === 1n,
    version: count(row, 'version'),
  }
}

export function* readProofs(channelId: Uint8Array): Reads<'proofs'> {
  const rows = yield* all(
    `SELECT reference, cause, amount, at FROM proofs WHERE shard = :shard AND channel_id = :channelId ORDER BY at, reference`,
    { shard, channelId },
  )
  return rows.map((row) => ({
    reference: bytes(row, 'reference'),
    cause: text(row, 'cause') as Bank.Reputation.Fraud,
    amount: integer(row, 'amount'),
    at: unixSeconds(integer(row, 'at')),
  }))
}

export function* readEvidence(channelId: Uint8Array, reference: Uint8Array): Program<Uint8Array | undefined> {
  const row = yield* get(
    'SELECT evidence FROM proofs WHERE shard = :shard AND channel_id = :channelId AND reference = :reference',
    { shard, channelId, reference },
  )
  return row && bytes(row, 'evidence')
}

export function* readClock(): Reads<'clock'> {
  const row = yield* get('SELECT * FROM clock WHERE shard = :shard', { shard })
  if (row === undefined) return undefined
  return {
    beats: count(row, 'beats'),
    clock: {
      wall: unixSeconds(integer(row, 'wall')),
      uptime: integer(row, 'uptime'),
      held: optional(text, row, 'held') as Bank.BankClock.Hold | undefined,
      expected: unixSeconds(integer(row, 'expected')),
      expectedSince: integer(row, 'expected_since'),
    },
  }
}

export function* readDue({ wall, uptime }: Bank.BankClock.BankClock, { after, limit }: Onwards): Reads<'due'> {
  const rows = yield* all(
    `SELECT channel_id FROM channels WHERE shard = :shard AND status = 'open' AND grace_from IS NOT NULL
       AND grace_from + (deadline - expires_at) < :uptime AND deadline < :wall AND channel_id > :after
       ORDER BY channel_id LIMIT :limit`,
    { shard, wall, uptime, after: after ?? new Uint8Array(0), limit },
  )
  return rows.map((row) => bytes(row, 'channel_id'))
}

export function* readUnreviewed({ wall, uptime }: Bank.BankClock.BankClock, page: Onwards): Reads<'unreviewed'> {
  const { after, limit } = page
  const rows = yield* all(
    `SELECT channel_id FROM endings JOIN channels USING (shard, channel_id)
       WHERE shard = :shard AND reviewed = 0 AND fetched_at IS NOT NULL AND grace_from IS NOT NULL AND deadline < :wall
         AND fetched_at + (deadline - expires_at) < :uptime AND grace_from + (deadline - expires_at) < :uptime
         AND channel_id > :after ORDER BY channel_id LIMIT :limit`,
    { shard, wall, uptime, after: after ?? new Uint8Array(0), limit },
  )
  return rows.map((row) => bytes(row, 'channel_id'))
}

export function* readWithdrawals(limit: number): Program<readonly Withdrawal[]> {
  const rows = yield* all(
    `SELECT reference, account, asset, amount, destination, asked_at FROM withdrawals
       WHERE shard = :shard AND paid_at IS NULL ORDER BY asked_at, reference LIMIT :limit`,
    { shard, limit },
  )
  return rows.map((row) => ({
    reference: bytes(row, 'reference'),
    account: bytes(row, 'account'),
    asset: text(row, 'asset'),
    amount: integer(row, 'amount'),
    destination: bytes(row, 'destination'),
    askedAt: unixSeconds(integer(row, 'asked_at')),
  }))
}

/** A row of `channels`. */
export function channelOf(row: Row): StoredChannel {
  const encodedTerms = bytes(row, 'terms')
  return {
    channelId: bytes(row, 'channel_id'),
    account: bytes(row, 'account'),
    terms: written(Terms.parse(encodedTerms)),
    encodedTerms,
    commitment: bytes(row, 'commitment'),
    receipt: bytes(row, 'receipt'),
    grant: bytes(row, 'bank_grant'),
    status: text(row, 'status') as StoredChannel['status'],
    closing: optional(bytes, row, 'close') && closingOf(row),
    graceFrom: optional(integer, row, 'grace_from'),
  }
}

function* readHolding(place: Bank.Place, owner: Uint8Array, asset: string): Program<bigint> {
  const row = yield* get(
    'SELECT balance FROM balances WHERE shard = :shard AND place = :place AND owner = :owner AND asset = :asset',
    { shard, place, owner, asset },
  )
  return row === undefined ? 0n : integer(row, 'balance')
}

function closingOf(row: Row): Closing {
  return {
    close: bytes(row, 'close'),
    settled: integer(row, 'settled'),
    refund: integer(row, 'refund'),
    basis: text(row, 'basis') as Closing['basis'],
  }
}

function debtOf(row: Row): Bank.Debt {
  return {
    reference: bytes(row, 'reference'),
    debtor: bytes(row, 'debtor'),
    creditor: bytes(row, 'creditor'),
    asset: text(row, 'asset'),
    amount: integer(row, 'amount'),
  }
}

function transferOf(row: Row): Bank.Transfer {
  return {
    asset: text(row, 'asset'),
    amount: integer(row, 'amount'),
    from: { place: text(row, 'from_place') as Bank.Place, owner: bytes(row, 'from_owner') },
    to: { place: text(row, 'to_place') as Bank.Place, owner: bytes(row, 'to_owner') },
  }
}

/** What this program wrote, and so can read. */
function written<T>(result: Parsed<T>): T {
  return result.ok ? result.value : damaged(result.detail)
}
