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
`

export const selectCall =
  'SELECT state, fingerprint, lease, message, answer FROM smtp_calls WHERE id = ? AND expires > ?'

export const putCall = `
INSERT OR REPLACE INTO smtp_calls (id, state, fingerprint, owner, message, lease, expires)
VALUES (?, 'sending', ?, ?, ?, ?, ?)`

export const settleCall = `
UPDATE smtp_calls SET state = ?, answer = ?, expires = ? WHERE id = ? AND owner = ? AND state = 'sending'`

/** A few at a time, with every claim: the table stays as small as its live records. */
export const forgetCalls = `
DELETE FROM smtp_calls WHERE id IN (SELECT id FROM smtp_calls WHERE expires <= ? LIMIT 4)`
