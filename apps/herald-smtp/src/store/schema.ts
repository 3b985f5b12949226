/** Version of the layout in both stores; a store of another version refuses the start. */
export const schemaVersion = 1

export const tables = `
CREATE TABLE IF NOT EXISTS smtp_calls (
  id TEXT PRIMARY KEY,
  state TEXT NOT NULL CHECK (state IN ('sending', 'sent', 'not_sent', 'unknown')),
  fingerprint TEXT NOT NULL,
  owner TEXT NOT NULL,
  message TEXT NOT NULL,
  lease INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  answer TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS smtp_calls_expires ON smtp_calls (expires);
CREATE TABLE IF NOT EXISTS smtp_trail (
  id TEXT PRIMARY KEY,
  message TEXT NOT NULL,
  outcome TEXT NOT NULL,
  settled INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  entry TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS smtp_trail_expires ON smtp_trail (expires);
`

export const selectCall =
  'SELECT state, fingerprint, lease, message, answer FROM smtp_calls WHERE id = ? AND expires > ?'

export const putCall = `
INSERT OR REPLACE INTO smtp_calls (id, state, fingerprint, owner, message, lease, expires)
VALUES (?, 'sending', ?, ?, ?, ?, ?)`

export const settleCall = `
UPDATE smtp_calls SET state = ?, answer = ?, expires = ? WHERE id = ? AND owner = ? AND state = 'sending'`

/** A few at a time, with every eighth claim: the table stays as small as its live records. */
export const forgetCalls = `
DELETE FROM smtp_calls WHERE id IN (SELECT id FROM smtp_calls WHERE expires <= ? LIMIT 32)`

export const selectNote = 'SELECT entry FROM smtp_trail WHERE id = ? AND expires > ?'

/** The last parameter is now. */
export const putNote = `
INSERT INTO smtp_trail AS kept (id, message, outcome, settled, expires, entry) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET message = excluded.message, outcome = excluded.outcome, settled = excluded.settled,
  expires = excluded.expires, entry = excluded.entry
WHERE kept.expires <= ? OR (kept.settled <= excluded.settled
  AND (kept.message <> excluded.message OR kept.outcome <> 'accepted' OR excluded.outcome = 'accepted'))`

/** A few at a time, with every eighth note. */
export const forgetNotes = `
DELETE FROM smtp_trail WHERE id IN (SELECT id FROM smtp_trail WHERE expires <= ? LIMIT 32)`
