import { mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** More than an hour of mails takes, at a hundred a second. */
const roomBytesMin = 1024 ** 3

/**
 * Opens a database that ends with the process. It lies in a temporary file that has lost its name, so that many records do
 * not fill the memory; where no such file can be made, or has less than that much room, all of it stays in memory.
 */
export function openUnnamed(roomBytes = roomBytesMin): DatabaseSync {
  return openSpilling(roomBytes) ?? new DatabaseSync(':memory:')
}

/** SQLite's own temporary databases fail for good once their disk was full for a moment; this one goes on. */
function openSpilling(roomBytes: number): DatabaseSync | undefined {
  let folder: string | undefined
  try {
    folder = mkdtempSync(join(tmpdir(), 'herald-'))
    const { bavail, bsize } = statfsSync(folder)
    if (bavail * bsize < roomBytes) return undefined
    const database = new DatabaseSync(join(folder, 'store'))
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF')
    return database
  } catch {
    return undefined
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true })
  }
}
