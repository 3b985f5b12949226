import type { Audit, AuditEvent } from '@herald/audit'
import type { Principal } from '@herald/auth'
import type { Context } from 'hono'
import type { ServiceEnv } from './service-env.ts'

/** Writes what a request did to the audit trail, with its id and its caller. */
export type Trail = (
  c: Context<ServiceEnv>,
  event: AuditEvent['event'],
  details?: Pick<AuditEvent, 'subject' | 'reason' | 'remaining'>,
) => void

/** Takes the caller from the request, as far as it was proven by then. */
export function createTrail(audit: Pick<Audit, 'record'>): Trail {
  return (c, event, details) => {
    const principal = c.get('principal') as Principal | undefined
    const caller = principal && {
      caller: principal.service,
      scheme: principal.scheme,
      key_id: principal.keyId,
      api_key_id: principal.apiKeyId,
    }
    audit.record({ event, ...details, ...caller, request_id: c.get('requestId') })
  }
}
