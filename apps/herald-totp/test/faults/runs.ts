import { startRedis, type RedisServer } from '@herald/testing'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'vitest'
import { createRandom } from '../history/random.ts'
import { startTotp, temporaryFolder, type Caller } from '../service-harness.ts'
import { brokenPromises } from './ledger.ts'
import { startLoad, type Load } from './load.ts'

export type Size = {
  subjects: number
  /** How often each verb has to succeed before the first fault and after each of them. */
  times: number
}

/** Strikes and repairs, while the load goes on. */
export type Strike = (load: Load) => Promise<unknown>

/** Lets one fault after the other strike under load; whatever was answered with 200 holds, and every fault was noticed. */
export async function strikeUnderLoad(
  replicas: readonly Caller[],
  { subjects, times }: Size,
  strikes: readonly Strike[],
): Promise<void> {
  const load = startLoad(replicas, { subjects, random: createRandom(Date.now()) })
  await load.progress(times)
  for (const strike of strikes) {
    const lost = load.lost()
    await strike(load)
    expect(load.lost()).toBeGreaterThan(lost)
    await load.progress(times)
  }
  await load.finish()
  expect(brokenPromises(load.events)).toEqual([])
  expect([0, 200, 400, 401, 409, 429, 503]).toEqual(expect.arrayContaining([...load.statuses]))
}

/** Two replicas on a Redis that syncs each write. */
export async function runOnRedis(size: Size, strikes: readonly ((redis: RedisServer) => Promise<void>)[]) {
  const redis = await startRedis({ appendOnly: true })
  const env = { REDIS_ADDR: `127.0.0.1:${redis.port}` }
  const services = await Promise.all([startTotp(env), startTotp(env)])
  try {
    const callers = services.map(({ caller }) => caller)
    await strikeUnderLoad(
      callers,
      size,
      strikes.map((strike) => () => strike(redis)),
    )
  } finally {
    await Promise.all(services.map((service) => service.stop()))
    await redis.stop()
  }
}

export const restart = (redis: RedisServer) => redis.restart()

export const standStill = (milliseconds: number) => async (redis: RedisServer) => {
  redis.pause()
  await delay(milliseconds)
  redis.resume()
}

/** One process on a file, that is killed, and whose disk fills up. */
export async function runOnSqlite(size: Size, kills: number): Promise<void> {
  const folder = temporaryFolder()
  const file = { SQLITE_PATH: join(folder.path, 'totp.sqlite') }
  let service = await startTotp(file)
  const env = { ...file, PORT: String(service.port) }
  const kill = async () => {
    await service.kill()
    service = await startTotp(env)
  }
  const fill: Strike = async (load) => {
    await service.stop()
    service = await startTotp(env, { fileBlocksMax: 1024 })
    const lost = load.lost()
    while (load.lost() < lost + 20) await delay(5)
    await service.stop()
    service = await startTotp(env)
  }
  try {
    await strikeUnderLoad([service.caller], size, [...Array.from({ length: kills }, () => kill), fill, kill])
  } finally {
    await service.stop()
    folder.remove()
  }
}
