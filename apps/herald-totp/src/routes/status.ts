import { answerJson, parseQuery, type ServiceEnv } from '@herald/service'
import type { Context } from 'hono'
import { z } from 'zod'
import type { Status, TotpStore } from '../store/store.ts'
import { subjectField } from './fields.ts'

const statusRequest = z.object({ subject: subjectField })

const nothing: Status = { credentials: [], backupCodesRemaining: 0 }

/** GET /v1/status. The store answers absence only while it is known to be ours, so `false` is never a lost store. */
export function status({ store, now }: { store: Pick<TotpStore, 'status'>; now: () => number }) {
  return async (c: Context<ServiceEnv>): Promise<Response> => {
    const { subject } = parseQuery(c, statusRequest)
    const { credentials, backupCodesRemaining, lockedUntil } = (await store.status(subject, now())) ?? nothing
    return answerJson(c, {
      subject,
      totp_enabled: credentials.length > 0,
      credentials: credentials.map(describeCredential),
      backup_codes_remaining: backupCodesRemaining,
      ...(lockedUntil !== undefined && { locked_until: Math.ceil(lockedUntil / 1000) }),
    })
  }
}

function describeCredential(credential: Status['credentials'][number]) {
  return {
    credential_id: credential.id,
    label: credential.label,
    algorithm: credential.algorithm,
    digits: credential.digits,
    period: credential.periodSeconds,
    created_at: Math.floor(credential.createdAt / 1000),
    ...(credential.lastUsedAt !== undefined && { last_used_at: Math.floor(credential.lastUsedAt / 1000) }),
  }
}
