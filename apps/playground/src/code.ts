import { setTimeout as delay } from 'node:timers/promises'
import { createAuthenticator } from './authenticator.ts'
import { defaultSubject } from './printed-commands.ts'
import { runCommand } from './run-command.ts'

await runCommand(
  { subject: { type: 'string', default: defaultSubject } },
  async ({ values, folder, print }) => {
    const { code, waitMs } = createAuthenticator({ folder, now: Date.now }).nextCode(values.subject)
    if (waitMs > 0) {
      process.stderr.write(`Each code works once; the next one in ${Math.ceil(waitMs / 1000)} s.\n`)
      await delay(waitMs)
    }
    print(code)
  },
)
