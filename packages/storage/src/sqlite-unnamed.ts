import { DatabaseSync } from 'node:sqlite'

/**
 * Opens a database that ends with the process. What does not fit its page cache goes to a temporary file without a name, so
 * that many records do not fill the memory; where no folder for such files can be written, all of it stays in memory.
 */
export function openUnnamed(): DatabaseSync {
  const spilling = new DatabaseSync('')
  try {
    spilling.exec(`
      PRAGMA cache_size = 1;
      CREATE TABLE probe (bytes BLOB NOT NULL) STRICT;
      INSERT INTO probe VALUES (zeroblob(100000));
      DROP TABLE probe;
      PRAGMA journal_mode = MEMORY;`)
    return spilling
  } catch {
    spilling.close()
    return new DatabaseSync(':memory:')
  }
}
