import { randomBytes } from 'node:crypto'
import { runPlayground } from './playground.ts'
import { PlaygroundError, readSettings } from './settings.ts'

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort())
// A terminal that went away and a fault of our own end the services too, or they would keep their ports.
for (const output of [process.stdout, process.stderr]) output.on('error', () => stop.abort())
process.on('uncaughtException', (error) => {
  process.stderr.write(`${error.stack}\n`)
  process.exitCode = 1
  stop.abort()
})
process.umask(0o077)

try {
  await runPlayground(readSettings(process.env), {
    signal: stop.signal,
    print: (line) => process.stdout.write(`${line}\n`),
    now: Date.now,
    randomBytes,
    nodePath: process.execPath,
    pastedIn: process.env.INIT_CWD ?? process.cwd(),
  })
} catch (error) {
  if (!(error instanceof PlaygroundError)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
}
