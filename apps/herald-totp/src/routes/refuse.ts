import { answerJson, type ServiceEnv } from '@herald/service'
import type { Context } from 'hono'
import { refusals, type RefusalReason } from '../refusals.ts'

/** A refusal as the domain gives it; `message` takes the place of the table's text. */
export type Refusal = {
  reason: RefusalReason
  message?: string | undefined
  retryAfterSeconds?: number | undefined
}

/** The body of a refusal: `message` or the text of the table, and the word that callers know it by. */
export function describeRefusal({ reason, message, retryAfterSeconds }: Refusal, requestId: string) {
  const row: { reason?: string; message: string } = refusals[reason]
  return {
    ok: false,
    reason: row.reason ?? reason,
    message: message ?? row.message,
    retry_after_seconds: retryAfterSeconds,
    request_id: requestId,
  }
}

/** Answers with the row of the table, and with Retry-After where there is something to wait for. */
export function refuse(c: Context<ServiceEnv>, refusal: Refusal): Response {
  c.get('logFields')['reason'] = refusal.reason
  const { retryAfterSeconds } = refusal
  if (retryAfterSeconds !== undefined) c.get('answerHeaders')['Retry-After'] = String(retryAfterSeconds)
  return answerJson(c, describeRefusal(refusal, c.get('requestId')), refusals[refusal.reason].status)
}
