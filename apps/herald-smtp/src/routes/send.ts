import { answerJson, parseJson, Refused, type ServiceEnv, type Trail } from '@herald/service'
import type { Context } from 'hono'
import type { Answer } from '../domain/answer.ts'
import { namesUnknownTemplate, type ComposeContent } from '../domain/content.ts'
import { callerOf } from '../callers.ts'
import { unlessLate } from '../domain/deadline.ts'
import type { Digests } from '../domain/fingerprint.ts'
import type { Call, Idempotency } from '../domain/idempotency.ts'
import type { Addressed } from '../domain/protection.ts'
import { parseRecipient } from '../domain/recipient.ts'
import type { SendMail } from '../domain/sending.ts'
import type { MessageTrace } from '../domain/message-trace.ts'
import type { SmtpMetrics } from '../metrics.ts'
import { refuse } from './refuse.ts'
import { sendRequest, type SendRequest } from './send-request.ts'

/** What the caller's timeout leaves for the way back. */
const marginMs = 300

type Deps = {
  idempotency: Idempotency
  sendMail: SendMail
  trace: Pick<MessageTrace, 'note'>
  composeContent: ComposeContent
  digests: Digests
  metrics: SmtpMetrics
  trail: Trail
  now: () => number
  randomBytes: (size: number) => Buffer
}

/** POST /v1/send */
export function send(deps: Deps, options: { senderDomain: string; sendDeadlineMs: number }) {
  const { idempotency, sendMail, trace, trail, composeContent, digests, metrics, now, randomBytes } = deps
  const { senderDomain, sendDeadlineMs } = options

  function callOf(c: Context<ServiceEnv>, request: SendRequest, to: string, key: string | undefined): Call {
    const caller = callerOf(c.get('principal'))
    const { signature } = c.get('principal')
    const fingerprint = digests.fingerprint({ ...request, to })
    const name =
      key === undefined
        ? randomBytes(20).toString('base64url')
        : digests.messageName(caller, key, fingerprint)
    const timeoutMs =
      request.timeout_seconds === undefined ? Infinity : request.timeout_seconds * 1000 - marginMs
    return {
      caller,
      ...(key !== undefined && { key }),
      ...(signature && { signature }),
      fingerprint,
      messageId: `${name}@${senderDomain}`,
      deadline: now() + Math.min(timeoutMs, sendDeadlineMs),
    }
  }

  function record(c: Context<ServiceEnv>, subject: string, answer: Answer): void {
    if (answer.ok) trail(c, 'sent', { subject })
    else trail(c, 'not_sent', { subject, reason: answer.reason })
  }

  return async (c: Context<ServiceEnv>): Promise<Response> => {
    const request = parseJson(c, sendRequest)
    const key = keyOf(c, request)
    const recipient = parseRecipient(request.to ?? '')
    if (!recipient) return refuse(c, 'invalid_address', { permanent: true })

    if (namesUnknownTemplate(request)) metrics.unknownTemplate()
    const call = callOf(c, request, recipient.address, key)
    const toDigest = digests.address(recipient.address)
    const mail = { caller: call.caller, recipient, toDigest, content: composeContent(request) }
    const receivedAt = now()
    let noted: Promise<void> | undefined
    const answer = await idempotency.run(call, async (messageId, deadline) => {
      const outcome = await sendMail(mail, messageId, deadline)
      metrics.sent(outcome)
      // Beside the settle, not after it; whoever has the answer can ask for the mail.
      noted = trace.note({ ...call, messageId, receivedAt }, outcome)
      record(c, recipient.address, outcome)
      return outcome
    })
    if (noted) await unlessLate(noted, call.deadline - now(), undefined)
    Object.assign(c.get('logFields'), logFieldsOf(mail, answer))
    return respond(c, answer)
  }
}

/** From the header or the body; two that differ leave open which mail is meant. */
function keyOf(c: Context<ServiceEnv>, { idempotency_key: bodyKey }: SendRequest): string | undefined {
  const headerKey = c.req.header('idempotency-key') || undefined
  if (headerKey === undefined) return bodyKey
  if (!/^[\x20-\x7e]{1,255}$/.test(headerKey)) {
    throw new Refused('invalid_request', 'Idempotency-Key must be at most 255 visible ASCII characters')
  }
  if (bodyKey !== undefined && bodyKey !== headerKey) {
    throw new Refused('invalid_request', 'Idempotency-Key and idempotency_key must not differ')
  }
  return headerKey
}

function respond(c: Context<ServiceEnv>, answer: Answer): Response {
  if (!answer.ok) return refuse(c, answer.reason, answer)
  return answerJson(c, {
    ok: true,
    message_id: answer.messageId,
    provider: 'smtp',
    upstream: answer.upstream,
    upstream_response_id: answer.upstreamResponseId,
    request_id: c.get('requestId'),
  })
}

function logFieldsOf({ recipient, toDigest }: Addressed, answer: Answer): Record<string, unknown> {
  return {
    to: `${[...recipient.address][0] ?? ''}***@${recipient.domain}`,
    to_digest: toDigest,
    upstream: answer.upstream,
    ...(answer.ok
      ? { outcome: 'accepted', message_id: answer.messageId, upstream_response_id: answer.upstreamResponseId }
      : {
          outcome: answer.outcome,
          phase: answer.phase,
          smtp_code: answer.smtpCode,
          enhanced_code: answer.enhancedCode,
        }),
  }
}
