import type { Schema } from '../../sql/schema.ts'

/** Numbered, append-only: a journal at version n has run the first n. Every key starts with the shard column. */
export const migrations: readonly string[] = [
  `-- Channels, their states and payments
  CREATE TABLE channels (
    shard        INTEGER NOT NULL,                                -- first byte of channel_id
    channel_id   BLOB    NOT NULL CHECK (length(channel_id) = 32), -- taggedHash("lockstep/terms", terms)
    vendor_url   TEXT    NOT NULL,
    bank_url     TEXT    NOT NULL,
    terms        BLOB    NOT NULL CHECK (length(terms) = 344),
    open         BLOB    NOT NULL,                                -- the signed command, resent as it is
    channel_key  BLOB    NOT NULL CHECK (length(channel_key) = 32),  -- secret
    channel_seed BLOB    NOT NULL CHECK (length(channel_seed) = 32), -- secret
    PRIMARY KEY (shard, channel_id)
  ) WITHOUT ROWID, STRICT;

  CREATE TABLE states (
    shard        INTEGER NOT NULL,                                -- that of the channel
    channel_id   BLOB    NOT NULL,
    opened       BLOB    NOT NULL CHECK (length(opened) = 160),   -- the bank's answer: its receipt, commitment and grant
    number       INTEGER NOT NULL CHECK (number >= 0),            -- i of the last payment made
    transcript   BLOB    NOT NULL CHECK (length(transcript) = 32), -- t_i
    receipt      BLOB    NOT NULL CHECK (length(receipt) = 64),   -- secret until the release
    paid         INTEGER NOT NULL,                                -- base units revealed: they count as spent
    segment      INTEGER NOT NULL,
    base         INTEGER NOT NULL,                                -- base units paid before the segment
    unit_price   INTEGER NOT NULL,
    length       INTEGER NOT NULL,
    since        INTEGER NOT NULL,                                -- i of the last payment made before the segment
    step         INTEGER NOT NULL CHECK (step BETWEEN 0 AND length), -- j of the last coin revealed
    checkpoint   BLOB,                                            -- not acknowledged yet
    agreed       INTEGER NOT NULL,                                -- base units agreed to be charged
    acknowledged INTEGER NOT NULL CHECK (acknowledged <= agreed), -- base units the vendor says it charged
    frozen       TEXT,                                            -- why nothing is signed any more, if so
    closing      BLOB,
    release      BLOB,
    PRIMARY KEY (shard, channel_id),
    FOREIGN KEY (shard, channel_id) REFERENCES channels (shard, channel_id)
  ) WITHOUT ROWID, STRICT;

  CREATE TABLE payments (
    shard        INTEGER NOT NULL,                                -- that of the channel
    channel_id   BLOB    NOT NULL,
    number       INTEGER NOT NULL CHECK (number > 0),             -- i
    price        INTEGER NOT NULL CHECK (price >= 0),             -- base units agreed to
    frame        BLOB    NOT NULL,                                -- as sent, and as sent again
    checkpoint   BLOB,                                            -- sent along
    core         BLOB    NOT NULL CHECK (length(core) IN (188, 220)),
    receipt      BLOB    NOT NULL CHECK (length(receipt) = 64),   -- secret until the release
    PRIMARY KEY (shard, channel_id, number),
    FOREIGN KEY (shard, channel_id) REFERENCES channels (shard, channel_id)
  ) WITHOUT ROWID, STRICT;
  `,
  `-- Secrets apart, which backups leave out; the generation; channels that sign nothing any more
  CREATE TABLE secrets (
    shard        INTEGER NOT NULL,                                -- that of the channel
    channel_id   BLOB    NOT NULL,
    channel_key  BLOB    NOT NULL CHECK (length(channel_key) = 32),  -- signs payments and checkpoints
    channel_seed BLOB    NOT NULL CHECK (length(channel_seed) = 32), -- every coin derives from it
    PRIMARY KEY (shard, channel_id),
    FOREIGN KEY (shard, channel_id) REFERENCES channels (shard, channel_id)
  ) WITHOUT ROWID, STRICT;

  INSERT INTO secrets (shard, channel_id, channel_key, channel_seed)
    SELECT shard, channel_id, channel_key, channel_seed FROM channels;

  ALTER TABLE channels DROP COLUMN channel_key;
  ALTER TABLE channels DROP COLUMN channel_seed;
  ALTER TABLE channels ADD COLUMN retired TEXT; -- why nothing is signed on it any more, if so

  CREATE TABLE generations (
    shard      INTEGER NOT NULL,                                  -- 0
    generation INTEGER NOT NULL CHECK (generation >= 0),          -- raised at every start: see mark.ts
    commits    INTEGER NOT NULL CHECK (commits >= 0),             -- raised by every commit
    PRIMARY KEY (shard)
  ) WITHOUT ROWID, STRICT;

  INSERT INTO generations (shard, generation, commits) VALUES (0, 0, 0);
  `,
  `-- What became of channels at their banks
  CREATE TABLE outcomes (
    shard      INTEGER NOT NULL,                                  -- that of the channel
    channel_id BLOB    NOT NULL,
    status     TEXT    NOT NULL CHECK (status IN ('closed', 'expired')),
    settled    INTEGER NOT NULL CHECK (settled >= 0),             -- base units, to the vendor
    refund     INTEGER NOT NULL CHECK (refund >= 0),              -- base units, back to the account
    returned   INTEGER NOT NULL CHECK (returned BETWEEN 0 AND settled), -- base units charged too much
    PRIMARY KEY (shard, channel_id),
    FOREIGN KEY (shard, channel_id) REFERENCES channels (shard, channel_id)
  ) WITHOUT ROWID, STRICT;
  `,
  `-- What was bought and charged, what was paid on a day, and notes of what others said
  ALTER TABLE payments ADD COLUMN method TEXT;                    -- of the request that was paid for
  ALTER TABLE payments ADD COLUMN target TEXT;                    -- its address, without the query
  ALTER TABLE payments ADD COLUMN charged INTEGER;                -- base units, once the vendor has said so
  ALTER TABLE states ADD COLUMN day INTEGER NOT NULL DEFAULT 0;   -- of the last payment, since 1970
  ALTER TABLE states ADD COLUMN paid_before INTEGER NOT NULL DEFAULT 0; -- base units revealed before that day

  CREATE TABLE notes (
    shard INTEGER NOT NULL,                                       -- 0
    name  TEXT    NOT NULL,                                       -- as "bank https://bank.example"
    value TEXT    NOT NULL,
    PRIMARY KEY (shard, name)
  ) WITHOUT ROWID, STRICT;
  `,
]

export const schema: Schema = { role: 'client', migrations }
