/** Numbered, append-only: a store at version n has run the first n. Every key starts with the shard column. */
export const migrations: readonly string[] = [
  `
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
]
