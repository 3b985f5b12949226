import type { Content } from './message.ts'

export type ContentRequest = {
  subject?: string | undefined
  body?: string | undefined
  template?: string | undefined
  params?: Readonly<Record<string, string>> | undefined
}

const defaultSubject = 'Verification code'
const defaultText = 'You have a verification message. Please check your code.'

/** What the mail says: the caller's body, else the built-in text for `params.code`, else a fixed sentence. */
export function chooseContent({ subject, body, params }: ContentRequest): Content {
  return { subject: subject || defaultSubject, text: body || codeText(params?.['code']) || defaultText }
}

/** The request relies on a template that does not exist here; it is sent all the same, and counted. */
export function namesUnknownTemplate({ body, template }: ContentRequest): boolean {
  return !body && Boolean(template)
}

function codeText(code: string | undefined): string | undefined {
  return code ? `Your verification code is: ${code}` : undefined
}
