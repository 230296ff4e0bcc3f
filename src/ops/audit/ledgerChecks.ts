import type { Row } from '../../sql/program.ts'
import { amountIn, nameIn, ownerIn } from './rows.ts'

/**
 * A law of the books as a query that gives nothing while it holds. It is recomputed from the journal and asks none of the views in
 * the database: whoever can change balances could change those too.
 */
export interface SqlCheck {
  readonly name: string
  /** The first row is what is told. */
  readonly sql: string
  readonly tell: (row: Row) => string
}

/** What each kind of entry moves, and from where to where. */
const shapes = `CASE kind
  WHEN 'deposit' THEN from_place = 'outside' AND to_place = 'account' AND from_owner = to_owner
  WHEN 'withdraw' THEN from_place = 'account' AND to_place = 'outside' AND from_owner = to_owner
  WHEN 'register' THEN from_place = 'account' AND to_place = 'locked' AND from_owner = to_owner
  WHEN 'open' THEN from_place = 'account' AND to_place = 'channel' AND to_owner = reference
  WHEN 'settle' THEN from_place = 'channel' AND from_owner = reference
    AND (to_place = 'account' OR (to_place = 'transit' AND to_owner = reference))
  WHEN 'credit' THEN from_place = 'transit' AND from_owner = reference AND to_place = 'account'
  WHEN 'overcharge' THEN from_place IN ('account', 'locked') AND to_place = 'transit'
  WHEN 'repayment' THEN from_place = 'account' AND to_place = 'transit'
  WHEN 'restitution' THEN from_place = 'transit' AND to_place = 'account'
  ELSE 1 = 0 END`

const derived = `
  SELECT shard, place, owner, asset, sum(amount) AS balance FROM (
    SELECT shard, from_place AS place, from_owner AS owner, asset, -amount AS amount FROM transfers
    UNION ALL SELECT shard, to_place, to_owner, asset, amount FROM transfers) AS both_sides
  GROUP BY shard, place, owner, asset`

const differing = `
  SELECT shard, place, owner, asset, coalesce(kept.balance, 0) AS found, coalesce(derived.balance, 0) AS expected
  FROM balances AS kept FULL JOIN (${derived}) AS derived USING (shard, place, owner, asset)
  WHERE coalesce(kept.balance, 0) <> coalesce(derived.balance, 0)`

/** What `settle` and `credit` moved, a row a channel. */
const settled = `
  SELECT channels.channel_id, channels.status, channels.asset, channels.settled, channels.refund, channels.funds,
    coalesce(sum(CASE WHEN moves.kind = 'settle' AND to_place = 'transit' THEN amount END), 0) AS to_vendor,
    coalesce(sum(CASE WHEN moves.kind = 'settle' AND to_place = 'account' AND to_owner = channels.account THEN amount END), 0) AS to_client,
    coalesce(sum(CASE WHEN moves.kind = 'credit' AND to_owner = channels.vendor THEN amount END), 0) AS credited,
    coalesce(sum(CASE WHEN moves.kind = 'open' AND from_owner = channels.account THEN amount END), 0) AS opened
  FROM channels LEFT JOIN transfers AS moves
    ON moves.reference = channels.channel_id AND moves.kind IN ('open', 'settle', 'credit') AND moves.asset = channels.asset
  GROUP BY channels.shard, channels.channel_id, channels.status, channels.asset, channels.settled, channels.refund, channels.funds`

export const ledgerChecks: readonly SqlCheck[] = [
  {
    name: 'every entry moves what its kind moves',
    sql: `SELECT kind, reference, line, from_place, to_place FROM transfers WHERE NOT (${shapes}) LIMIT 1`,
    tell: (row) =>
      `line ${amountIn(row, 'line')} of ${entryIn(row)} goes from ${nameIn(row, 'from_place')} to ${nameIn(row, 'to_place')}`,
  },
  {
    name: 'every entry moves something',
    sql: `SELECT kind, reference FROM entries WHERE kind IN ('deposit', 'withdraw', 'open', 'settle')
      AND NOT EXISTS (SELECT 1 FROM transfers WHERE transfers.shard = entries.shard AND transfers.kind = entries.kind
        AND transfers.reference = entries.reference) LIMIT 1`,
    tell: (row) => `${entryIn(row)} moves nothing`,
  },
  {
    name: 'every transfer is of an entry',
    sql: `SELECT kind, reference FROM transfers WHERE NOT EXISTS (SELECT 1 FROM entries WHERE entries.shard = transfers.shard
      AND entries.kind = transfers.kind AND entries.reference = transfers.reference) LIMIT 1`,
    tell: (row) => `${entryIn(row)} is not in the journal, and a transfer of it is`,
  },
  {
    name: 'every balance is the sum of its postings',
    sql: `${differing} LIMIT 1`,
    tell: (row) =>
      `${holderIn(row)} has ${amountIn(row, 'found')} of ${nameIn(row, 'asset')}; its postings come to ${amountIn(row, 'expected')}`,
  },
  {
    name: 'no balance is below zero',
    sql: `SELECT place, owner, asset, balance FROM balances WHERE balance < 0 AND place <> 'outside' LIMIT 1`,
    tell: (row) => `${holderIn(row)} has ${amountIn(row, 'balance')} of ${nameIn(row, 'asset')}`,
  },
  {
    name: 'every asset adds up to zero',
    sql: 'SELECT asset, sum(balance) AS balance FROM balances GROUP BY asset HAVING sum(balance) <> 0 LIMIT 1',
    tell: (row) => `all balances of ${nameIn(row, 'asset')} come to ${amountIn(row, 'balance')}, not to 0`,
  },
  {
    name: 'nothing is left in transit',
    sql: `SELECT place, owner, asset, balance FROM balances WHERE place = 'transit' AND balance <> 0 LIMIT 1`,
    tell: (row) => `${amountIn(row, 'balance')} of ${nameIn(row, 'asset')} for ${ownerIn(row, 'owner')} did not arrive`,
  },
  {
    name: 'every channel holds its funds while it is open, and nothing afterwards',
    sql: `SELECT channel_id, status, funds, balance FROM channels LEFT JOIN balances ON balances.shard = channels.shard
        AND place = 'channel' AND owner = channel_id AND balances.asset = channels.asset
      WHERE coalesce(balance, 0) <> CASE status WHEN 'open' THEN funds ELSE 0 END LIMIT 1`,
    tell: (row) =>
      `${channelIn(row)} is ${nameIn(row, 'status')} and holds ${amountIn(row, 'balance')}; its funds are ${amountIn(row, 'funds')}`,
  },
  {
    name: 'money in a channel is in one that is known',
    sql: `SELECT owner, asset, balance FROM balances WHERE place = 'channel' AND balance <> 0 AND NOT EXISTS
      (SELECT 1 FROM channels WHERE channels.shard = balances.shard AND channel_id = owner) LIMIT 1`,
    tell: (row) =>
      `${amountIn(row, 'balance')} of ${nameIn(row, 'asset')} is in channel ${ownerIn(row, 'owner')}, which nobody opened`,
  },
  {
    name: 'every channel was opened with its funds, by its client',
    sql: `SELECT * FROM (${settled}) AS moved WHERE opened <> funds LIMIT 1`,
    tell: (row) => `${channelIn(row)} has funds of ${amountIn(row, 'funds')}; ${amountIn(row, 'opened')} went into it`,
  },
  {
    name: 'every closed channel was paid out as it was settled',
    sql: `SELECT * FROM (${settled}) AS moved WHERE status = 'closed'
      AND (to_vendor <> settled OR credited <> settled OR to_client <> refund) LIMIT 1`,
    tell: (row) =>
      `${channelIn(row)} was settled at ${amountIn(row, 'settled')} and ${amountIn(row, 'refund')}; ` +
      `${amountIn(row, 'credited')} went to the vendor and ${amountIn(row, 'to_client')} to the client`,
  },
  {
    name: 'every channel that expired was given back',
    sql: `SELECT * FROM (${settled}) AS moved WHERE status NOT IN ('open', 'closed') AND (to_client <> funds OR to_vendor <> 0) LIMIT 1`,
    tell: (row) => `${channelIn(row)} held ${amountIn(row, 'funds')}; ${amountIn(row, 'to_client')} went back`,
  },
  {
    name: 'every withdrawal is in the journal, and every one of the journal is listed',
    sql: `SELECT withdrawals.reference AS listed, moves.reference AS moved, coalesce(withdrawals.amount, 0) AS amount,
        coalesce(moves.amount, 0) AS found
      FROM withdrawals FULL JOIN (SELECT shard, reference, amount, asset, from_owner FROM transfers WHERE kind = 'withdraw') AS moves
        ON moves.shard = withdrawals.shard AND moves.reference = withdrawals.reference
      WHERE withdrawals.reference IS NULL OR moves.reference IS NULL OR moves.amount <> withdrawals.amount
        OR moves.asset <> withdrawals.asset OR moves.from_owner <> withdrawals.account LIMIT 1`,
    tell: (row) => {
      const reference = row.listed === null ? ownerIn(row, 'moved') : ownerIn(row, 'listed')
      return `withdrawal ${reference} is of ${amountIn(row, 'amount')}; the journal moves ${amountIn(row, 'found')}`
    },
  },
  {
    name: 'every overcharge was returned, or is owed',
    sql: `SELECT proofs.channel_id, proofs.amount, coalesce(returned.amount, 0) AS returned, coalesce(incurred, 0) AS owed FROM proofs
      LEFT JOIN (SELECT reference, sum(amount) AS amount FROM transfers WHERE kind = 'overcharge' GROUP BY reference) AS returned
        ON returned.reference = proofs.reference
      LEFT JOIN debts ON debts.reference = proofs.reference
      WHERE cause = 'overcharge' AND coalesce(returned.amount, 0) + coalesce(incurred, 0) <> proofs.amount LIMIT 1`,
    tell: (row) =>
      `${channelIn(row)} was overcharged by ${amountIn(row, 'amount')}; ${amountIn(row, 'returned')} was returned and ${amountIn(row, 'owed')} is owed`,
  },
  {
    name: 'nobody who owes has money',
    sql: `SELECT debtor, debts.asset, amount, balance FROM debts JOIN balances ON balances.shard = debts.shard AND place = 'account'
      AND owner = debtor AND balances.asset = debts.asset WHERE amount > 0 AND balance > 0 LIMIT 1`,
    tell: (row) =>
      `account ${ownerIn(row, 'debtor')} owes ${amountIn(row, 'amount')} of ${nameIn(row, 'asset')} and has ${amountIn(row, 'balance')}`,
  },
  {
    name: 'every account has its history of reputation, without gaps',
    sql: `SELECT accounts.account, count(number) AS found, coalesce(max(number), 0) AS last FROM accounts
      LEFT JOIN reputation ON reputation.shard = accounts.shard AND reputation.account = accounts.account
      GROUP BY accounts.shard, accounts.account HAVING count(number) = 0 OR count(number) <> max(number) LIMIT 1`,
    tell: (row) =>
      `account ${ownerIn(row, 'account')} has ${amountIn(row, 'found')} changes, and the last has number ${amountIn(row, 'last')}`,
  },
  {
    name: 'every closed channel has a record, and no other has one',
    sql: `SELECT coalesce(channels.channel_id, records.channel_id) AS channel_id, channels.status,
        CASE WHEN records.channel_id IS NULL THEN 0 ELSE 1 END AS has_record
      FROM channels FULL JOIN records ON records.shard = channels.shard AND records.channel_id = channels.channel_id
      WHERE coalesce(CASE channels.status WHEN 'closed' THEN 1 ELSE 0 END, -1) <> CASE WHEN records.channel_id IS NULL THEN 0 ELSE 1 END LIMIT 1`,
    tell: (row) =>
      `${channelIn(row)} is ${nameIn(row, 'status')} and has ${amountIn(row, 'has_record') === 1n ? 'a' : 'no'} record`,
  },
  {
    name: 'every batch has as many records as it says, at places of their own',
    sql: `SELECT batches.batch, leaf_count, count(position) AS found, coalesce(max(position), -1) AS last FROM batches
      LEFT JOIN records ON records.shard = batches.shard AND records.batch = batches.batch
      GROUP BY batches.shard, batches.batch, leaf_count
      HAVING count(position) <> leaf_count OR coalesce(max(position), -1) <> leaf_count - 1 OR count(DISTINCT position) <> leaf_count LIMIT 1`,
    tell: (row) =>
      `batch ${amountIn(row, 'batch')} says ${amountIn(row, 'leaf_count')} records and has ${amountIn(row, 'found')}`,
  },
  {
    name: 'batches are numbered without gaps',
    sql: `SELECT count(*) AS found, max(batch) AS last FROM batches GROUP BY shard HAVING count(*) <> max(batch) LIMIT 1`,
    tell: (row) => `${amountIn(row, 'found')} batches, and the last has number ${amountIn(row, 'last')}`,
  },
]

/** By how much the books are wrong, a row an asset. */
export const imbalanceSql: string = `
  SELECT asset, sum(wrong) AS wrong FROM (
    SELECT asset, abs(found - expected) AS wrong FROM (${differing}) AS differing
    UNION ALL SELECT asset, abs(sum(balance)) FROM balances GROUP BY asset) AS wrongs
  GROUP BY asset ORDER BY asset`

export const totalsSql = `
  SELECT kept.asset,
    coalesce(max(deposited), 0) AS deposited, coalesce(max(withdrawn), 0) AS withdrawn,
    coalesce(sum(CASE WHEN place = 'account' THEN balance END), 0) AS accounts,
    coalesce(sum(CASE WHEN place = 'locked' THEN balance END), 0) AS locked,
    coalesce(sum(CASE WHEN place = 'channel' THEN balance END), 0) AS channels,
    coalesce(sum(CASE WHEN place = 'transit' THEN balance END), 0) AS transit
  FROM balances AS kept LEFT JOIN (
    SELECT asset, sum(CASE WHEN from_place = 'outside' THEN amount END) AS deposited,
      sum(CASE WHEN to_place = 'outside' THEN amount END) AS withdrawn
    FROM transfers GROUP BY asset) AS flows ON flows.asset = kept.asset
  GROUP BY kept.asset ORDER BY kept.asset`

export const countsSql = `
  SELECT (SELECT count(*) FROM accounts) AS accounts,
    (SELECT count(*) FROM channels WHERE status = 'open') AS channels_open,
    (SELECT count(*) FROM channels WHERE status <> 'open') AS channels_ended,
    (SELECT count(*) FROM entries) AS entries,
    (SELECT count(*) FROM transfers) AS transfers,
    (SELECT count(*) FROM records) AS records,
    (SELECT count(*) FROM records WHERE batch IS NULL) AS records_queued,
    (SELECT count(*) FROM batches) AS batches`

function entryIn(row: Row): string {
  return `${nameIn(row, 'kind')} ${ownerIn(row, 'reference')}`
}

function holderIn(row: Row): string {
  return `${nameIn(row, 'place')} ${ownerIn(row, 'owner')}`
}

function channelIn(row: Row): string {
  return `channel ${ownerIn(row, 'channel_id')}`
}
