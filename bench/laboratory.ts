import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, startRedis, type RedisServer } from '../packages/testing/src/index.ts'
import { processCost, redisInfo, redisWork } from './counters.ts'
import { startGenerator, type Generator } from './generator-process.ts'
import type { Task } from './generator.ts'
import type { Load } from './load.ts'
import { startServer, type Command, type Server } from './server.ts'
import { credentials } from './totp-requests.ts'

/** A load and what it cost, each a request. */
export type Sample = Load & {
  cpuMs: number
  redisCpuMs: number
  roundTrips: number
  commands: number
}

/** A service in the comparison. */
export type Side = Omit<Command, 'port' | 'logFile'> & { onRedis: boolean }

export type Laboratory = {
  folder: string
  redis: RedisServer
  generator: Generator
  start: (side: Side) => Promise<Server>
  measure: (server: Server, side: Side, task: Task) => Promise<Sample>
  close: () => Promise<void>
}

const root = join(import.meta.dirname, '..')

/** A Redis without persistence, a load generator and a folder for files; `close` ends and removes all of it. */
export async function openLaboratory(): Promise<Laboratory> {
  const folder = mkdtempSync(join(tmpdir(), 'herald-bench-'))
  const redis = await startRedis()
  const generator = startGenerator()
  const servers: Server[] = []
  let started = 0
  return {
    folder,
    redis,
    generator,
    async start(side) {
      started += 1
      const port = await freePort()
      const server = await startServer({
        ...side,
        env: { ...side.env, PORT: `:${port}`, HOST: '127.0.0.1' },
        port,
        logFile: join(folder, `${started}.log`),
      })
      servers.push(server)
      return server
    },
    async measure(server, { onRedis }, task) {
      const redisBefore = onRedis ? await redisWork(redis.port) : undefined
      const before = processCost(server.pid)
      const load = await generator.load(task)
      const after = processCost(server.pid)
      const redisAfter = onRedis ? await redisWork(redis.port) : undefined
      const perRequest = (total: number) => total / load.requests
      const ofRedis = (name: 'cpuMs' | 'roundTrips' | 'commands', own = 0) =>
        redisBefore && redisAfter ? perRequest(redisAfter[name] - redisBefore[name] - own) : Number.NaN
      return {
        ...load,
        cpuMs: perRequest(after.cpuMs - before.cpuMs),
        redisCpuMs: ofRedis('cpuMs'),
        roundTrips: ofRedis('roundTrips', 1),
        commands: ofRedis('commands'),
      }
    },
    async close() {
      for (const server of servers) await server.stop()
      generator.stop()
      await redis.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export async function redisVersion({ redis }: Laboratory): Promise<string> {
  return /^redis_version:(.*)\r$/m.exec(await redisInfo(redis.port))?.[1] ?? 'unknown'
}

export function bundleOf(service: 'herald-totp' | 'herald-smtp'): [string, string] {
  return [process.execPath, join(root, 'apps', service, 'dist/main.js')]
}

/** What every service is told; the limits are out of the way. */
export const commonEnv = {
  ENVIRONMENT: 'test',
  LOG_LEVEL: 'info',
  API_KEY: credentials.apiKey,
} as const
