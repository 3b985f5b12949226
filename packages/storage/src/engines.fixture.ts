import { redisSettings, removeKeys, sharedRedisUrl, uniquePrefix } from '@herald/testing'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { openStore } from './open-store.ts'
import type { StoreHandle } from './store-handle.ts'
import type { OpenOptions, StoreSettings } from './store-settings.ts'

const silent = { debug() {}, info() {}, warn() {}, error() {} }

/** Options of a service with one table, for tests. */
export function testOptions(over: Partial<OpenOptions> = {}): OpenOptions {
  const tables = 'CREATE TABLE IF NOT EXISTS things (id TEXT) STRICT;'
  return { service: 'herald-totp', schema: 3, tables, now: Date.now, randomBytes, logger: silent, ...over }
}

/** Opens a store that is closed when the test ends. */
export async function openForTest(settings: StoreSettings, options: OpenOptions): Promise<StoreHandle> {
  const handle = await openStore(settings, options)
  onTestFinished(() => handle.close())
  return handle
}

/** A path for a SQLite file, in a directory that goes when the test ends. */
export function sqlitePath(): string {
  const directory = mkdtempSync(join(tmpdir(), 'herald-storage-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  return join(directory, 'store.db')
}

/** The engines that a contract is proved on, each with a fresh store; Redis only when this run has one. */
export const engines: { name: string; skip: boolean; open: () => Promise<StoreHandle> }[] = [
  {
    name: 'sqlite',
    skip: false,
    open: () => openForTest({ engine: 'sqlite', path: sqlitePath() }, testOptions()),
  },
  {
    name: 'redis',
    skip: sharedRedisUrl() === undefined,
    open() {
      const url = sharedRedisUrl() ?? ''
      const keyPrefix = uniquePrefix()
      onTestFinished(() => removeKeys(url, `${keyPrefix}*`))
      return openForTest(redisSettings(url), testOptions({ keyPrefix }))
    },
  },
]
