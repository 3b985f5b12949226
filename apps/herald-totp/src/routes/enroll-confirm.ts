import { answerJson, parseJson, type ServiceEnv, type Trail } from '@herald/service'
import type { Context } from 'hono'
import { z } from 'zod'
import type { Enrollments } from '../domain/enrollment.ts'
import type { TotpMetrics } from '../metrics.ts'
import { codeField, enrollmentIdField, subjectField } from './fields.ts'
import { refuse } from './refuse.ts'

const enrollConfirmRequest = z.object({
  enroll_id: enrollmentIdField,
  code: codeField,
  subject: subjectField.optional(),
})

type Deps = { enrollments: Enrollments; metrics: TotpMetrics; trail: Trail }

/** POST /v1/enroll/confirm */
export function enrollConfirm({ enrollments, metrics, trail }: Deps) {
  return async (c: Context<ServiceEnv>): Promise<Response> => {
    const { enroll_id: enrollmentId, code, subject } = parseJson(c, enrollConfirmRequest)
    const confirmed = await enrollments.confirm({ enrollmentId, code, subject })
    metrics.confirmed(confirmed.ok ? 'success' : 'failure')
    if (!confirmed.ok) {
      trail(c, 'refused', { subject, reason: confirmed.reason })
      return refuse(c, confirmed)
    }
    trail(c, 'confirmed', { subject: confirmed.subject })
    return answerJson(c, {
      subject: confirmed.subject,
      totp_enabled: true,
      backup_codes: confirmed.backupCodes,
      credential_id: confirmed.credentialId,
    })
  }
}
