import { ConfigError, placeFindings, type GateFinding } from '@herald/config'
import { StoreRefused, type OpenOptions } from '@herald/storage'
import type { Settings } from './config.ts'
import { createDigests } from './digests.ts'
import { storePolicy } from './domain/throttle.ts'
import { openTotpStore, type OpenTotpStore } from './store/open-totp-store.ts'

type Deps = Pick<
  OpenOptions,
  'now' | 'randomBytes' | 'logger' | 'busyTimeoutMs' | 'syncAtClose' | 'noticesStops'
>

/** Opens the store with the budgets of the settings. Throws a ConfigError when it must not be used as it is. */
export async function openConfiguredStore(settings: Settings, deps: Deps): Promise<OpenTotpStore> {
  const digest = createDigests(settings.keyring)
  try {
    return await openTotpStore(settings.store, {
      ...deps,
      policy: storePolicy(settings.limits, settings.app.totp),
      unknownSlot: (subject) => digest('unknown', subject).readUInt16BE(),
    })
  } catch (error) {
    if (!(error instanceof StoreRefused)) throw error
    throw new ConfigError([{ variable: 'STORE', message: `names a store that is refused: ${error.message}` }])
  }
}

/** What the gate has to know about the opened store. */
export async function probeFindings(store: OpenTotpStore): Promise<GateFinding[]> {
  return placeFindings(await store.probe())
}
