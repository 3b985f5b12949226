import type { TrailEvidence } from '@herald/service'
import { createHashes } from '@herald/storage'
import { auditSecrets } from '../audit.ts'
import type { CommandWorld } from '../world.ts'
import { withStore } from './with-store.ts'

/** What the trail of the configured service is judged by. */
export function withAuditEvidence<T>(
  world: CommandWorld,
  use: (evidence: TrailEvidence) => Promise<T>,
): Promise<T> {
  return withStore(world, (store, settings) =>
    use({ secrets: auditSecrets(settings), heads: createHashes(store.handle, { prefix: 'totp:' }) }),
  )
}
