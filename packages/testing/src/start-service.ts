import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from './free-port.ts'
import { isListening } from './is-listening.ts'

export type ServiceName = 'herald-totp' | 'herald-smtp'

export type RunningService = {
  url: string
  port: number
  pid: number
  /** Everything it wrote to stdout and stderr so far. */
  output: () => string
  /** SIGTERM; resolves to the exit code. */
  stop: () => Promise<number | null>
  /** SIGKILL. */
  kill: () => Promise<void>
  /** SIGHUP. */
  hangUp: () => void
}

export type Finished = { code: number | null; output: string }

export type ServiceLimits = {
  /** Of 512 bytes each: no file of the process grows beyond, as if the disk were full. */
  fileBlocksMax: number
}

/** Runs the built service on a free loopback port and resolves once it listens; throws with its output when it ends before. */
export async function startService(
  service: ServiceName,
  env: Record<string, string>,
  limits?: ServiceLimits,
): Promise<RunningService> {
  const port = Number(env['PORT'] ?? (await freePort()))
  const { child, output } = launch(service, [], { HOST: '127.0.0.1', PORT: String(port), ...env }, limits)
  while (!(await isListening(port))) {
    if (hasEnded(child)) throw new Error(`${service} ended with ${child.exitCode}:\n${output()}`)
    await delay(20)
  }
  return {
    url: `${env['TLS_CERT_FILE'] ? 'https' : 'http'}://127.0.0.1:${port}`,
    port,
    pid: child.pid ?? 0,
    output,
    stop: () => endBy(child, 'SIGTERM'),
    async kill() {
      await endBy(child, 'SIGKILL')
    },
    hangUp: () => void child.kill('SIGHUP'),
  }
}

/** A command of the built service while it runs. */
export type RunningCommand = {
  output: () => string
  finished: Promise<Finished>
  /** SIGKILL. */
  kill: () => Promise<void>
}

/** Starts a command of the built service, which may be killed before it ends. */
export function startCommand(
  service: ServiceName,
  args: readonly string[],
  env: Record<string, string>,
): RunningCommand {
  const { child, output } = launch(service, args, env)
  return {
    output,
    finished: once(child, 'close').then(() => ({ code: child.exitCode, output: output() })),
    async kill() {
      await endBy(child, 'SIGKILL')
    },
  }
}

/** Runs the built service or one of its commands to its end. */
export async function runService(
  service: ServiceName,
  args: readonly string[],
  env: Record<string, string>,
): Promise<Finished> {
  return startCommand(service, args, env).finished
}

function launch(
  service: ServiceName,
  args: readonly string[],
  env: Record<string, string>,
  limits?: ServiceLimits,
) {
  const main = join(import.meta.dirname, '../../../apps', service, 'dist/main.js')
  const [program = '', ...words] = [...limited(limits), process.execPath, main, ...args]
  const child = spawn(program, words, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const onExit = (): void => void child.kill('SIGKILL')
  process.once('exit', onExit)
  child.once('exit', () => process.off('exit', onExit))
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  }
  return { child, output: () => text }
}

/** The shell gives its process to what it executes. */
function limited(limits: ServiceLimits | undefined): string[] {
  return limits ? ['/bin/sh', '-c', `ulimit -f ${limits.fileBlocksMax}; exec "$0" "$@"`] : []
}

async function endBy(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
  if (!hasEnded(child)) {
    child.kill(signal)
    await once(child, 'close')
  }
  return child.exitCode
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}
