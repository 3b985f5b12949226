import { createInterface } from 'node:readline'
import { createAuthenticator } from './authenticator.ts'
import { enrol } from './enrolment.ts'
import { readListening } from './listening.ts'
import { defaultSubject } from './printed-commands.ts'
import { runCommand } from './run-command.ts'
import { PlaygroundError } from './settings.ts'

await runCommand(
  { subject: { type: 'string', default: defaultSubject }, 'no-phone': { type: 'boolean', default: false } },
  async ({ values, folder, pastedIn, print }) => {
    const input = createInterface({ input: process.stdin })
    const typed = input[Symbol.asyncIterator]()
    const ask = async (prompt: string) => {
      process.stdout.write(prompt)
      const line = await typed.next()
      if (!line.done) return line.value.trim()
      throw new PlaygroundError('\nNo code was given, so nothing was enrolled.')
    }
    try {
      const listening = readListening(folder)
      const authenticator = values['no-phone'] ? createAuthenticator({ folder, now: Date.now }) : undefined
      await enrol(values.subject, { listening, authenticator, pastedIn, print, ask })
    } finally {
      input.close()
    }
  },
)
