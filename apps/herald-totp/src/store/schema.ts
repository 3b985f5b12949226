/** Version of both engines' layout, kept in the store's marker. */
export const totpSchema = 1

/**
 * SQLite's tables. Times are milliseconds since the epoch; `tag` is subject-tag.ts'. Rows that hold boxes are long and have
 * row ids: without, they would stand in the inner pages of the tree too, and make it deep.
 */
export const totpTables = `
  CREATE TABLE IF NOT EXISTS subjects (
    tag TEXT PRIMARY KEY,
    subject TEXT NOT NULL,
    version INTEGER NOT NULL,
    backup_set TEXT,
    -- One character a slot: '1' is used.
    backup_slots TEXT NOT NULL
  ) STRICT;

  CREATE TABLE IF NOT EXISTS credentials (
    tag TEXT NOT NULL REFERENCES subjects (tag) ON DELETE CASCADE,
    id TEXT NOT NULL,
    box TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    digits INTEGER NOT NULL,
    period_seconds INTEGER NOT NULL,
    label TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_step INTEGER NOT NULL,
    last_used_at INTEGER,
    PRIMARY KEY (tag, id)
  ) STRICT;

  -- The row id is the order of the starts.
  CREATE TABLE IF NOT EXISTS enrollments (
    id TEXT NOT NULL UNIQUE,
    tag TEXT NOT NULL,
    record TEXT NOT NULL,
    wrong_codes INTEGER NOT NULL DEFAULT 0,
    expires_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS enrollments_by_tag ON enrollments (tag);
  CREATE INDEX IF NOT EXISTS enrollments_by_expires_at ON enrollments (expires_at);

  -- The counter is a tag, or 'u' and a slot for unknown subjects; times are JSON arrays.
  CREATE TABLE IF NOT EXISTS failures (
    counter TEXT PRIMARY KEY,
    streak INTEGER NOT NULL,
    totp TEXT NOT NULL,
    backup TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;

  -- Claimed challenges and revoke requests already served.
  CREATE TABLE IF NOT EXISTS remembered (
    name TEXT PRIMARY KEY,
    expires_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS remembered_by_expires_at ON remembered (expires_at);
`
