import { ConfigError } from '@herald/config'
import type { Settings } from './config.ts'
import { KeyringRefused, openLiveKeyring, type LiveKeyring } from './live-keyring.ts'

/** Opens the keyring of the settings. Throws a ConfigError when it does not belong to the store, which starting again does not mend. */
export async function openConfiguredKeyring(
  { keyring, keyringVariable }: Pick<Settings, 'keyring' | 'keyringVariable'>,
  deps: Parameters<typeof openLiveKeyring>[1],
): Promise<LiveKeyring> {
  try {
    return await openLiveKeyring(keyring, deps)
  } catch (error) {
    if (!(error instanceof KeyringRefused)) throw error
    throw new ConfigError([{ variable: keyringVariable, message: `is refused: ${error.message}` }])
  }
}
