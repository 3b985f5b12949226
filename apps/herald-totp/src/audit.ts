import type { Audit } from '@herald/audit'
import type { Keyring, KeyringSettings } from '@herald/crypto'
import { startAudit, type StartContext } from '@herald/service'
import { createHashes, type StoreHandle } from '@herald/storage'
import type { Settings } from './config.ts'
import { oldestKey } from './digests.ts'
import type { LiveKeyring } from './live-keyring.ts'
import type { World } from './world.ts'

/** The secrets that a trail of this service may be chained under; the first is the one for new lines. */
export function auditSecrets({ audit, keyring }: Pick<Settings, 'audit' | 'keyring'>): Buffer[] {
  const derived = [oldestKey(keyring), ...keyring.entries.map(({ key }) => key)]
  return audit.key ? [Buffer.from(audit.key.reveal()), ...derived] : derived
}

/** Begins the trail of this process. */
export async function startTrail(
  handle: StoreHandle,
  settings: Settings,
  deps: StartContext & World,
): Promise<Audit> {
  const [secret = Buffer.alloc(0)] = auditSecrets(settings)
  return startAudit(
    { service: settings.app.name, file: settings.audit.file, secret },
    { ...deps, heads: createHashes(handle, { prefix: 'totp:' }) },
  )
}

/** A keyring whose changes enter the trail: the first use of a primary key, and each key that no longer opens anything. */
export function auditKeyring(live: LiveKeyring, audit: Pick<Audit, 'record'>): LiveKeyring {
  const scheme = 'encryption'
  audit.record({ event: 'key_first_used', scheme, key_id: live.keyring.primaryId })
  return {
    ...live,
    async replace(next: KeyringSettings) {
      const { primaryId } = live.keyring
      const before = usable(live.keyring)
      await live.replace(next)
      const after = usable(live.keyring)
      if (live.keyring.primaryId !== primaryId)
        audit.record({ event: 'key_first_used', scheme, key_id: live.keyring.primaryId })
      for (const id of before) if (!after.has(id)) audit.record({ event: 'key_retired', scheme, key_id: id })
    },
  }
}

function usable({ keys }: Keyring): Set<string> {
  return new Set(keys.filter(({ state }) => state !== 'disabled').map(({ id }) => id))
}
