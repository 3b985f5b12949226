import { answerJson, type ServiceEnv } from '@herald/service'
import type { Context } from 'hono'
import { callerOf } from '../callers.ts'
import type { Found, MessageTrace } from '../domain/message-trace.ts'
import { refuse } from './refuse.ts'

/** GET /v1/messages/{message_id or idempotency key} */
export function messages({ trace }: { trace: MessageTrace }) {
  return async (c: Context<ServiceEnv>): Promise<Response> => {
    const id = c.req.param('id') ?? ''
    const found = await trace.find(callerOf(c.get('principal')), id)
    if (found === undefined) return refuse(c, 'message_not_found')
    return answerJson(c, { ok: true, ...render(found), request_id: c.get('requestId') })
  }
}

function render(found: Found): Record<string, unknown> {
  if (!('messageId' in found)) return found
  return {
    message_id: found.messageId,
    outcome: found.outcome,
    reason: found.reason,
    received_at: new Date(found.receivedAt).toISOString(),
    settled_at: new Date(found.settledAt).toISOString(),
    upstream: found.upstream,
    upstream_response_id: found.upstreamResponseId,
    smtp_code: found.smtpCode,
    enhanced_code: found.enhancedCode,
  }
}
