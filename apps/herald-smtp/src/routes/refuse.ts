import { answerJson, type ServiceEnv } from '@herald/service'
import type { Context } from 'hono'
import { refusals, type Reason } from '../refusals.ts'

export type RefusalDetails = {
  message?: string | undefined
  outcome?: 'not_sent' | 'unknown'
  permanent?: boolean
  upstream?: string | undefined
  phase?: string | undefined
  smtpCode?: number | undefined
  enhancedCode?: string | undefined
  retryAfterSeconds?: number | undefined
}

/** The body of a refusal: `message` or the text of the table, both our own words and never the mail server's. */
export function describeRefusal(reason: Reason, requestId: string, details: RefusalDetails = {}) {
  const { code, text } = refusals[reason]
  return {
    ok: false,
    error_code: code,
    error_message: details.message ?? text,
    reason,
    outcome: details.outcome ?? (reason === 'internal_error' ? 'unknown' : 'not_sent'),
    permanent: details.permanent ?? false,
    upstream: details.upstream,
    phase: details.phase,
    smtp_code: details.smtpCode,
    enhanced_code: details.enhancedCode,
    retry_after_seconds: details.retryAfterSeconds,
    request_id: requestId,
  }
}

/** Answers with the refusal's row, and with Retry-After where there is something to wait for. */
export function refuse(c: Context<ServiceEnv>, reason: Reason, details: RefusalDetails = {}): Response {
  c.get('logFields')['reason'] = reason
  const { retryAfterSeconds } = details
  if (retryAfterSeconds !== undefined) c.get('answerHeaders')['Retry-After'] = String(retryAfterSeconds)
  return answerJson(c, describeRefusal(reason, c.get('requestId'), details), refusals[reason].status)
}
