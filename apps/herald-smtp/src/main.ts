import { randomBytes } from 'node:crypto'
import { ConfigError } from '@herald/config'
import { runService } from '@herald/service'
import { runCommand } from './commands/run-command.ts'
import { serviceName } from './config.ts'
import { start } from './start.ts'

const onHangup = (listener: () => void) => void process.on('SIGHUP', listener)
const world = { env: process.env, now: () => Date.now(), randomBytes, onHangup }
const words = process.argv.slice(2)

if (words.length === 0) {
  await runService({ service: serviceName(world.env), process, start: (context) => start(context, world) })
} else {
  const print = (line: string) => void process.stdout.write(`${line}\n`)
  process.exitCode = await runCommand(words, { ...world, print }).catch((error: unknown) => {
    print(error instanceof Error ? error.message : 'the command failed')
    return error instanceof ConfigError ? 78 : 1
  })
}
