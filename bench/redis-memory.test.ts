import { expect, it } from 'vitest'
import { removeKeys, startRedis } from '../packages/testing/src/index.ts'
import { redisWork } from './counters.ts'
import { seedStore } from './seed.ts'
import { totpEnv } from './totp.ts'

it('keeps a subject with ten backup codes in less than 1.5 KB of Redis', async () => {
  const redis = await startRedis()
  async function memoryWith(db: number, subjects: number): Promise<number> {
    await seedStore({ ...totpEnv, REDIS_ADDR: `127.0.0.1:${redis.port}`, REDIS_DB: String(db) }, subjects)
    // The limits on starts, which are gone a minute later.
    await removeKeys(`${redis.url}/${db}`, 'totp:*:starts')
    return (await redisWork(redis.port)).memoryBytes
  }
  try {
    // The first ones bring what Redis needs once, such as the scripts.
    const before = await memoryWith(0, 500)
    const after = await memoryWith(1, 2500)
    expect((after - before) / 2500).toBeLessThan(1500)
  } finally {
    await redis.stop()
  }
})
