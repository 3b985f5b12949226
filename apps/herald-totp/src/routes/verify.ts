import { answerJson, parseJson, type ServiceEnv, type Trail } from '@herald/service'
import type { Context } from 'hono'
import { z } from 'zod'
import type { Verified, Verify } from '../domain/verification.ts'
import type { TotpMetrics, VerifyReason } from '../metrics.ts'
import type { ClientAddress } from './client-address.ts'
import { challengeIdField, codeField, subjectField } from './fields.ts'
import { refuse } from './refuse.ts'

export const verifyRequest = z.object({
  subject: subjectField,
  code: codeField,
  challenge_id: challengeIdField.optional(),
})

type Deps = { verify: Verify; clientAddress: ClientAddress; metrics: TotpMetrics; trail: Trail }

/** POST /v1/verify */
export function verify(deps: Deps) {
  return async (c: Context<ServiceEnv>): Promise<Response> => {
    const { subject, code, challenge_id: challengeId } = parseJson(c, verifyRequest)
    const verified = await deps.verify({ subject, code, challengeId, address: deps.clientAddress(c) })
    count(deps.metrics, verified)
    record(deps.trail, c, subject, verified)
    if (!verified.ok) return refuse(c, verified)
    return answerJson(c, {
      ok: true,
      subject,
      amr: verified.method === 'totp' ? ['totp'] : ['totp', 'backup_code'],
      issued_at: verified.issuedAt,
      method: verified.method,
      ...(verified.method === 'totp' && { credential_id: verified.credentialId }),
      backup_codes_remaining: verified.backupCodesRemaining,
    })
  }
}

const failures = {
  wrong_code: 'invalid',
  replayed: 'replay',
  rate_limited: 'rate_limited',
} as const satisfies Record<string, VerifyReason>

const events = {
  wrong_code: 'refused',
  replayed: 'replayed',
  rate_limited: 'locked',
  floored: 'refused',
} as const satisfies Record<Extract<Verified, { ok: false }>['reason'], string>

/** A TOTP code that was right changes nothing that lasts; the log of the request says it. */
function record(trail: Trail, c: Context<ServiceEnv>, subject: string, verified: Verified): void {
  if (verified.ok && verified.method === 'backup_code')
    trail(c, 'backup_used', { subject, remaining: verified.backupCodesRemaining })
  if (!verified.ok) trail(c, events[verified.reason], { subject, reason: verified.reason })
}

/** A code that could not be judged is no verify at all. */
function count(metrics: TotpMetrics, verified: Verified): void {
  if (verified.ok) metrics.verified('success', verified.method)
  else if (verified.reason !== 'floored') metrics.verified('failure', failures[verified.reason])
}
