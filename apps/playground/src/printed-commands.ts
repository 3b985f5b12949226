import { isAbsolute, relative } from 'node:path'

/** The subject that every printed command speaks of unless another is asked for. */
export const defaultSubject = 'demo'

/** Commands to paste into a POSIX shell; they name the header file, never the key in it. */
export function createPrintedCommands(options: { headerFile: string; pastedIn: string }) {
  const post = (url: string, quotedBody: string) =>
    `curl -sS -H @${quoteWhenNeeded(shorten(options))} -H 'Content-Type: application/json' -d ${quotedBody} ${url}`

  return {
    /** `code` stands in the command as it is, so that it can be a command substitution. */
    verify: (totpUrl: string, subject: string, code: string) =>
      post(
        `${totpUrl}/v1/verify`,
        `${quote(`{"subject":${JSON.stringify(subject)},"code":"`)}${code}${quote('"}')}`,
      ),
    revoke: (totpUrl: string, subject: string) =>
      post(`${totpUrl}/v1/revoke`, quote(JSON.stringify({ subject }))),
    send: (smtpUrl: string) =>
      post(
        `${smtpUrl}/v1/send`,
        quote(
          JSON.stringify({
            channel: 'email',
            to: 'alice@example.com',
            params: { code: '123456' },
            locale: 'en',
          }),
        ),
      ),
  }
}

/** The shell words that compute the subject's next code. */
export function codeSubstitution(subject: string): string {
  const named = subject === defaultSubject ? '' : ` -- --subject ${quoteWhenNeeded(subject)}`
  return `$(npm run --silent code${named})`
}

function shorten({ headerFile, pastedIn }: { headerFile: string; pastedIn: string }): string {
  const path = relative(pastedIn, headerFile)
  return path.startsWith('..') || isAbsolute(path) ? headerFile : path
}

function quoteWhenNeeded(text: string): string {
  return /^[\w./@:+-]+$/.test(text) ? text : quote(text)
}

function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}
