import type { Audit } from '@herald/audit'
import { startAudit, type StartContext } from '@herald/service'
import { createHashes, type StoreHandle } from '@herald/storage'
import type { Settings } from './config.ts'
import type { World } from './world.ts'

/** The secrets that a trail of this service may be chained under; the first is the one for new lines. */
export function auditSecrets({ audit }: Pick<Settings, 'audit'>, digestKey: Buffer): Buffer[] {
  return audit.key ? [Buffer.from(audit.key.reveal()), digestKey] : [digestKey]
}

/** Begins the trail of this process. */
export async function startTrail(
  handle: StoreHandle,
  settings: Settings,
  deps: StartContext & World & { digestKey: Buffer },
): Promise<Audit> {
  const [secret = deps.digestKey] = auditSecrets(settings, deps.digestKey)
  return startAudit(
    { service: settings.name, file: settings.audit.file, secret },
    { ...deps, heads: createHashes(handle, { prefix: 'smtp:' }) },
  )
}
