import { answerJson, parseJson, type ServiceEnv, type Trail } from '@herald/service'
import type { Context } from 'hono'
import { z } from 'zod'
import type { Enrollments } from '../domain/enrollment.ts'
import { drawQr } from '../domain/qr.ts'
import type { AddressThrottle } from '../domain/throttle.ts'
import type { TotpMetrics } from '../metrics.ts'
import type { ClientAddress } from './client-address.ts'
import { labelField, subjectField } from './fields.ts'
import { refuse } from './refuse.ts'

const ofAnotherCall = z.custom<never>(() => false, 'belongs to another call').optional()

/** The fields of other calls are refused: a body signed for one of them does nothing here. */
const enrollStartRequest = z.object({
  subject: subjectField,
  label: labelField.optional(),
  qr: z.enum(['svg', 'png']).optional().describe('Also draw the key URI, as an image in a data URI'),
  code: ofAnotherCall,
  enroll_id: ofAnotherCall,
  challenge_id: ofAnotherCall,
})

type Deps = {
  enrollments: Enrollments
  addresses: AddressThrottle
  clientAddress: ClientAddress
  metrics: TotpMetrics
  trail: Trail
}

/** POST /v1/enroll/start */
export function enrollStart(deps: Deps, { exposeSecret }: { exposeSecret: boolean }) {
  return async (c: Context<ServiceEnv>): Promise<Response> => {
    const { subject, label, qr } = parseJson(c, enrollStartRequest)
    const allowed = await deps.addresses.take(deps.clientAddress(c))
    if (!allowed.ok) return refuse(c, { ...allowed, reason: 'rate_limited' })
    const started = await deps.enrollments.start({ subject, label: label || subject })
    if (!started.ok) {
      deps.trail(c, 'refused', { subject, reason: started.reason })
      return refuse(c, started)
    }
    deps.metrics.started()
    deps.trail(c, 'enrolled', { subject })
    return answerJson(c, {
      enroll_id: started.enrollmentId,
      ...(exposeSecret && { secret_base32: started.secretBase32 }),
      otpauth_uri: started.keyUri,
      expires_at: started.expiresAt,
      ...(qr && { qr: drawQr(started.keyUri, qr) }),
    })
  }
}
