import { addApiKeysCommand, addAuditCommand } from '@herald/service'
import { Command, CommanderError } from 'commander'
import type { CommandWorld } from '../world.ts'
import { withAuditEvidence } from './audit-evidence.ts'
import { checkConfig } from './config-check.ts'
import { sendTest } from './send-test.ts'
import { confirmStore } from './store-confirm.ts'
import { verifyUpstreams } from './verify.ts'

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
    .description('herald-smtp; without a command it serves')
    .exitOverride()
    .configureOutput({ writeOut: print, writeErr: print })
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
  program
    .command('verify')
    .description(
      'connect, secure and authenticate to each mail server; exit with 1 if one does not let us in',
    )
    .action(async () => exitWith(await verifyUpstreams(world)))
  program
    .command('send-test')
    .description('send one mail the way the service would; exit with 1 if no mail server took it')
    .argument('<address>')
    .action(async (address: string) => exitWith(await sendTest(address, world)))
  addApiKeysCommand(program, world, { exitWith, realm: 'smtp' })
  addAuditCommand(program, {
    withEvidence: (use) => withAuditEvidence(world, use),
    print: world.print,
    exitWith,
  })
  return program
}
