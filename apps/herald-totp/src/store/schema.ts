/** Version of both engines' layout, kept in the store's marker. */
export const totpSchema = 2

/**
 * SQLite's tables. Times are milliseconds since the epoch; `tag` is subject-tag.ts'. A subject is one row, so that a verify
 * reads and writes one page of theirs. Rows that hold boxes are long and have row ids: without, they would stand in the inner
 * pages of the tree too, and make it deep.
 */
export const totpTables = `
  CREATE TABLE IF NOT EXISTS subjects (
    tag TEXT PRIMARY KEY,
    subject TEXT NOT NULL,
    version INTEGER NOT NULL,
    -- JSON, as enrolled.
    credentials TEXT NOT NULL,
    backup_set TEXT,
    -- JSON: of each credential the last step that was used, and when.
    uses TEXT NOT NULL,
    -- One character a slot: '1' is used.
    backup_slots TEXT NOT NULL,
    -- JSON; null when there are none.
    failures TEXT
  ) STRICT;

  CREATE TABLE IF NOT EXISTS enrollments (
    id TEXT NOT NULL UNIQUE,
    tag TEXT NOT NULL,
    record TEXT NOT NULL,
    wrong_codes INTEGER NOT NULL DEFAULT 0,
    expires_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS enrollments_by_tag ON enrollments (tag);
  CREATE INDEX IF NOT EXISTS enrollments_by_expires_at ON enrollments (expires_at);

  -- The counters that all unknown subjects share.
  CREATE TABLE IF NOT EXISTS unknown_subjects (
    slot INTEGER PRIMARY KEY,
    failures TEXT NOT NULL
  ) STRICT;

  -- Claimed challenges and revoke requests already served.
  CREATE TABLE IF NOT EXISTS remembered (
    name TEXT PRIMARY KEY,
    expires_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS remembered_by_expires_at ON remembered (expires_at);
`
