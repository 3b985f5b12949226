import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from './free-port.ts'
import { obtainRedisBinary } from './redis-binary.ts'

export type RedisServer = {
  url: string
  host: string
  port: number
  /** Stops it from answering (SIGSTOP) until `resume`. */
  pause: () => void
  resume: () => void
  /** SIGKILL; what was not on disk is lost. */
  kill: () => Promise<void>
  /** Starts it again on the same port with what is on disk. */
  restart: () => Promise<void>
  /** Ends it and removes its files. */
  stop: () => Promise<void>
}

export type RedisServerOptions = {
  /** Append-only file, synced at each write. */
  appendOnly?: boolean
  /** Further configuration, as on redis-server's command line. */
  args?: readonly string[]
}

const startAttempts = 5

/** Starts a server of its own on a free loopback port, so that a test may kill, pause or empty it. */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const binary = await obtainRedisBinary()
  if (binary === undefined) throw new Error('no redis-server or valkey-server found')
  const directory = mkdtempSync(join(tmpdir(), 'herald-redis-'))
  const launch = (port: number): Promise<ChildProcess> => spawnServer(binary, port, directory, options)
  const { port, child: firstChild } = await launchOnFreePort(launch)
  let child = firstChild

  async function kill(): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  return {
    url: `redis://127.0.0.1:${port}`,
    host: '127.0.0.1',
    port,
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    kill,
    async restart() {
      await kill()
      child = await launch(port)
    },
    async stop() {
      await kill()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

async function launchOnFreePort(
  launch: (port: number) => Promise<ChildProcess>,
): Promise<{ port: number; child: ChildProcess }> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort()
    try {
      return { port, child: await launch(port) }
    } catch (error) {
      if (attempt === startAttempts) throw error
    }
  }
}

async function spawnServer(
  binary: string,
  port: number,
  directory: string,
  options: RedisServerOptions,
): Promise<ChildProcess> {
  const durability = options.appendOnly ? ['--appendonly', 'yes', '--appendfsync', 'always'] : []
  const own = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--save', '']
  const child = spawn(binary, [...own, ...durability, ...(options.args ?? [])], { stdio: 'ignore' })
  const onExit = (): void => void child.kill('SIGKILL')
  process.once('exit', onExit)
  child.once('exit', () => process.off('exit', onExit))
  while (!(await answers(port))) {
    if (child.exitCode !== null) throw new Error(`the Redis server ended with ${child.exitCode}`)
    await delay(10)
  }
  return child
}

/** Whether something there speaks Redis and has loaded its data; asking for a password is an answer. */
async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    socket.write('PING\r\n')
    const [reply] = (await once(socket, 'data', { signal: AbortSignal.timeout(1000) })) as [Buffer]
    return /^(\+PONG|-NOAUTH)/.test(reply.toString())
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
