import type { Schema } from '../../sql/schema.ts'
import { closesMigration } from './schemaCloses.ts'

/**
 * The bank's schema as numbered migrations: `migrations[0]` makes version 1 of an empty file. Append only: what has run
 * somewhere is never edited.
 *
 * Every key starts with a shard. There are no sequences, no triggers and no foreign keys between shards: a channel, its
 * record and the entries `open` and `settle` are in its client's shard, a `credit` is in the vendor's: the whole table is in
 * `protocol/bank/postings.ts`.
 */
export const migrations: readonly string[] = [
  `-- Accounts, commands, ledger, channels and records
CREATE TABLE accounts (
  shard         INTEGER NOT NULL CHECK (shard >= 0),                     -- Which database of many.
  account       BLOB    NOT NULL CHECK (length(account) = 32),           -- Public key.
  reputation    INTEGER NOT NULL CHECK (reputation BETWEEN 0 AND 100),   -- A channel needs more than 50 from both sides.
  registered_at INTEGER NOT NULL CHECK (registered_at >= 0),             -- Unix seconds.
  PRIMARY KEY (shard, account)
) STRICT, WITHOUT ROWID;

CREATE TABLE commands (
  shard       INTEGER NOT NULL CHECK (shard >= 0),            -- The account's.
  account     BLOB    NOT NULL,                               -- Who signed the command.
  id          BLOB    NOT NULL CHECK (length(id) = 16),       -- Chosen by the account, once for each command.
  body_hash   BLOB    NOT NULL CHECK (length(body_hash) = 32),-- SHA-256 of the whole command.
  answer      BLOB    NOT NULL,                               -- What it was answered, given again on repetition.
  valid_until INTEGER NOT NULL CHECK (valid_until >= 0),      -- Unix seconds. The row outlives it.
  PRIMARY KEY (shard, account, id),
  FOREIGN KEY (shard, account) REFERENCES accounts
) STRICT;

CREATE TABLE entries (
  shard     INTEGER NOT NULL CHECK (shard >= 0),              -- The client's; the vendor's for a credit.
  kind      TEXT    NOT NULL CHECK (kind IN ('deposit', 'open', 'settle', 'credit')), -- See ledger.ts.
  reference BLOB    NOT NULL CHECK (length(reference) = 32),  -- The deposit's number, or the channel id.
  at        INTEGER NOT NULL CHECK (at >= 0),                 -- Unix seconds, the bank's clock.
  PRIMARY KEY (shard, kind, reference)
) STRICT, WITHOUT ROWID;

-- Both postings of a movement in one row: an entry that does not balance cannot be written.
CREATE TABLE transfers (
  shard      INTEGER NOT NULL CHECK (shard >= 0),                                      -- The entry's.
  kind       TEXT    NOT NULL,                                                         -- The entry's.
  reference  BLOB    NOT NULL,                                                         -- The entry's.
  line       INTEGER NOT NULL CHECK (line >= 0),                                       -- Position in the entry, from 0.
  asset      TEXT    NOT NULL CHECK (length(asset) BETWEEN 3 AND 32),                  -- CODE/decimals.
  amount     INTEGER NOT NULL CHECK (amount > 0),                                      -- Base units.
  from_place TEXT    NOT NULL CHECK (from_place IN ('outside', 'account', 'channel', 'transit')), -- Debited.
  from_owner BLOB    NOT NULL CHECK (length(from_owner) = 32),                         -- Account key or channel id.
  to_place   TEXT    NOT NULL CHECK (to_place IN ('outside', 'account', 'channel', 'transit')),   -- Credited.
  to_owner   BLOB    NOT NULL CHECK (length(to_owner) = 32),                           -- Account key or channel id.
  PRIMARY KEY (shard, kind, reference, line),
  FOREIGN KEY (shard, kind, reference) REFERENCES entries
) STRICT, WITHOUT ROWID;

-- What the journal adds up to, kept so that a guarded update can refuse to go below zero.
CREATE TABLE balances (
  shard   INTEGER NOT NULL CHECK (shard >= 0),                                       -- The entry's.
  place   TEXT    NOT NULL CHECK (place IN ('outside', 'account', 'channel', 'transit')), -- See ledger.ts.
  owner   BLOB    NOT NULL CHECK (length(owner) = 32),                               -- Account key or channel id.
  asset   TEXT    NOT NULL CHECK (length(asset) BETWEEN 3 AND 32),                   -- CODE/decimals.
  balance INTEGER NOT NULL CHECK (balance >= 0 OR place = 'outside'),                -- Base units.
  PRIMARY KEY (shard, place, owner, asset)
) STRICT, WITHOUT ROWID;

CREATE TABLE channels (
  shard       INTEGER NOT NULL CHECK (shard >= 0),                    -- The client's.
  channel_id  BLOB    NOT NULL CHECK (length(channel_id) = 32),       -- Tagged hash of the terms.
  channel_key BLOB    NOT NULL CHECK (length(channel_key) = 32),      -- Serves this channel alone.
  account     BLOB    NOT NULL,                                       -- The client's, which vendors never see.
  vendor      BLOB    NOT NULL CHECK (length(vendor) = 32),           -- Its account, in a shard of its own.
  asset       TEXT    NOT NULL CHECK (length(asset) BETWEEN 3 AND 32),-- CODE/decimals.
  funds       INTEGER NOT NULL CHECK (funds > 0),                     -- F, base units.
  deadline    INTEGER NOT NULL CHECK (deadline > 0),                  -- Unix seconds: claims are taken until then.
  terms       BLOB    NOT NULL CHECK (length(terms) = 344),           -- What all parties agreed on.
  commitment  BLOB    NOT NULL CHECK (length(commitment) = 32),       -- c_0.
  receipt     BLOB    NOT NULL CHECK (length(receipt) = 64),          -- σ_0: for the client alone until the close.
  bank_grant  BLOB    NOT NULL CHECK (length(bank_grant) = 64),       -- γ.
  opened_at   INTEGER NOT NULL CHECK (opened_at >= 0),                -- Unix seconds, the bank's clock.
  status      TEXT    NOT NULL CHECK (status IN ('open', 'closed')),  -- Goes from open to closed, once.
  close       BLOB,                                                   -- The vendor's claim, as it came.
  settled     INTEGER CHECK (settled >= 0),                           -- To the vendor, base units.
  refund      INTEGER CHECK (refund >= 0),                            -- To the client, base units.
  basis       TEXT CHECK (basis IN ('proven', 'claimed')),            -- What shows the last transaction.
  closed_at   INTEGER CHECK (closed_at >= 0),                         -- Unix seconds, the bank's clock.
  PRIMARY KEY (shard, channel_id),
  UNIQUE (shard, channel_key),
  FOREIGN KEY (shard, account) REFERENCES accounts,
  CHECK (CASE status
    WHEN 'open' THEN close IS NULL AND settled IS NULL AND refund IS NULL AND basis IS NULL AND closed_at IS NULL
    ELSE close IS NOT NULL AND basis IS NOT NULL AND closed_at IS NOT NULL AND coalesce(settled + refund, -1) = funds END)
) STRICT;

CREATE INDEX channels_of_account ON channels (shard, account, status);

CREATE TABLE batches (
  shard          INTEGER NOT NULL CHECK (shard >= 0),                -- The chain's log of the same number.
  batch          INTEGER NOT NULL CHECK (batch >= 1),                -- Its number on the chain.
  root           BLOB    NOT NULL CHECK (length(root) = 32),         -- Of the Merkle tree; binds leaf_count.
  leaf_count     INTEGER NOT NULL CHECK (leaf_count >= 1),           -- Number of records.
  made_at        INTEGER NOT NULL CHECK (made_at >= 0),              -- Unix seconds, before it was sent to the chain.
  head           BLOB,                                               -- Encoded tree head, once on the chain.
  head_signature BLOB CHECK (length(head_signature) = 64),           -- The bank's, on the head.
  evidence       BLOB,                                               -- What the chain gave to prove it offline.
  recorded_at    INTEGER CHECK (recorded_at >= 0),                   -- Unix seconds; absent until known on the chain.
  PRIMARY KEY (shard, batch),
  CHECK (CASE WHEN recorded_at IS NULL THEN coalesce(head, head_signature, evidence) IS NULL
    ELSE head IS NOT NULL AND head_signature IS NOT NULL AND evidence IS NOT NULL END)
) STRICT;

-- One batch at a time is on its way: what became of it is known before the next is made.
CREATE UNIQUE INDEX batch_pending ON batches (shard) WHERE recorded_at IS NULL;

CREATE TABLE records (
  shard      INTEGER NOT NULL CHECK (shard >= 0),             -- The channel's.
  channel_id BLOB    NOT NULL,                                -- The channel that was settled.
  record     BLOB    NOT NULL CHECK (length(record) = 269),   -- Salt, channel id, Tx_0, Tx_n, settled, basis.
  leaf       BLOB    NOT NULL CHECK (length(leaf) = 32),      -- Tagged hash of the record.
  queued_at  INTEGER NOT NULL CHECK (queued_at >= 0),         -- Unix seconds.
  batch      INTEGER,                                         -- Absent until it is in a batch.
  position   INTEGER CHECK (position >= 0),                   -- Index among the leaves of the batch.
  PRIMARY KEY (shard, channel_id),
  UNIQUE (shard, batch, position),
  FOREIGN KEY (shard, channel_id) REFERENCES channels,
  FOREIGN KEY (shard, batch) REFERENCES batches,
  CHECK ((batch IS NULL) = (position IS NULL))
) STRICT;

CREATE INDEX records_queued ON records (shard, queued_at, leaf) WHERE batch IS NULL;

CREATE VIEW postings AS
  SELECT shard, kind, reference, line, asset, from_place AS place, from_owner AS owner, -amount AS amount FROM transfers
  UNION ALL
  SELECT shard, kind, reference, line, asset, to_place, to_owner, amount FROM transfers;

-- Empty while the books are right: what the journal, the balances and the channels say, wherever they differ.
CREATE VIEW imbalances AS
  WITH derived AS (SELECT shard, place, owner, asset, sum(amount) AS balance FROM postings GROUP BY 1, 2, 3, 4)
  SELECT 'balance is not the sum of its postings' AS fault, place, owner, asset, balances.balance AS found, derived.balance AS expected
    FROM balances FULL JOIN derived USING (shard, place, owner, asset)
    WHERE coalesce(balances.balance, 0) <> coalesce(derived.balance, 0)
  UNION ALL
  SELECT 'channel does not hold its funds', 'channel', channel_id, channels.asset, balance, CASE status WHEN 'open' THEN funds ELSE 0 END
    FROM channels LEFT JOIN balances ON balances.shard = channels.shard AND place = 'channel' AND owner = channel_id
      AND balances.asset = channels.asset
    WHERE coalesce(balance, 0) <> CASE status WHEN 'open' THEN funds ELSE 0 END
  UNION ALL
  SELECT 'money is in no channel that is known', place, owner, balances.asset, balance, 0 FROM balances
    WHERE place = 'channel' AND balance <> 0
      AND NOT EXISTS (SELECT 1 FROM channels WHERE channels.shard = balances.shard AND channel_id = owner)
  UNION ALL
  SELECT 'settled channel was not paid out', 'transit', owner, asset, balance, 0 FROM balances
    WHERE place = 'transit' AND balance <> 0
  UNION ALL
  SELECT 'asset does not add up to zero', NULL, NULL, asset, sum(balance), 0 FROM balances
    GROUP BY asset HAVING sum(balance) <> 0;
`,
  `-- The log of the bank's own chain, which an older program made beside the migrations
CREATE TABLE IF NOT EXISTS chain_log (
  log      INTEGER NOT NULL CHECK (log >= 0),           -- Number of the log: the shard.
  sequence INTEGER NOT NULL CHECK (sequence >= 1),      -- Number of the batch, without gaps.
  entry    BLOB    NOT NULL CHECK (length(entry) = 152),-- The signed entry: src/chain/LogEntry.ts.
  PRIMARY KEY (log, sequence)
) STRICT, WITHOUT ROWID;
`,
  closesMigration,
]

export const schema: Schema = { role: 'bank', migrations }
