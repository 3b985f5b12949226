import {
  openStore,
  probeStore,
  type OpenOptions,
  type StoreFinding,
  type StoreHandle,
  type StoreSettings,
} from '@herald/storage'
import { createRedisStore } from './redis.ts'
import { totpSchema, totpTables } from './schema.ts'
import { createSqliteStore } from './sqlite.ts'
import type { StoreOptions, TotpStore } from './store.ts'

/** What `openStore` and `confirmMarker` need to know of this service. */
export const totpLayout = { service: 'herald-totp', schema: totpSchema, tables: totpTables } as const

export type OpenTotpStore = TotpStore & {
  /** For what is kept beside the subjects, such as limits by address. */
  handle: StoreHandle
  /** What an operator should know about the store; see probeStore. */
  probe: () => Promise<StoreFinding[]>
}

/** Opens the engine that the settings name; throws as openStore does. */
export async function openTotpStore(
  settings: StoreSettings,
  deps: StoreOptions &
    Pick<OpenOptions, 'now' | 'logger' | 'keyPrefix' | 'busyTimeoutMs' | 'syncAtClose' | 'noticesStops'>,
): Promise<OpenTotpStore> {
  const handle = await openStore(settings, { ...totpLayout, ...deps })
  return { ...createTotpStore(handle, deps), handle, probe: () => probeStore(handle, deps) }
}

function createTotpStore(handle: StoreHandle, options: StoreOptions): TotpStore {
  return handle.engine === 'redis' ? createRedisStore(handle, options) : createSqliteStore(handle, options)
}
