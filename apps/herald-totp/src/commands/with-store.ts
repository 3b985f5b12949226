import { readSettings, type Settings } from '../config.ts'
import { openConfiguredStore } from '../configured-store.ts'
import type { OpenTotpStore } from '../store/open-totp-store.ts'
import type { CommandWorld } from '../world.ts'
import { createCommandLogger } from './command-logger.ts'

/** A command may wait for a busy service; a service never waits that long for a command. */
const busyTimeoutMs = 5000

/** Opens the store of the environment, and closes it whatever happens. */
export async function withStore<T>(
  { env, now, randomBytes, print }: CommandWorld,
  use: (store: OpenTotpStore, settings: Settings) => Promise<T>,
  options: { syncAtClose?: boolean } = {},
): Promise<T> {
  const { settings } = await readSettings(env)
  const logger = createCommandLogger({ print })
  const store = await openConfiguredStore(settings, { now, randomBytes, busyTimeoutMs, logger, ...options })
  try {
    return await use(store, settings)
  } finally {
    await store.close()
  }
}
