import { codeSubstitution, createPrintedCommands, defaultSubject } from './printed-commands.ts'

/** What a person reads once everything listens: where, and what to try. */
export function renderBanner(options: {
  totpUrl: string
  smtpUrl: string
  inboxUrl: string
  mailPort: number
  headerFile: string
  pastedIn: string
}): string {
  const commands = createPrintedCommands(options)
  return `
Everything runs.

  herald-totp   ${options.totpUrl}
  herald-smtp   ${options.smtpUrl}
  inbox page    ${options.inboxUrl}
  all mails     ${options.inboxUrl}/gallery
  mail catcher  127.0.0.1:${options.mailPort} (SMTP)

Try, in another terminal:

  npm run enrol                  enrol with an authenticator app
  npm run enrol -- --no-phone    enrol without one: this machine keeps the secret
  npm run code                   the next code of an enrolment without a phone

  Verify a code (with a phone, put the code it shows in place of "$(...)"):
  ${commands.verify(options.totpUrl, defaultSubject, codeSubstitution(defaultSubject))}

  Send a mail, then look at ${options.inboxUrl}:
  ${commands.send(options.smtpUrl)}

Ctrl-C stops everything.
`
}
