import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { onTestFinished } from 'vitest'
import { openedBy, type TestEngine } from './totp-store.fixture.ts'

/** Each store is a file of its own. */
export const sqliteEngine: TestEngine = {
  name: 'SQLite',
  skip: false,
  create() {
    const directory = mkdtempSync(join(tmpdir(), 'herald-totp-'))
    onTestFinished(() => rmSync(directory, { recursive: true }))
    const path = join(directory, 'totp.db')
    const alter = async (sql: string): Promise<void> => {
      const database = new DatabaseSync(path)
      database.exec(sql)
      database.close()
    }
    const tables = [
      'meta',
      'subjects',
      'enrollments',
      'unknown_subjects',
      'remembered',
      'buckets',
      'hashes',
      'leases',
    ]
    return {
      ...openedBy({ engine: 'sqlite', path }),
      loseMarker: () => alter('DELETE FROM meta'),
      interrupt: () => alter(`UPDATE meta SET value = 'no' WHERE name = 'stopped'`),
      empty: () => alter(tables.map((table) => `DELETE FROM ${table}`).join(';')),
    }
  },
}
