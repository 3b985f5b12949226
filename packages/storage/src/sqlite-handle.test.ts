import { copyFileSync, renameSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it } from 'vitest'
import { createLease } from './lease.ts'
import { confirmMarker } from './open-store.ts'
import { probeStore } from './probe-store.ts'
import type { SqliteHandle } from './store-handle.ts'
import { createTokenBuckets } from './token-bucket.ts'
import { openForTest, sqlitePath, testOptions } from './engines.fixture.ts'

const unavailable = { code: 'STORE_UNAVAILABLE' }

async function open(path: string, over: Parameters<typeof testOptions>[0] = {}): Promise<SqliteHandle> {
  return (await openForTest({ engine: 'sqlite', path }, testOptions(over))) as SqliteHandle
}

function alter(path: string, sql: string): void {
  const database = new DatabaseSync(path)
  database.exec(sql)
  database.close()
}

describe('a SQLite store', () => {
  it('is a file that its owner alone can read', async () => {
    const path = sqlitePath()
    await open(path)
    for (const file of [path, `${path}-wal`, `${path}-shm`]) expect(statSync(file).mode & 0o777).toBe(0o600)
  })

  it('syncs each commit to disk', async () => {
    const { database } = await open(sqlitePath())
    expect(database.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' })
    expect(database.prepare('PRAGMA synchronous').get()).toEqual({ synchronous: 2 })
  })

  it('keeps its marker over restarts', async () => {
    const path = sqlitePath()
    const first = await open(path)
    const read = () => first.database.prepare('SELECT value FROM meta WHERE name = ?').get('totp:marker')
    const marker = read()
    await open(path)
    expect(read()).toEqual(marker)
    await expect(first.ping()).resolves.toBeUndefined()
  })

  it('says when it was new, on the first start and on no other', async () => {
    const logged: object[] = []
    const logger = { ...testOptions().logger, warn: (fields: object) => void logged.push(fields) }
    const path = sqlitePath()
    await open(path, { logger })
    await open(path, { logger })
    expect(logged).toEqual([expect.objectContaining({ event: 'store_created' })])
  })

  it('is unavailable when its path cannot be followed any more', async () => {
    const path = sqlitePath()
    const handle = await open(path)
    rmSync(path)
    symlinkSync(path, path)
    await expect(handle.ping()).rejects.toMatchObject(unavailable)
  })

  it('answers within a blink when another process holds it', async () => {
    const path = sqlitePath()
    const handle = await open(path)
    const other = new DatabaseSync(path)
    other.exec('BEGIN IMMEDIATE')
    const started = performance.now()
    const works = await Promise.allSettled(Array.from({ length: 400 }, () => handle.settle(() => 1)))
    for (const work of works) expect(work).toMatchObject({ status: 'rejected', reason: unavailable })
    expect(performance.now() - started).toBeLessThan(500)
    other.close()
    await expect(handle.settle(() => 1)).resolves.toBe(1)
  })

  it('lets a probe of a write fail while another process holds it, and the probe of a read pass', async () => {
    let now = Date.UTC(2026, 10, 21)
    const path = sqlitePath()
    const handle = await open(path, { now: () => now })
    await expect(handle.probeWrite()).resolves.toBeUndefined()
    const other = new DatabaseSync(path)
    other.exec('BEGIN IMMEDIATE')
    now += 1000
    await expect(handle.ping()).resolves.toBeUndefined()
    await expect(handle.probeWrite()).rejects.toMatchObject(unavailable)
    other.close()
    now += 1000
    await expect(handle.probeWrite()).resolves.toBeUndefined()
  })

  it('lets a probe of a write fail when nothing can be written', async () => {
    const handle = await open(sqlitePath())
    handle.database.exec('PRAGMA query_only = 1')
    await expect(handle.probeWrite()).rejects.toMatchObject(unavailable)
  })

  it('refuses a start on data without a marker, until an operator confirms it', async () => {
    const path = sqlitePath()
    await (await open(path)).close()
    alter(path, 'DELETE FROM meta')
    await expect(open(path)).rejects.toMatchObject({
      code: 'STORE_REFUSED',
      message: expect.stringContaining('store confirm') as string,
    })
    await confirmMarker({ engine: 'sqlite', path }, testOptions())
    await expect((await open(path)).ping()).resolves.toBeUndefined()
  })

  it('refuses a start on a newer schema, confirmed or not', async () => {
    const path = sqlitePath()
    await (await open(path, { schema: 4 })).close()
    await expect(open(path)).rejects.toThrow(/schema 4, newer than 3/)
    await expect(confirmMarker({ engine: 'sqlite', path }, testOptions())).rejects.toThrow(/newer/)
  })

  it('refuses a start on what is no database, or cannot be one', async () => {
    const path = sqlitePath()
    copyFileSync(import.meta.filename, path)
    await expect(open(path)).rejects.toMatchObject({ code: 'STORE_REFUSED' })
    await expect(open(join(path, 'store.db'))).rejects.toMatchObject({ code: 'STORE_REFUSED' })
    await expect(open(dirname(path))).rejects.toMatchObject({ code: 'STORE_REFUSED' })
  })

  it('notices a marker that went, and accepts the one confirmed after that', async () => {
    let now = Date.UTC(2026, 10, 21)
    const options = testOptions({ now: () => now })
    const path = sqlitePath()
    const handle = await open(path, options)
    const before = await confirmMarker({ engine: 'sqlite', path }, options)
    alter(
      path,
      `UPDATE meta SET value = replace(value, '${before.storeId}', 'another') WHERE name = 'totp:marker'`,
    )
    now += 1000
    await expect(handle.ping()).rejects.toMatchObject(unavailable)
    now += 1000
    await expect(handle.ping()).rejects.toMatchObject(unavailable)
    await confirmMarker({ engine: 'sqlite', path }, options)
    await expect(handle.ping()).resolves.toBeUndefined()
  })

  it('lets neither a token nor a lease be taken once its marker went', async () => {
    const path = sqlitePath()
    const handle = await open(path)
    const { take } = createTokenBuckets(handle, { prefix: 'totp:' })
    const lease = createLease(handle, { name: 'totp:work' })
    alter(path, 'DELETE FROM meta')
    await expect(take('a', { capacity: 3, perSeconds: 60 }, 0)).rejects.toMatchObject(unavailable)
    await expect(lease.take('holder', 1000, 0)).rejects.toMatchObject(unavailable)
    await expect(lease.release('holder')).rejects.toMatchObject(unavailable)
  })

  it('notices that another file stands at its path, and recovers when its own is back', async () => {
    const [path, other] = [sqlitePath(), sqlitePath()]
    const handle = await open(path)
    await (await open(other)).close()
    renameSync(path, `${path}.away`)
    await expect(handle.ping()).rejects.toMatchObject(unavailable)
    copyFileSync(other, path)
    await expect(handle.ping()).rejects.toMatchObject(unavailable)
    rmSync(path)
    renameSync(`${path}.away`, path)
    await expect(handle.ping()).resolves.toBeUndefined()
  })

  it('ends with the process when that is asked for, and leaves no file', async () => {
    const handle = await open(':memory:')
    await expect(handle.ping()).resolves.toBeUndefined()
    expect(statSync(':memory:', { throwIfNoEntry: false })).toBeUndefined()
  })

  it('fills the memory with no more than its page cache when it ends with the process', async () => {
    const { database, settle } = await open(':memory:')
    const insert = database.prepare('INSERT INTO things SELECT hex(randomblob(500000))')
    const before = process.memoryUsage.rss()
    for (let n = 0; n < 100; n += 1) await settle(() => insert.run())
    expect(database.prepare('SELECT count(*) AS things FROM things').get()).toEqual({ things: 100 })
    expect(process.memoryUsage.rss() - before).toBeLessThan(50_000_000)
  })

  it('finishes what was asked of it before it closes, and is unavailable afterwards', async () => {
    const handle = await open(sqlitePath())
    const settled = handle.settle(() => 'done')
    await handle.close()
    await expect(settled).resolves.toBe('done')
    await expect(handle.ping()).rejects.toMatchObject(unavailable)
    await expect(handle.settle(() => 1)).rejects.toMatchObject(unavailable)
  })

  it('tells when its last start lies in the future', async () => {
    const path = sqlitePath()
    const options = testOptions()
    await open(path, { now: () => Date.now() + 60_000 })
    const findings = await probeStore(await open(path), options)
    expect(findings.map(({ code }) => code)).toEqual(['CLOCK_SKEW'])
    await expect(probeStore(await open(path), options)).resolves.toEqual([])
  })
})
