import { ConfigError, placeFindings, type GateFinding } from '@herald/config'
import { probeStore, StoreRefused, type StoreLogger } from '@herald/storage'
import type { Settings } from './config.ts'
import { openSmtpStore, type OpenedStore } from './store/open-smtp-store.ts'

type StoreSettings = Settings['store']
type Deps = { now: () => number; randomBytes: (size: number) => Buffer; logger: StoreLogger }

/** Opens the store of the settings. Throws a ConfigError when it must not be used as it is. */
export async function openConfiguredStore(settings: StoreSettings, deps: Deps): Promise<OpenedStore> {
  try {
    return await openSmtpStore(settings, deps)
  } catch (error) {
    if (!(error instanceof StoreRefused)) throw error
    throw new ConfigError([{ variable: 'STORE', message: `names a store that is refused: ${error.message}` }])
  }
}

/** What the gate has to know about the opened store. */
export async function probeFindings(store: OpenedStore, deps: Deps): Promise<GateFinding[]> {
  return placeFindings(await probeStore(store.handle, deps))
}
