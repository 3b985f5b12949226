import { parseJson, type ServiceEnv } from '@herald/service'
import type { Context } from 'hono'
import { z } from 'zod'
import type { Enrollments } from '../domain/enrollment.ts'
import type { TotpMetrics } from '../metrics.ts'
import { codeField, enrollmentIdField, subjectField } from './fields.ts'
import { refuse } from './refuse.ts'

export const enrollConfirmRequest = z.object({
  enroll_id: enrollmentIdField,
  code: codeField,
  subject: subjectField.optional(),
})

/** POST /v1/enroll/confirm */
export function enrollConfirm({ enrollments, metrics }: { enrollments: Enrollments; metrics: TotpMetrics }) {
  return async (c: Context<ServiceEnv>): Promise<Response> => {
    const { enroll_id: enrollmentId, code, subject } = parseJson(c, enrollConfirmRequest)
    const confirmed = await enrollments.confirm({ enrollmentId, code, subject })
    metrics.confirmed(confirmed.ok ? 'success' : 'failure')
    if (!confirmed.ok) return refuse(c, confirmed)
    return c.json({
      subject: confirmed.subject,
      totp_enabled: true,
      backup_codes: confirmed.backupCodes,
      credential_id: confirmed.credentialId,
    })
  }
}
