import { answerJson, parseJson, type ServiceEnv } from '@herald/service'
import type { Context } from 'hono'
import { templates, type ComposeContent } from '../domain/content.ts'
import { sendRequest } from './send-request.ts'

/** POST /v1/preview: what POST /v1/send would make of the same body; sends nothing and remembers nothing. */
export function preview({ composeContent }: { composeContent: ComposeContent }) {
  return (c: Context<ServiceEnv>): Response => {
    const { subject, text, html, template, language } = composeContent(parseJson(c, sendRequest))
    return answerJson(c, {
      ok: true,
      subject,
      text,
      html,
      template,
      lang: language?.lang,
      dir: language?.dir,
      request_id: c.get('requestId'),
    })
  }
}

/** GET /v1/templates: the names that POST /v1/send knows, each with its locales. */
export function listTemplates(c: Context<ServiceEnv>): Response {
  return answerJson(c, { ok: true, templates, request_id: c.get('requestId') })
}
