import { Command } from 'commander'
import type { World } from '../start.ts'
import { checkConfig } from './config-check.ts'
import { confirmStore } from './store-confirm.ts'

export type CommandWorld = World & { print: (line: string) => void }

/** What an operator runs from the same bundle; resolves to the exit code. */
export async function runCommand(words: readonly string[], world: CommandWorld): Promise<number> {
  let exitCode = 0
  const run = (command: (world: CommandWorld) => Promise<number>) => async () => {
    exitCode = await command(world)
  }
  const program = new Command('main.js').description('herald-smtp; without a command it serves')
  program
    .command('config')
    .description('the configuration in the environment')
    .command('check')
    .description('judge it as a start would, and exit with 78 if that would be refused')
    .action(run(checkConfig))
  program
    .command('store')
    .description('the configured store')
    .command('confirm')
    .description('vouch for it after it was lost, restored or emptied')
    .action(run(confirmStore))
  await program.parseAsync(words, { from: 'user' })
  return exitCode
}
