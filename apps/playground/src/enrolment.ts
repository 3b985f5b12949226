import { renderUnicodeCompact } from 'uqr'
import type { Authenticator } from './authenticator.ts'
import type { Listening } from './listening.ts'
import { codeSubstitution, createPrintedCommands } from './printed-commands.ts'
import { PlaygroundError } from './settings.ts'
import { createTotpClient } from './totp-client.ts'

export type EnrolmentDeps = {
  listening: Listening
  /** Given when this machine stands in for the phone. */
  authenticator: Authenticator | undefined
  pastedIn: string
  print: (line: string) => void
  /** Shows the prompt and settles with the line typed; throws PlaygroundError when there will be none. */
  ask: (prompt: string) => Promise<string>
}

/** Enrols the subject from start to confirmation and prints its backup codes and the next thing to try. */
export async function enrol(subject: string, deps: EnrolmentDeps): Promise<void> {
  const { listening, authenticator, print } = deps
  const client = createTotpClient(listening)
  const commands = createPrintedCommands({ headerFile: listening.headerFile, pastedIn: deps.pastedIn })

  const enrollment = await client.start(subject)
  if (enrollment === 'already_enrolled') {
    const revoke = commands.revoke(listening.totpUrl, subject)
    throw new PlaygroundError(
      `${subject} is enrolled already. Revoke that first, or name another with --subject:\n  ${revoke}`,
    )
  }
  const confirm = (code: string) => client.confirm(enrollment.enroll_id, code)
  const backupCodes = authenticator
    ? await confirm(authenticator.add(subject, enrollment.otpauth_uri))
    : await confirmByPhone(enrollment.otpauth_uri, confirm, deps)
  if (!backupCodes)
    throw new PlaygroundError('The computed code was refused: is the clock of this machine right?')

  const code = authenticator ? codeSubstitution(subject) : 'CODE'
  print(`\n${subject} is enrolled. Backup codes, each good for one verification:\n`)
  for (const backupCode of backupCodes) print(`  ${backupCode}`)
  print(`\nVerify ${authenticator ? 'the next code' : 'the next code of the app in place of CODE'}:`)
  print(`  ${commands.verify(listening.totpUrl, subject, code)}\n`)
}

async function confirmByPhone(
  otpauthUri: string,
  confirm: (code: string) => Promise<string[] | undefined>,
  { print, ask }: EnrolmentDeps,
): Promise<string[]> {
  print(`\n${renderQr(otpauthUri)}\n`)
  print(
    `Scan this with an authenticator app, or type the key: ${URL.parse(otpauthUri)?.searchParams.get('secret')}`,
  )
  for (;;) {
    const backupCodes = await confirm(await ask('The code it shows: '))
    if (backupCodes) return backupCodes
    print('That code was not right. Take the one shown now; the fifth wrong one ends the enrolment.')
  }
}

/** Black on white whatever the terminal's colours are, or a camera may not read it. */
function renderQr(text: string): string {
  const lines = renderUnicodeCompact(text, { border: 2 }).split('\n')
  return lines.map((line) => `\u001B[97;40m${line}\u001B[0m`).join('\n')
}
