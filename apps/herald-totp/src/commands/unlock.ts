import { subjectField } from '../routes/fields.ts'
import type { CommandWorld } from '../world.ts'
import { withStore } from './with-store.ts'

/** Clears the failures of a subject, as POST /v1/unlock does, for whoever holds the service's configuration. */
export async function unlockSubject(subject: string, world: CommandWorld): Promise<number> {
  if (!subjectField.safeParse(subject).success) {
    world.print('the subject must be 1 to 256 bytes')
    return 1
  }
  await withStore(world, (store) => store.unlock(subject))
  world.print('unlocked')
  return 0
}
