import { closeSync, fsyncSync, openSync, statSync, type Stats } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { createGroupCommit } from './group-commit.ts'
import {
  assertSchema,
  confirmedMarker,
  createMarkerGuard,
  layouts,
  logCreated,
  newMarker,
  parseMarker,
  refusals,
  type Marker,
} from './marker.ts'
import { onceASecond } from './once-a-second.ts'
import { asSqliteFault } from './sqlite-fault.ts'
import { openUnnamed } from './sqlite-unnamed.ts'
import type { SqliteHandle } from './store-handle.ts'
import type { OpenOptions, SqliteSettings } from './store-settings.ts'
import { StoreRefused, StoreUnavailable } from './store-unavailable.ts'

/** How long another process may hold the file before we answer 503. */
const defaultBusyTimeoutMs = 50
const sqliteBusy = 5
/** Room for what lies above the leaves of a million rows, so that a look-up reads little but leaves. */
const pageCacheKib = 8192

/** In the place of a path: a store that ends with the process. */
const unnamed = ':memory:'

const ownTables = `
  CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS buckets (key TEXT PRIMARY KEY, full_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS buckets_by_full_at ON buckets (full_at);
  CREATE TABLE IF NOT EXISTS once (key TEXT PRIMARY KEY, value TEXT NOT NULL, expires_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS once_by_expires_at ON once (expires_at);
  CREATE TABLE IF NOT EXISTS hashes (name TEXT NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (name, field)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS leases (name TEXT PRIMARY KEY, holder TEXT NOT NULL, expires_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
`

const upsertMetaSql = 'INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)'

/** Opens the file (created 0600) and adopts or writes the marker; StoreRefused when it must not be used. */
export function openSqlite(settings: SqliteSettings, options: OpenOptions): SqliteHandle {
  const database = openDatabase(settings.path, options.busyTimeoutMs)
  try {
    const { marker, isNew } = write(database, () => adoptMarker(database, options))
    if (isNew) logCreated(marker, options)
    return createSqliteHandle(database, marker, settings.path, options)
  } catch (error) {
    database.close()
    throw asSqliteFault(error)
  }
}

/** Writes the marker that an operator vouches for. */
export function confirmSqliteMarker(settings: SqliteSettings, options: OpenOptions): Marker {
  const database = openDatabase(settings.path, options.busyTimeoutMs)
  try {
    return write(database, () => {
      database.exec(ownTables)
      const marker = confirmedMarker(
        parseMarker(readMeta(database, layouts[options.service].marker)),
        options,
      )
      writeMeta(database, layouts[options.service].marker, JSON.stringify(marker))
      // What was restored does not know the last steps that were used.
      raiseFloor(database, options.now())
      return marker
    })
  } catch (error) {
    throw asSqliteFault(error)
  } finally {
    database.close()
  }
}

function createSqliteHandle(
  database: DatabaseSync,
  marker: Marker,
  path: string,
  options: OpenOptions,
): SqliteHandle {
  const guard = createMarkerGuard(marker, options)
  const opened = fileAt(path)
  const { settle, flush } = createGroupCommit(database, checkMarker)
  const begin = database.prepare('BEGIN')
  const commit = database.prepare('COMMIT')
  const selectMeta = database.prepare('SELECT value FROM meta WHERE name = ?')
  const upsertMeta = database.prepare(upsertMetaSql)
  const lastStartedAt = exchangeStart(database, options.now())
  if (options.noticesStops) write(database, () => noteStart(database, options.now()))
  if (options.syncAtClose) database.exec('PRAGMA synchronous = NORMAL')

  async function read<T>(work: () => T): Promise<T> {
    try {
      begin.run()
      checkMarker()
      const value = work()
      commit.run()
      return value
    } catch (error) {
      if (database.isOpen && database.isTransaction) database.exec('ROLLBACK')
      throw asSqliteFault(error)
    }
  }

  function checkMarker(): void {
    if (!isSameFile(fileAt(path), opened)) return guard.lost('another file, or none, stands at its path')
    guard.check(selectMeta.get(layouts[options.service].marker)?.['value'] as string | undefined)
  }

  return {
    engine: 'sqlite',
    database,
    ...(lastStartedAt === undefined ? {} : { lastStartedAt }),
    floorAt() {
      const floorAt = selectMeta.get('floor_at')?.['value']
      return floorAt === undefined ? undefined : Number(floorAt)
    },
    settle,
    read,
    ping: () => read(() => {}),
    probeWrite: onceASecond(
      () => settle(() => void upsertMeta.run('probed_at', String(options.now()))),
      options.now,
    ),
    async close() {
      if (!database.isOpen) return
      flush()
      if (options.syncAtClose) syncAll(database, options.now())
      if (options.noticesStops) writeMeta(database, 'stopped', 'yes')
      database.close()
    },
  }
}

/** The sync of one commit takes the log of all earlier ones to disk with it. */
function syncAll(database: DatabaseSync, now: number): void {
  database.exec('PRAGMA synchronous = FULL')
  writeMeta(database, 'synced_at', String(now))
}

function openDatabase(path: string, timeout = defaultBusyTimeoutMs): DatabaseSync {
  try {
    const database = path === unnamed ? openUnnamed() : openFile(path, timeout)
    database.exec(`PRAGMA cache_size = -${pageCacheKib}`)
    return database
  } catch (error) {
    const { message, errcode } = error as Error & { errcode?: number }
    const isBusy = errcode !== undefined && (errcode & 0xff) === sqliteBusy
    const Fault = isBusy ? StoreUnavailable : StoreRefused
    throw new Fault(`the SQLite file cannot be opened: ${message}`, { cause: error })
  }
}

function openFile(path: string, timeout: number): DatabaseSync {
  createFile(path)
  const database = new DatabaseSync(path, { timeout })
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
  return database
}

/** SQLite gives the files beside it the same permissions. */
function createFile(path: string): void {
  if (fileAt(path)) return
  closeSync(openSync(path, 'a', 0o600))
  const directory = openSync(dirname(path), 'r')
  fsyncSync(directory)
  closeSync(directory)
}

function adoptMarker(database: DatabaseSync, options: OpenOptions): { marker: Marker; isNew: boolean } {
  const name = layouts[options.service].marker
  const isNew = database.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined
  if (isNew) {
    database.exec(ownTables + options.tables)
    const created = newMarker(options)
    writeMeta(database, name, JSON.stringify(created))
    return { marker: created, isNew }
  }
  const marker = parseMarker(readMeta(database, name))
  if (!marker) throw new StoreRefused(refusals.damaged)
  assertSchema(marker, options.schema)
  database.exec(ownTables + options.tables)
  return { marker, isNew }
}

/** Leaves the time of this start and returns that of the last one, which a clock that was set back has not reached yet. */
function exchangeStart(database: DatabaseSync, now: number): number | undefined {
  const last = readMeta(database, 'started_at')
  writeMeta(database, 'started_at', String(now))
  return last === undefined ? undefined : Number(last)
}

/** Until the stop of this start the file says that there was none. */
function noteStart(database: DatabaseSync, now: number): void {
  if (readMeta(database, 'stopped') === 'no') raiseFloor(database, now)
  writeMeta(database, 'stopped', 'no')
}

function raiseFloor(database: DatabaseSync, now: number): void {
  writeMeta(database, 'floor_at', String(Math.max(Number(readMeta(database, 'floor_at') ?? 0), now)))
}

function readMeta(database: DatabaseSync, name: string): string | undefined {
  const hasMeta = database.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'meta'`).get()
  if (!hasMeta) return undefined
  return database.prepare('SELECT value FROM meta WHERE name = ?').get(name)?.['value'] as string | undefined
}

function writeMeta(database: DatabaseSync, name: string, value: string): void {
  database.prepare(upsertMetaSql).run(name, value)
}

function write<T>(database: DatabaseSync, work: () => T): T {
  database.exec('BEGIN IMMEDIATE')
  try {
    const value = work()
    database.exec('COMMIT')
    return value
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
}

/** Undefined when no file can be seen there, for whatever reason. */
function fileAt(path: string): Stats | undefined {
  if (path === unnamed) return undefined
  try {
    return statSync(path)
  } catch {
    return undefined
  }
}

function isSameFile(one: Stats | undefined, other: Stats | undefined): boolean {
  return one?.ino === other?.ino && one?.dev === other?.dev
}
