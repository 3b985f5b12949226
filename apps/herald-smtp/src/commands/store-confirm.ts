import { confirmMarker } from '@herald/storage'
import { readSettings } from '../config.ts'
import { storeOptions } from '../store/open-smtp-store.ts'
import type { CommandWorld } from '../world.ts'
import { silentLogger } from './silent-logger.ts'

/** The operator's word that the configured store may be used although it was lost, restored or emptied. */
export async function confirmStore({ env, now, randomBytes, print }: CommandWorld): Promise<number> {
  const { settings } = await readSettings(env)
  const marker = await confirmMarker(settings.store, storeOptions({ now, randomBytes, logger: silentLogger }))
  print(`store ${marker.storeId} is confirmed since ${marker.confirmedAt ?? marker.createdAt}`)
  return 0
}
