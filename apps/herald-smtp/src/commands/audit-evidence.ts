import type { TrailEvidence } from '@herald/service'
import { createHashes } from '@herald/storage'
import { auditSecrets } from '../audit.ts'
import { credentialsOf } from '../callers.ts'
import { readSettings } from '../config.ts'
import { openConfiguredStore } from '../configured-store.ts'
import { obtainDigestKey } from '../digest-key.ts'
import type { CommandWorld } from '../world.ts'
import { silentLogger } from './silent-logger.ts'

/** What the trail of the configured service is judged by. */
export async function withAuditEvidence<T>(
  { env, now, randomBytes }: CommandWorld,
  use: (evidence: TrailEvidence) => Promise<T>,
): Promise<T> {
  const { settings } = await readSettings(env)
  const store = await openConfiguredStore(settings.store, { now, randomBytes, logger: silentLogger })
  try {
    const once = { once: store.once, now, randomBytes }
    const secrets = auditSecrets(settings, await obtainDigestKey(credentialsOf(settings.auth), once))
    return await use({ secrets, heads: createHashes(store.handle, { prefix: 'smtp:' }) })
  } finally {
    await store.calls.close()
  }
}
