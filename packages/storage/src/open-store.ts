import type { Marker } from './marker.ts'
import { confirmRedisMarker, openRedis } from './redis-handle.ts'
import { confirmSqliteMarker, openSqlite } from './sqlite-handle.ts'
import type { StoreHandle } from './store-handle.ts'
import type { OpenOptions, StoreSettings } from './store-settings.ts'

/** Opens the store the settings name and makes sure it is ours: StoreUnavailable when it does not answer, StoreRefused when it must not be used. */
export async function openStore(settings: StoreSettings, options: OpenOptions): Promise<StoreHandle> {
  return settings.engine === 'redis' ? openRedis(settings, options) : openSqlite(settings, options)
}

/** The operator's word that this store may be used: writes its marker, or stamps it anew. Opens and closes the store itself. */
export async function confirmMarker(settings: StoreSettings, options: OpenOptions): Promise<Marker> {
  return settings.engine === 'redis'
    ? confirmRedisMarker(settings, options)
    : confirmSqliteMarker(settings, options)
}
