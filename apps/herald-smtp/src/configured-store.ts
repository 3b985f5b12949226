import { ConfigError, reachOfAll, redisHosts, type GateFinding } from '@herald/config'
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

/** What the gate has to know about the opened store, and how far away it is. */
export async function probeFindings(
  settings: StoreSettings,
  store: OpenedStore,
  deps: Deps,
): Promise<GateFinding[]> {
  const findings = await probeStore(store.handle, deps)
  if (settings.engine === 'sqlite') return findings
  const reach = await reachOfAll(redisHosts(settings))
  return findings.map((finding) => ({ ...finding, reach }))
}
