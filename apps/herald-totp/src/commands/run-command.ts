import { addApiKeysCommand, addAuditCommand } from '@herald/service'
import { Command, CommanderError, InvalidArgumentError } from 'commander'
import type { CommandWorld } from '../world.ts'
import { withAuditEvidence } from './audit-evidence.ts'
import { checkConfig } from './config-check.ts'
import { addKeysCommand } from './keys/keys-command.ts'
import { rekeyStore } from './rekey.ts'
import { confirmStore } from './store-confirm.ts'
import { unlockSubject } from './unlock.ts'

/** What an operator runs from the same bundle; resolves to the exit code. */
export async function runCommand(words: readonly string[], world: CommandWorld): Promise<number> {
  let exitCode = 0
  const program = createProgram(world, (code) => (exitCode = code))
  try {
    await program.parseAsync(words, { from: 'user' })
  } catch (error) {
    // Help asked for, or words that are no command: commander has said so already.
    if (error instanceof CommanderError) return error.exitCode
    throw error
  }
  return exitCode
}

function createProgram(world: CommandWorld, exitWith: (code: number) => void): Command {
  const print = (text: string) => world.print(text.trimEnd())
  const program = new Command('main.js')
    .description('herald-totp; without a command it serves')
    .exitOverride()
    .configureOutput({ writeOut: print, writeErr: print })
  program
    .command('unlock')
    .description('clear the failures of a subject')
    .argument('<subject>', 'the subject, exactly as callers send it')
    .action(async (subject: string) => exitWith(await unlockSubject(subject, world)))
  program
    .command('config')
    .description('the configuration in the environment')
    .command('check')
    .description('judge it as a start would, the store included; exit with 78 if that would be refused')
    .action(async () => exitWith(await checkConfig(world)))
  program
    .command('store')
    .description('the configured store')
    .command('confirm')
    .description('vouch for it after it was lost, restored or emptied')
    .action(async () => exitWith(await confirmStore(world)))
  addKeysCommand(program, world, exitWith)
  addRekeyCommand(program, world, exitWith)
  addApiKeysCommand(program, world, { exitWith, realm: 'totp' })
  addAuditCommand(program, {
    withEvidence: (use) => withAuditEvidence(world, use),
    print: world.print,
    exitWith,
  })
  return program
}

function addRekeyCommand(program: Command, world: CommandWorld, exitWith: (code: number) => void): void {
  program
    .command('rekey')
    .description('seal every record anew under the primary key, beside running services')
    .option('--dry-run', 'open every record and change nothing')
    .option('--rate <records>', 'records a second at most', positive, 2000)
    .option('--lease <seconds>', 'how long a rekey that was killed keeps others out', positive, 15)
    .option('--json', 'JSON lines on a terminal too')
    .action(async (options: { dryRun?: boolean; rate: number; lease: number; json?: boolean }) => {
      const { dryRun = false, rate, lease, json = false } = options
      exitWith(await rekeyStore(world, { dryRun, ratePerSecond: rate, leaseMs: lease * 1000, json }))
    })
}

function positive(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('must be a whole number above 0')
}
