import { expect, it } from 'vitest'
import { removeKeys, startRedis } from '../packages/testing/src/index.ts'
import { redisWork } from './counters.ts'
import { seedStore } from './seed.ts'
import { totpEnv } from './totp.ts'

const subjects = 1500

it('keeps a subject with ten backup codes in less than 1.5 KB of Redis', async () => {
  const redis = await startRedis()
  try {
    const env = { ...totpEnv, REDIS_ADDR: `127.0.0.1:${redis.port}` }
    // What Redis needs once, such as the scripts.
    await seedStore({ ...env, REDIS_DB: '1' }, 100)
    const before = await redisWork(redis.port)
    await seedStore(env, subjects)
    // The limit on starts, which is gone a minute later.
    await removeKeys(redis.url, 'totp:*:starts')
    const after = await redisWork(redis.port)
    expect((after.memoryBytes - before.memoryBytes) / subjects).toBeLessThan(1500)
  } finally {
    await redis.stop()
  }
})
