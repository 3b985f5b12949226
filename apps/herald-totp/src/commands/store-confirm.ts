import { confirmMarker } from '@herald/storage'
import { readSettings } from '../config.ts'
import { totpLayout } from '../store/open-totp-store.ts'
import type { CommandWorld } from '../world.ts'
import { createCommandLogger } from './command-logger.ts'

/** The operator's word that the configured store may be used although it was lost, restored or emptied. */
export async function confirmStore({ env, now, randomBytes, print }: CommandWorld): Promise<number> {
  const { settings } = await readSettings(env)
  const marker = await confirmMarker(settings.store, {
    ...totpLayout,
    now,
    randomBytes,
    logger: createCommandLogger({ print }),
  })
  print(`store ${marker.storeId} is confirmed since ${marker.confirmedAt ?? marker.createdAt}`)
  return 0
}
