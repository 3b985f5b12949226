import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './free-port.ts'
import { locateRedisBinary, obtainRedisBinary } from './redis-binary.ts'
import { launchRedis, type RedisProcess } from './redis-process.ts'
import type { TestCertificate } from './test-certificates.ts'

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
  /** Speaks TLS alone, to clients and other servers; see `redisSpeaksTls`. */
  tls?: TestCertificate & { ca: string }
  /** Further configuration, as on redis-server's command line. */
  args?: readonly string[]
  /** Further lines of its configuration file, which it may rewrite. */
  lines?: readonly string[]
  mode?: 'sentinel'
}

const startAttempts = 5

/** Starts a server of its own on a free loopback port, so that a test may kill, pause or empty it. */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const binary = await obtainRedisBinary()
  if (binary === undefined) throw new Error('no redis-server or valkey-server found')
  const directory = mkdtempSync(join(tmpdir(), 'herald-redis-'))
  const file = join(directory, 'redis.conf')
  writeFileSync(file, [...tlsLines(options.tls, directory), ...(options.lines ?? []), ''].join('\n'))
  const tls = options.tls !== undefined
  const launch = (port: number): Promise<RedisProcess> =>
    launchRedis(binary, [file, ...argumentsOf(options, port, directory)], { port, tls })
  const { port, running: first } = await launchOnFreePort(launch)
  let running = first

  return {
    url: `${tls ? 'rediss' : 'redis'}://127.0.0.1:${port}`,
    host: '127.0.0.1',
    port,
    pause: () => running.signal('SIGSTOP'),
    resume: () => running.signal('SIGCONT'),
    kill: () => running.kill(),
    async restart() {
      await running.kill()
      running = await launch(port)
    },
    async stop() {
      await running.kill()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** Whether the binary that tests use was built with TLS. */
export function redisSpeaksTls(): boolean {
  const binary = locateRedisBinary()
  if (binary === undefined) return false
  const { stdout } = spawnSync(binary, ['--port', '0', '--tls-port', '0'], { encoding: 'utf8' })
  return stdout.includes('not listen anywhere')
}

function argumentsOf({ appendOnly, tls, args, mode }: RedisServerOptions, port: number, directory: string) {
  const ports = tls ? ['--port', '0', '--tls-port', String(port)] : ['--port', String(port)]
  return [
    ...(mode === 'sentinel' ? ['--sentinel'] : ['--save', '']),
    ...ports,
    '--bind',
    '127.0.0.1',
    '--dir',
    directory,
    ...(appendOnly ? ['--appendonly', 'yes', '--appendfsync', 'always'] : []),
    ...(args ?? []),
  ]
}

function tlsLines(tls: RedisServerOptions['tls'], directory: string): string[] {
  if (!tls) return []
  const files = { cert: tls.cert, key: tls.key, 'ca-cert': tls.ca }
  for (const [name, pem] of Object.entries(files)) writeFileSync(join(directory, `${name}.pem`), pem)
  return [
    ...Object.keys(files).map((name) => `tls-${name}-file ${join(directory, name)}.pem`),
    'tls-auth-clients no',
    'tls-replication yes',
    'tls-cluster yes',
  ]
}

async function launchOnFreePort(
  launch: (port: number) => Promise<RedisProcess>,
): Promise<{ port: number; running: RedisProcess }> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort()
    try {
      return { port, running: await launch(port) }
    } catch (error) {
      if (attempt === startAttempts) throw error
    }
  }
}
