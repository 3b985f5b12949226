import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { ask, openConnection } from './connection.ts'

export type Command = {
  name: string
  command: readonly [string, ...string[]]
  env: Readonly<Record<string, string>>
  port: number
  /** Takes its output. */
  logFile: string
}

export type Server = {
  name: string
  port: number
  pid: number
  /** From the start of the process to the first healthy answer. */
  startMs: number
  stop: () => Promise<void>
}

const healthzRequest = Buffer.from('GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
const patienceMs = 20_000

/** Starts a service and resolves once it answers that it is healthy. */
export async function startServer({ name, command, env, port, logFile }: Command): Promise<Server> {
  const log = openSync(logFile, 'w')
  const [program, ...args] = command
  const startedAt = performance.now()
  const child = spawn(program, args, { env, stdio: ['ignore', log, log] })
  closeSync(log)
  const onExit = (): void => void child.kill('SIGKILL')
  process.once('exit', onExit)
  while (!(await isHealthy(port))) {
    const isLate = performance.now() - startedAt > patienceMs
    if (hasEnded(child) || isLate) {
      child.kill('SIGKILL')
      throw new Error(`${name} does not become healthy:\n${readFileSync(logFile, 'utf8').slice(-1000)}`)
    }
    await delay(2)
  }
  return {
    name,
    port,
    pid: child.pid ?? 0,
    startMs: performance.now() - startedAt,
    async stop() {
      process.off('exit', onExit)
      if (hasEnded(child)) return
      child.kill('SIGTERM')
      await once(child, 'exit')
    },
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

async function isHealthy(port: number): Promise<boolean> {
  try {
    const connection = await openConnection(port)
    const { status } = await ask(connection, healthzRequest)
    connection.close()
    return status === 200
  } catch {
    return false
  }
}
