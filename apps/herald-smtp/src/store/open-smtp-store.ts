import {
  createOnce,
  createTokenBuckets,
  openStore,
  type Once,
  type OpenOptions,
  type StoreHandle,
  type StoreSettings,
  type TokenBuckets,
} from '@herald/storage'
import { createRedisStore } from './redis.ts'
import { schemaVersion, tables } from './schema.ts'
import { createSqliteStore } from './sqlite.ts'
import type { SmtpStore } from './store.ts'

export type OpenedStore = { calls: SmtpStore; buckets: TokenBuckets; once: Once; handle: StoreHandle }

type Deps = Omit<OpenOptions, 'service' | 'schema' | 'tables'>

/** What `openStore` and `confirmMarker` need to know of this service. */
export function storeOptions(deps: Deps): OpenOptions {
  return { ...deps, service: 'herald-smtp', schema: schemaVersion, tables }
}

/** Opens the store that the settings name; rejects as `openStore` does. */
export async function openSmtpStore(settings: StoreSettings, deps: Deps): Promise<OpenedStore> {
  const handle = await openStore(settings, storeOptions(deps))
  return {
    calls: handle.engine === 'redis' ? createRedisStore(handle) : createSqliteStore(handle),
    buckets: createTokenBuckets(handle, { prefix: 'smtp:limit:' }),
    once: createOnce(handle, { prefix: 'smtp:once:' }),
    handle,
  }
}
