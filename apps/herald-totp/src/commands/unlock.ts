import { readSettings } from '../config.ts'
import { openConfiguredStore } from '../configured-store.ts'
import { subjectField } from '../routes/fields.ts'
import type { CommandWorld } from './run-command.ts'
import { createCommandLogger } from './command-logger.ts'

/** Clears the failures of a subject, as POST /v1/unlock does, for whoever holds the service's configuration. */
export async function unlockSubject(
  subject: string,
  { env, now, randomBytes, print }: CommandWorld,
): Promise<number> {
  if (!subjectField.safeParse(subject).success) {
    print('the subject must be 1 to 256 bytes')
    return 1
  }
  const { settings } = await readSettings(env)
  const store = await openConfiguredStore(settings, {
    now,
    randomBytes,
    logger: createCommandLogger({ print }),
  })
  try {
    await store.unlock(subject)
  } finally {
    await store.close()
  }
  print('unlocked')
  return 0
}
