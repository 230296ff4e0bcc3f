/**
 * Migration 3: accounts that register by themselves, every way to close a channel, what proves a fraud, debts, reputation
 * with its causes, and the bank's clock.
 *
 * Checks of a column cannot be changed in place, so that the tables which they belong to are written anew.
 */
export const closesMigration = `-- Every close, its evidence, reputation with its causes, and the bank's clock
DROP VIEW imbalances;
DROP VIEW postings;
CREATE TABLE old_commands AS SELECT * FROM commands;
CREATE TABLE old_entries AS SELECT * FROM entries;
CREATE TABLE old_transfers AS SELECT * FROM transfers;
CREATE TABLE old_balances AS SELECT * FROM balances;
CREATE TABLE old_channels AS SELECT * FROM channels;
CREATE TABLE old_records AS SELECT * FROM records;
DROP TABLE records;
DROP TABLE channels;
DROP TABLE balances;
DROP TABLE transfers;
DROP TABLE entries;
DROP TABLE commands;

-- Every change of a score, with what caused it. What an account's score is now follows from its last change and the days since.
CREATE TABLE reputation (
  shard        INTEGER NOT NULL CHECK (shard >= 0),                 -- The account's.
  account      BLOB    NOT NULL,                                    -- Whose score.
  number       INTEGER NOT NULL CHECK (number >= 1),                -- In the order of their making, from 1, without gaps.
  cause        TEXT    NOT NULL                                     -- See protocol/bank/Reputation.ts.
    CHECK (cause IN ('registered', 'recovery', 'completed', 'releaseWithheld', 'releasedLate', 'badOpening', 'equivocation',
      'overcharge')),
  at           INTEGER NOT NULL CHECK (at >= 0),                    -- Unix seconds, the bank's clock.
  score        INTEGER NOT NULL CHECK (score BETWEEN 0 AND 100),    -- After the change.
  channel_id   BLOB CHECK (length(channel_id) = 32),                -- Where it happened, if in a channel.
  counterparty BLOB CHECK (length(counterparty) = 32),              -- With whom a channel was completed. Never shown to vendors.
  PRIMARY KEY (shard, account, number),
  FOREIGN KEY (shard, account) REFERENCES accounts,
  CHECK ((cause IN ('registered', 'recovery')) = (channel_id IS NULL)),
  CHECK ((cause = 'completed') = (counterparty IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX reputation_of_channel ON reputation (shard, account, channel_id);
CREATE INDEX reputation_by_counterparty ON reputation (shard, account, counterparty, number) WHERE cause = 'completed';

INSERT INTO reputation (shard, account, number, cause, at, score)
  SELECT shard, account, 1, 'registered', registered_at, reputation FROM accounts;
ALTER TABLE accounts DROP COLUMN reputation;

CREATE TABLE commands (
  shard       INTEGER NOT NULL CHECK (shard >= 0),              -- The account's.
  account     BLOB    NOT NULL CHECK (length(account) = 32),    -- Who signed the command: registered or not.
  id          BLOB    NOT NULL CHECK (length(id) = 16),         -- Chosen by the account, once for each command.
  body_hash   BLOB    NOT NULL CHECK (length(body_hash) = 32),  -- SHA-256 of the whole command.
  answer      BLOB    NOT NULL,                                 -- What it was answered, given again on repetition.
  valid_until INTEGER NOT NULL CHECK (valid_until >= 0),        -- Unix seconds. The row outlives it.
  PRIMARY KEY (shard, account, id)
) STRICT;

CREATE TABLE entries (
  shard     INTEGER NOT NULL CHECK (shard >= 0),                -- See the table in protocol/bank/postings.ts.
  kind      TEXT    NOT NULL                                    -- See the same table.
    CHECK (kind IN ('deposit', 'withdraw', 'register', 'open', 'settle', 'credit', 'overcharge', 'repayment', 'restitution')),
  reference BLOB    NOT NULL CHECK (length(reference) = 32),    -- Unique for its kind: what makes a repetition harmless.
  at        INTEGER NOT NULL CHECK (at >= 0),                   -- Unix seconds, the bank's clock.
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
  from_place TEXT    NOT NULL CHECK (from_place IN ('outside', 'account', 'locked', 'channel', 'transit')), -- Debited.
  from_owner BLOB    NOT NULL CHECK (length(from_owner) = 32),                         -- Account key, channel id, or what is in transit.
  to_place   TEXT    NOT NULL CHECK (to_place IN ('outside', 'account', 'locked', 'channel', 'transit')),   -- Credited.
  to_owner   BLOB    NOT NULL CHECK (length(to_owner) = 32),                           -- As from_owner.
  at         INTEGER NOT NULL CHECK (at >= 0),                                         -- The entry's: an account's journal is read in its order.
  PRIMARY KEY (shard, kind, reference, line),
  FOREIGN KEY (shard, kind, reference) REFERENCES entries
) STRICT, WITHOUT ROWID;

CREATE INDEX transfers_from ON transfers (shard, from_owner, at, kind, reference, line);
CREATE INDEX transfers_to ON transfers (shard, to_owner, at, kind, reference, line);

-- What the journal adds up to, kept so that a guarded update can refuse to go below zero.
CREATE TABLE balances (
  shard   INTEGER NOT NULL CHECK (shard >= 0),                                       -- The entry's.
  place   TEXT    NOT NULL CHECK (place IN ('outside', 'account', 'locked', 'channel', 'transit')), -- See protocol/bank/postings.ts.
  owner   BLOB    NOT NULL CHECK (length(owner) = 32),                               -- Account key, channel id, or what is in transit.
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
  expires_at  INTEGER NOT NULL CHECK (expires_at > 0),                -- Unix seconds: grace counts from then on.
  deadline    INTEGER NOT NULL CHECK (deadline >= expires_at),        -- Unix seconds: claims are taken until then.
  terms       BLOB    NOT NULL CHECK (length(terms) = 344),           -- What all parties agreed on.
  commitment  BLOB    NOT NULL CHECK (length(commitment) = 32),       -- c_0.
  receipt     BLOB    NOT NULL CHECK (length(receipt) = 64),          -- σ_0: for the client alone until the close.
  bank_grant  BLOB    NOT NULL CHECK (length(bank_grant) = 64),       -- γ.
  opened_at   INTEGER NOT NULL CHECK (opened_at >= 0),                -- Unix seconds, the bank's clock.
  grace_from  INTEGER CHECK (grace_from >= 0),                        -- Uptime when the bank's clock passed expires_at. Set once.
  status      TEXT    NOT NULL CHECK (status IN ('open', 'closed', 'expired')), -- Leaves open once: closed by a claim, expired without.
  close       BLOB,                                                   -- The vendor's claim, as it came.
  settled     INTEGER CHECK (settled >= 0),                           -- To the vendor, base units.
  refund      INTEGER CHECK (refund >= 0),                            -- To the client, base units.
  basis       TEXT CHECK (basis IN ('proven', 'claimed')),            -- What showed the last transaction when it was claimed.
  closed_at   INTEGER CHECK (closed_at >= 0),                         -- Unix seconds, the bank's clock.
  PRIMARY KEY (shard, channel_id),
  UNIQUE (shard, channel_key),
  FOREIGN KEY (shard, account) REFERENCES accounts,
  CHECK (CASE status
    WHEN 'open' THEN close IS NULL AND settled IS NULL AND refund IS NULL AND basis IS NULL AND closed_at IS NULL
    WHEN 'expired' THEN close IS NULL AND settled IS NULL AND basis IS NULL AND closed_at IS NOT NULL AND coalesce(refund, -1) = funds
    ELSE close IS NOT NULL AND basis IS NOT NULL AND closed_at IS NOT NULL AND coalesce(settled + refund, -1) = funds END)
) STRICT;

CREATE INDEX channels_of_account ON channels (shard, account, status);
CREATE INDEX channels_by_account ON channels (shard, account, opened_at, channel_id);
CREATE INDEX channels_by_vendor ON channels (shard, vendor, opened_at, channel_id);
CREATE INDEX channels_before_grace ON channels (shard, expires_at) WHERE grace_from IS NULL;
CREATE INDEX channels_in_grace ON channels (shard, grace_from) WHERE status = 'open' AND grace_from IS NOT NULL;

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

INSERT INTO commands SELECT shard, account, id, body_hash, answer, valid_until FROM old_commands;
INSERT INTO entries SELECT shard, kind, reference, at FROM old_entries;
INSERT INTO transfers SELECT shard, kind, reference, line, asset, amount, from_place, from_owner, to_place, to_owner, at
  FROM old_transfers JOIN old_entries USING (shard, kind, reference);
INSERT INTO balances SELECT shard, place, owner, asset, balance FROM old_balances;
-- What was opened before knows its deadline alone: its grace counts from there, to the vendor's advantage.
INSERT INTO channels SELECT shard, channel_id, channel_key, account, vendor, asset, funds, deadline, deadline, terms, commitment,
  receipt, bank_grant, opened_at, NULL, status, close, settled, refund, basis, closed_at FROM old_channels;
INSERT INTO records SELECT shard, channel_id, record, leaf, queued_at, batch, position FROM old_records;
DROP TABLE old_records;
DROP TABLE old_channels;
DROP TABLE old_balances;
DROP TABLE old_transfers;
DROP TABLE old_entries;
DROP TABLE old_commands;

CREATE TABLE endings (
  shard          INTEGER NOT NULL CHECK (shard >= 0),                   -- The channel's.
  channel_id     BLOB    NOT NULL,                                      -- What the parties of this channel left for each other.
  closing        BLOB CHECK (length(closing) = 141),                    -- The vendor's last statement. The first that came stays.
  fetched_at     INTEGER CHECK (fetched_at >= 0),                       -- Uptime when the client's account first fetched it.
  disputed       INTEGER NOT NULL CHECK (disputed IN (0, 1)),           -- The client's account does not release for it.
  release        BLOB CHECK (length(release) = 268),                    -- The client's answer.
  release_proven INTEGER NOT NULL CHECK (release_proven IN (0, 1)),     -- A claim showed that it is the right one.
  reviewed       INTEGER NOT NULL CHECK (reviewed IN (0, 1)),           -- Whether it was withheld is decided.
  version        INTEGER NOT NULL CHECK (version >= 1),                 -- Grows with every change: what a decision was made on.
  PRIMARY KEY (shard, channel_id),
  FOREIGN KEY (shard, channel_id) REFERENCES channels,
  CHECK (fetched_at IS NULL OR closing IS NOT NULL),
  CHECK (release_proven = 0 OR release IS NOT NULL)
) STRICT, WITHOUT ROWID;

CREATE INDEX endings_fetched ON endings (shard, fetched_at) WHERE reviewed = 0 AND fetched_at IS NOT NULL;

CREATE TABLE proofs (
  shard      INTEGER NOT NULL CHECK (shard >= 0),                       -- The channel's.
  channel_id BLOB    NOT NULL,                                          -- Where the fraud was.
  reference  BLOB    NOT NULL CHECK (length(reference) = 32),           -- Of its entry where it is an overcharge, else SHA-256 of the evidence.
  cause      TEXT    NOT NULL CHECK (cause IN ('badOpening', 'equivocation', 'overcharge')), -- Which fraud.
  evidence   BLOB    NOT NULL,                                          -- As it came: src/wire/BadOpening.ts and so on.
  amount     INTEGER NOT NULL CHECK (amount >= 0),                      -- Base units that the vendor has to return.
  at         INTEGER NOT NULL CHECK (at >= 0),                          -- Unix seconds, the bank's clock.
  PRIMARY KEY (shard, channel_id, reference),
  FOREIGN KEY (shard, channel_id) REFERENCES channels,
  CHECK ((cause = 'overcharge') = (amount > 0))
) STRICT, WITHOUT ROWID;

-- A proof kind scores once a channel; each overcharge is returned.
CREATE UNIQUE INDEX proof_once ON proofs (shard, channel_id, cause) WHERE cause <> 'overcharge';

-- What vendors overcharged and could not return at once. No money: it is in no balance.
CREATE TABLE debts (
  shard     INTEGER NOT NULL CHECK (shard >= 0),                -- The debtor's.
  reference BLOB    NOT NULL CHECK (length(reference) = 32),    -- Digest of the closing that proved it.
  debtor    BLOB    NOT NULL CHECK (length(debtor) = 32),       -- The vendor.
  creditor  BLOB    NOT NULL CHECK (length(creditor) = 32),     -- The client's account.
  asset     TEXT    NOT NULL CHECK (length(asset) BETWEEN 3 AND 32), -- CODE/decimals.
  incurred  INTEGER NOT NULL CHECK (incurred > 0),              -- Base units, when it was proven.
  amount    INTEGER NOT NULL CHECK (amount BETWEEN 0 AND incurred), -- Base units that are left of it.
  at        INTEGER NOT NULL CHECK (at >= 0),                   -- Unix seconds, the bank's clock.
  PRIMARY KEY (shard, reference)
) STRICT, WITHOUT ROWID;

CREATE INDEX debts_unpaid ON debts (shard, debtor, asset, at, reference) WHERE amount > 0;

-- Money that has left the books. To pay it out is the operator's.
CREATE TABLE withdrawals (
  shard       INTEGER NOT NULL CHECK (shard >= 0),              -- The account's.
  reference   BLOB    NOT NULL CHECK (length(reference) = 32),  -- Of its entry.
  account     BLOB    NOT NULL CHECK (length(account) = 32),    -- Whose money it was.
  asset       TEXT    NOT NULL CHECK (length(asset) BETWEEN 3 AND 32), -- CODE/decimals.
  amount      INTEGER NOT NULL CHECK (amount > 0),              -- Base units.
  destination BLOB    NOT NULL CHECK (length(destination) = 32),-- Where to, as bank and account understand it.
  asked_at    INTEGER NOT NULL CHECK (asked_at >= 0),           -- Unix seconds, the bank's clock.
  paid_at     INTEGER CHECK (paid_at >= 0),                     -- Unix seconds; absent until the operator says that it was paid.
  PRIMARY KEY (shard, reference)
) STRICT, WITHOUT ROWID;

CREATE INDEX withdrawals_unpaid ON withdrawals (shard, asked_at, reference) WHERE paid_at IS NULL;

CREATE TABLE clock (
  shard          INTEGER NOT NULL CHECK (shard >= 0),           -- Whose clock it is.
  wall           INTEGER NOT NULL CHECK (wall >= 0),            -- Unix seconds. Never goes back.
  uptime         INTEGER NOT NULL CHECK (uptime >= 0),          -- Seconds that the bank has been at work in all its life.
  held           TEXT CHECK (held IN ('jump', 'gap')),          -- Why no deadline passes, if so.
  expected       INTEGER NOT NULL CHECK (expected >= 0),        -- Unix seconds that the system's clock should say.
  expected_since INTEGER NOT NULL CHECK (expected_since >= 0),  -- Uptime when it was last set by that clock.
  beats          INTEGER NOT NULL CHECK (beats >= 1),           -- Grows with every step.
  PRIMARY KEY (shard)
) STRICT, WITHOUT ROWID;

CREATE VIEW postings AS
  SELECT shard, kind, reference, line, asset, from_place AS place, from_owner AS owner, -amount AS amount FROM transfers
  UNION ALL
  SELECT shard, kind, reference, line, asset, to_place, to_owner, amount FROM transfers;

-- Empty while the books are right: what journal, balances, channels and debts say, wherever they differ.
CREATE VIEW imbalances AS
  WITH derived AS (SELECT shard, place, owner, asset, sum(amount) AS balance FROM postings GROUP BY 1, 2, 3, 4),
    paid AS (SELECT shard, reference AS channel_id, sum(CASE to_place WHEN 'transit' THEN amount ELSE 0 END) AS to_vendor,
      sum(CASE to_place WHEN 'account' THEN amount ELSE 0 END) AS to_client FROM transfers WHERE kind = 'settle' GROUP BY 1, 2),
    returned AS (SELECT shard, reference, sum(amount) AS amount FROM transfers WHERE kind = 'overcharge' GROUP BY 1, 2)
  SELECT 'balance is not the sum of its postings' AS fault, place, owner, asset, balances.balance AS found, derived.balance AS expected
    FROM balances FULL JOIN derived USING (shard, place, owner, asset)
    WHERE coalesce(balances.balance, 0) <> coalesce(derived.balance, 0)
  UNION ALL
  SELECT 'channel does not hold its funds', 'channel', channel_id, channels.asset, balance, CASE status WHEN 'open' THEN funds ELSE 0 END
    FROM channels LEFT JOIN balances ON balances.shard = channels.shard AND place = 'channel' AND owner = channel_id
      AND balances.asset = channels.asset
    WHERE coalesce(balance, 0) <> CASE status WHEN 'open' THEN funds ELSE 0 END
  UNION ALL
  SELECT 'vendor was not paid what was settled', 'channel', channel_id, asset, to_vendor, coalesce(settled, 0)
    FROM channels LEFT JOIN paid USING (shard, channel_id) WHERE coalesce(to_vendor, 0) <> coalesce(settled, 0)
  UNION ALL
  SELECT 'client did not get the refund', 'channel', channel_id, asset, to_client, coalesce(refund, 0)
    FROM channels LEFT JOIN paid USING (shard, channel_id) WHERE coalesce(to_client, 0) <> coalesce(refund, 0)
  UNION ALL
  SELECT 'money is in no channel that is known', place, owner, balances.asset, balance, 0 FROM balances
    WHERE place = 'channel' AND balance <> 0
      AND NOT EXISTS (SELECT 1 FROM channels WHERE channels.shard = balances.shard AND channel_id = owner)
  UNION ALL
  SELECT 'settled channel was not paid out', 'transit', owner, asset, balance, 0 FROM balances
    WHERE place = 'transit' AND balance <> 0
  UNION ALL
  SELECT 'debtor has money', 'account', debtor, debts.asset, balance, 0 FROM debts JOIN balances
    ON balances.shard = debts.shard AND place = 'account' AND owner = debtor AND balances.asset = debts.asset
    WHERE amount > 0 AND balance > 0
  UNION ALL
  SELECT 'overcharge was neither returned nor is owed', 'channel', proofs.channel_id, channels.asset,
      coalesce(returned.amount, 0) + coalesce(incurred, 0), proofs.amount
    FROM proofs JOIN channels USING (shard, channel_id) LEFT JOIN returned USING (shard, reference)
      LEFT JOIN debts USING (shard, reference)
    WHERE cause = 'overcharge' AND coalesce(returned.amount, 0) + coalesce(incurred, 0) <> proofs.amount
  UNION ALL
  SELECT 'withdrawal is not in the journal', 'account', account, withdrawals.asset, withdrawals.amount, coalesce(transfers.amount, 0)
    FROM withdrawals LEFT JOIN transfers ON transfers.shard = withdrawals.shard AND kind = 'withdraw'
      AND transfers.reference = withdrawals.reference
    WHERE coalesce(transfers.amount, 0) <> withdrawals.amount
  UNION ALL
  SELECT 'asset does not add up to zero', NULL, NULL, asset, sum(balance), 0 FROM balances
    GROUP BY asset HAVING sum(balance) <> 0;
`
