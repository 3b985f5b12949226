import {
  startRedis,
  type RedisCluster,
  type RedisSentinel,
  type RedisServer,
  type ServiceLimits,
} from '@herald/testing'
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'vitest'
import { subjectTag } from '../../src/store/subject-tag.ts'
import { createRandom } from '../history/random.ts'
import { startTotp, temporaryFolder, type Caller } from '../service-harness.ts'
import { brokenPromises } from './ledger.ts'
import { startLoad, subjectsOf, type Load } from './load.ts'
import { crowdOut } from './small-disk.ts'

export type Size = {
  users: number
  /** How often each verb has to succeed before the first fault and after each of them. */
  times: number
}

/** Breaks something under load, and repairs it. */
type Strike<Target> = (target: Target, load: Load) => Promise<unknown>

/** Lets one fault after the other strike under load; whatever was answered with 200 holds. */
async function strikeUnderLoad<Target>(
  replicas: readonly Caller[],
  { users, times }: Size,
  { target, strikes }: { target: Target; strikes: readonly Strike<Target>[] },
): Promise<void> {
  const load = startLoad(replicas, { users, random: createRandom(Date.now()) })
  try {
    await load.progress(times)
    for (const strike of strikes) {
      await strike(target, load)
      await load.progress(times)
    }
    await load.finish()
  } finally {
    await load.end()
  }
  const broken = brokenPromises(load.events)
  if (broken.length > 0) throw new Error(broken.join('\n'))
  expect([0, 200, 400, 401, 409, 429, 503]).toEqual(expect.arrayContaining([...load.statuses]))
}

/** A fault that callers must have heard of, or it struck nothing. */
const felt =
  <Target>(strike: Strike<Target>): Strike<Target> =>
  async (target, load) => {
    const losses = load.losses(1)
    await strike(target, load)
    await losses
  }

/** Two replicas of the service on one Redis, whatever it consists of. */
export async function runOnRedis<Redis extends { env: Record<string, string>; stop: () => Promise<void> }>(
  redis: Redis,
  size: Size,
  strikes: readonly Strike<Redis>[],
): Promise<void> {
  const services: Awaited<ReturnType<typeof startTotp>>[] = []
  try {
    for (let count = 0; count < 2; count++) services.push(await startTotp(redis.env))
    const callers = services.map(({ caller }) => caller)
    await strikeUnderLoad(callers, size, { target: redis, strikes })
  } finally {
    await Promise.all(services.map((service) => service.stop()))
    await redis.stop()
  }
}

/** One server that syncs each write. */
export async function startAlone(): Promise<RedisServer & { env: Record<string, string> }> {
  const server = await startRedis({ appendOnly: true })
  return { ...server, env: { REDIS_ADDR: `127.0.0.1:${server.port}` } }
}

export const restart = felt((redis: RedisServer) => redis.restart())

export const standStill = (milliseconds: number) =>
  felt(async (redis: RedisServer) => {
    redis.pause()
    await delay(milliseconds)
    redis.resume()
  })

/** The master dies, and comes back as a replica once another has taken its place. */
export const failOver = felt(async (redis: RedisSentinel) => {
  const victim = await redis.killMaster()
  while ((await redis.master()) === victim) await delay(50)
  await victim.restart()
})

/** The slots of so many subjects go to another master, key by key while they are in use. */
export const moveSlots =
  (users: number): Strike<RedisCluster> =>
  async (redis) => {
    for (const subject of subjectsOf(users)) {
      const key = `{${subjectTag(subject)}}`
      const from = await redis.masterOf(key)
      const to = redis.servers.slice(0, 3).find(({ port }) => port !== from.port)!
      await redis.moveSlot(key, to, () => delay(20))
    }
  }

/** The one process on a file, at the same address however often it starts. */
type OnFile = {
  path: string
  start: (limits?: ServiceLimits) => Promise<void>
  stop: () => Promise<unknown>
  kill: () => Promise<void>
}

export async function runOnSqlite(
  size: Size,
  strikes: readonly Strike<OnFile>[],
  folder = temporaryFolder(),
): Promise<void> {
  const path = join(folder.path, 'totp.sqlite')
  let service = await startTotp({ SQLITE_PATH: path })
  const env = { SQLITE_PATH: path, PORT: String(service.port) }
  const target: OnFile = {
    path,
    async start(limits) {
      service = await startTotp(env, limits)
    },
    stop: () => service.stop(),
    kill: () => service.kill(),
  }
  try {
    await strikeUnderLoad([service.caller], size, { target, strikes })
  } finally {
    await service.stop()
    folder.remove()
  }
}

export const kill = felt(async (service: OnFile) => {
  await service.kill()
  await service.start()
})

/** As if the disk were full: no file may grow any more. */
export const stopGrowth: Strike<OnFile> = async (service, load) => {
  await service.stop()
  await service.start({ fileBlocksMax: 1024 })
  await load.losses(20)
  await service.stop()
  await service.start()
}

/** The disk is full for a while, under a process that goes on. */
export const fillDisk: Strike<OnFile> = async ({ path }, load) => {
  const free = crowdOut(path)
  await load.losses(20)
  free()
}

/** What no store survives: an older copy takes the place of its file. */
export const turnBack: Strike<OnFile> = async ({ path, start, stop }, load) => {
  const copy = `${path}.copy`
  await stop()
  copyFileSync(path, copy)
  await start()
  await load.progress(100)
  await stop()
  copyFileSync(copy, path)
  await start()
}
