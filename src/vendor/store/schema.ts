import type { Schema } from '../../sql/schema.ts'

/** Numbered, append-only: a store at version n has run the first n. Every key starts with the shard column. */
export const migrations: readonly string[] = [
  `-- Channels, their segments and payments
  CREATE TABLE channels (
    shard      INTEGER NOT NULL,                              -- first byte of channel_id: the column to split by
    channel_id BLOB    NOT NULL CHECK (length(channel_id) = 32), -- taggedHash("lockstep/terms", terms)
    reference  BLOB    NOT NULL CHECK (length(reference) = 16),  -- its first 16 bytes, as frames name it
    terms      BLOB    NOT NULL CHECK (length(terms) = 344),  -- as both parties agreed to them
    commitment BLOB    NOT NULL CHECK (length(commitment) = 32), -- c_0
    bank_grant BLOB    NOT NULL CHECK (length(bank_grant) = 64), -- the bank's signature on channel_id and c_0
    phase      TEXT    NOT NULL CHECK (phase IN ('open', 'closing', 'closed')),
    suspended  TEXT,                                          -- why nothing is accepted any more, if so
    strikes    INTEGER NOT NULL CHECK (strikes >= 0),         -- wrong coins behind a valid MAC
    paid       INTEGER NOT NULL,                              -- base units proven by coins and checkpoints
    spent      INTEGER NOT NULL CHECK (spent BETWEEN 0 AND paid), -- base units charged
    contiguous INTEGER NOT NULL,                              -- every payment 1..contiguous is stored
    transcript BLOB    NOT NULL CHECK (length(transcript) = 32), -- t of that prefix
    amount     INTEGER NOT NULL,                              -- base units its last payment reached
    closing    BLOB,                                          -- the vendor's signed last statement
    release    BLOB,                                          -- the client's answer to it
    claim      BLOB,                                          -- the claim on the bank, as signed
    PRIMARY KEY (shard, channel_id),
    UNIQUE (shard, reference)
  ) WITHOUT ROWID, STRICT;

  CREATE TABLE segments (
    shard      INTEGER NOT NULL,                              -- that of the channel
    channel_id BLOB    NOT NULL,
    number     INTEGER NOT NULL,                              -- 0 is opened by the terms
    checkpoint BLOB CHECK ((checkpoint IS NULL) = (number = 0)), -- what opened it, as signed
    step       INTEGER NOT NULL CHECK (step BETWEEN 0 AND 1024), -- j of the highest coin seen
    coin       BLOB    NOT NULL CHECK (length(coin) = 32),    -- that coin; the anchor where step is 0
    PRIMARY KEY (shard, channel_id, number),
    FOREIGN KEY (shard, channel_id) REFERENCES channels (shard, channel_id)
  ) WITHOUT ROWID, STRICT;

  CREATE TABLE payments (
    shard      INTEGER NOT NULL,                              -- that of the channel
    channel_id BLOB    NOT NULL,
    number     INTEGER NOT NULL CHECK (number > 0),           -- i
    segment    INTEGER NOT NULL,                              -- the segment of its coin
    amount     INTEGER NOT NULL,                              -- base units paid up to and with it
    digest     BLOB    NOT NULL CHECK (length(digest) = 32),  -- d_i: what it is for
    core       BLOB    NOT NULL CHECK (length(core) IN (188, 220)), -- what it adds to the transcript
    status     TEXT    NOT NULL CHECK (status IN ('accepted', 'running', 'charged', 'released')),
    charged    INTEGER NOT NULL CHECK (charged >= 0),         -- base units
    answer_status  INTEGER,                                   -- HTTP status of the answer, where it is kept
    answer_headers TEXT,                                      -- JSON list of pairs
    answer_body    BLOB,
    PRIMARY KEY (shard, channel_id, number),
    FOREIGN KEY (shard, channel_id) REFERENCES channels (shard, channel_id)
  ) WITHOUT ROWID, STRICT;
  `,
  `-- Leases, deadlines, packed receipts, tombstones
  ALTER TABLE channels ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0; -- of the lease that it may be written under
  ALTER TABLE channels ADD COLUMN deadline INTEGER NOT NULL DEFAULT 0; -- Unix seconds: claims are taken until then; 0 until it is written again

  CREATE INDEX channels_due ON channels (shard, deadline) WHERE phase <> 'closed';

  CREATE TABLE leases (
    shard      INTEGER NOT NULL,                              -- that of the channel
    channel_id BLOB    NOT NULL CHECK (length(channel_id) = 32), -- may be written before the channel itself is
    node       TEXT    NOT NULL,                              -- who holds it, or held it last
    epoch      INTEGER NOT NULL CHECK (epoch > 0),            -- grows with every lease of the channel
    held_until INTEGER NOT NULL CHECK (held_until >= 0),      -- Unix seconds
    PRIMARY KEY (shard, channel_id)
  ) WITHOUT ROWID, STRICT;

  CREATE TABLE packs (
    shard        INTEGER NOT NULL,                            -- that of the channel
    channel_id   BLOB    NOT NULL,
    first_number INTEGER NOT NULL CHECK (first_number > 0),   -- i of its first payment
    last_number  INTEGER NOT NULL,                            -- i of its last one
    payments     BLOB    NOT NULL CHECK (length(payments) > 0), -- one after the other: src/vendor/store/pack.ts
    PRIMARY KEY (shard, channel_id, first_number),
    FOREIGN KEY (shard, channel_id) REFERENCES channels (shard, channel_id),
    CHECK (last_number >= first_number)
  ) WITHOUT ROWID, STRICT;

  CREATE TABLE tombstones (
    shard        INTEGER NOT NULL,                            -- first byte of reference
    reference    BLOB    NOT NULL CHECK (length(reference) = 16), -- first 16 bytes of the channel id
    buried_until INTEGER NOT NULL,                            -- Unix seconds: the channel is refused until then
    PRIMARY KEY (shard, reference)
  ) WITHOUT ROWID, STRICT;

  CREATE TABLE restorations (
    shard       INTEGER NOT NULL,                             -- 0
    restored_at INTEGER NOT NULL CHECK (restored_at >= 0),    -- Unix seconds: the store was made from a backup then
    PRIMARY KEY (shard, restored_at)
  ) WITHOUT ROWID, STRICT;

  CREATE INDEX payments_running ON payments (shard, channel_id, number) WHERE status = 'running';
  `,
  `-- Small rows for what changes, payments in the order they came: a commit writes few pages
  CREATE TABLE openings (
    shard      INTEGER NOT NULL,                              -- that of the channel
    channel_id BLOB    NOT NULL,
    terms      BLOB    NOT NULL CHECK (length(terms) = 344),  -- as both parties agreed to them
    bank_grant BLOB    NOT NULL CHECK (length(bank_grant) = 64), -- the bank's signature on channel_id and c_0
    PRIMARY KEY (shard, channel_id),
    FOREIGN KEY (shard, channel_id) REFERENCES channels (shard, channel_id)
  ) WITHOUT ROWID, STRICT;

  INSERT INTO openings SELECT shard, channel_id, terms, bank_grant FROM channels;
  ALTER TABLE channels DROP COLUMN terms;
  ALTER TABLE channels DROP COLUMN bank_grant;

  DROP INDEX payments_running;
  ALTER TABLE payments RENAME TO old_payments;

  CREATE TABLE payments (
    shard      INTEGER NOT NULL,                              -- that of the channel
    channel_id BLOB    NOT NULL,
    number     INTEGER NOT NULL CHECK (number > 0),           -- i
    segment    INTEGER NOT NULL,                              -- the segment of its coin
    amount     INTEGER NOT NULL,                              -- base units paid up to and with it
    digest     BLOB    NOT NULL CHECK (length(digest) = 32),  -- d_i: what it is for
    core       BLOB    NOT NULL CHECK (length(core) IN (188, 220)), -- what it adds to the transcript
    status     TEXT    NOT NULL CHECK (status IN ('accepted', 'running', 'charged', 'released')),
    charged    INTEGER NOT NULL CHECK (charged >= 0),         -- base units
    answer_status  INTEGER,                                   -- HTTP status of the answer, where it is kept
    answer_headers TEXT,                                      -- JSON list of pairs
    answer_body    BLOB,
    answered_at    INTEGER,                                   -- Unix seconds: when the answer was kept
    PRIMARY KEY (shard, channel_id, number),
    FOREIGN KEY (shard, channel_id) REFERENCES channels (shard, channel_id)
  ) STRICT;

  INSERT INTO payments (shard, channel_id, number, segment, amount, digest, core, status, charged,
      answer_status, answer_headers, answer_body, answered_at)
    SELECT shard, channel_id, number, segment, amount, digest, core, status, charged,
      answer_status, answer_headers, answer_body, CASE WHEN answer_status IS NULL THEN NULL ELSE 0 END
    FROM old_payments;
  DROP TABLE old_payments;
  CREATE INDEX payments_running ON payments (shard, channel_id, number) WHERE status = 'running';
  CREATE INDEX payments_answered ON payments (shard, answered_at) WHERE answered_at IS NOT NULL;
  `,
  `-- Verified locks
  ALTER TABLE channels ADD COLUMN locks BLOB CHECK (length(locks) = 69); -- how far they hold: src/crypto/LockPrefix.ts
  `,
]

export const schema: Schema = { role: 'vendor', migrations }
