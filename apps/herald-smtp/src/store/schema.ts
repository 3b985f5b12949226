/** Version of the layout in both stores; a store of another version refuses the start. */
export const schemaVersion = 1

/** Rows lie in the order in which they came, so that those of one moment share a page; digests would scatter them. */
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
) STRICT;
CREATE INDEX IF NOT EXISTS smtp_calls_expires ON smtp_calls (expires);
CREATE TABLE IF NOT EXISTS smtp_messages (
  message TEXT PRIMARY KEY,
  call TEXT,
  outcome TEXT NOT NULL,
  settled INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  entry TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS smtp_messages_call ON smtp_messages (call) WHERE call IS NOT NULL;
CREATE INDEX IF NOT EXISTS smtp_messages_expires ON smtp_messages (expires);
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
DELETE FROM smtp_calls WHERE rowid IN (SELECT rowid FROM smtp_calls WHERE expires <= ? LIMIT 32)`

export const selectByMessage = 'SELECT entry FROM smtp_messages WHERE message = ? AND expires > ?'

export const selectByCall = `
SELECT entry FROM smtp_messages WHERE call = ? AND expires > ? ORDER BY settled DESC, rowid DESC LIMIT 1`

/** The last parameter is now. */
export const putNote = `
INSERT INTO smtp_messages AS kept (message, call, outcome, settled, expires, entry) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (message) DO UPDATE SET call = excluded.call, outcome = excluded.outcome, settled = excluded.settled,
  expires = excluded.expires, entry = excluded.entry
WHERE kept.expires <= ? OR (kept.settled <= excluded.settled
  AND (kept.outcome <> 'accepted' OR excluded.outcome = 'accepted'))`

/** A few at a time, with every eighth note. */
export const forgetNotes = `
DELETE FROM smtp_messages WHERE rowid IN (SELECT rowid FROM smtp_messages WHERE expires <= ? LIMIT 32)`
