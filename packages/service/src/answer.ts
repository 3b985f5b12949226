import type { Context } from 'hono'
import { securityHeaders } from './security-headers.ts'
import type { ServiceEnv } from './service-env.ts'

/** The headers of the one answer to a request, to which a middleware or a route may add. */
export function answerHeaders(requestId: string): Record<string, string> {
  return { ...securityHeaders, 'X-Request-Id': requestId }
}

/** Answers with an object as JSON, under the headers that every answer has. */
export function answerJson(c: Context<ServiceEnv>, body: object, status = 200): Response {
  return answerText(c, JSON.stringify(body), { status, contentType: 'application/json' })
}

/**
 * As `answerJson`, for any text. Headers set through the context would each go through a Headers object, which costs more
 * than the rest of the answer.
 */
export function answerText(
  c: Context<ServiceEnv>,
  text: string,
  { status = 200, contentType }: { status?: number; contentType: string },
): Response {
  const headers = c.get('answerHeaders')
  headers['Content-Type'] = contentType
  return new Response(text, { status, headers })
}
