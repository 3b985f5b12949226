import {
  askRedis,
  createTestCertificates,
  locateRedisBinary,
  redisSettings,
  redisSpeaksTls,
  startRedis,
  startRedisSentinel,
} from '@herald/testing'
import { describe, expect, it, onTestFinished } from 'vitest'
import { probeRedis } from './probe-redis.ts'
import { createRedisClient } from './redis-client.ts'
import type { RedisSettings } from './store-settings.ts'

const silent = { debug() {}, info() {}, warn() {}, error() {} }

async function findingsOf(settings: RedisSettings) {
  const client = createRedisClient(settings, { name: 'test', logger: silent })
  onTestFinished(() => client.close())
  await client.connect()
  const findings = await probeRedis(client, silent)
  return findings.filter((finding) => finding !== undefined)
}

const codesOf = async (settings: RedisSettings) =>
  (await findingsOf(settings)).map(({ code, variable }) => `${code} ${variable}`)

describe.skipIf(locateRedisBinary() === undefined)('what Redis lets see of itself', () => {
  it('names servers and Sentinels that answer without a password, and where they are', async () => {
    const redis = await startRedisSentinel({ server: { appendOnly: true } })
    onTestFinished(redis.stop)
    expect(await findingsOf(redis.settings)).toMatchObject([
      { code: 'REDIS_NOAUTH', variable: 'REDIS_PASSWORD', hosts: ['127.0.0.1'] },
      { code: 'REDIS_NOAUTH', variable: 'REDIS_SENTINEL_PASSWORD', hosts: ['127.0.0.1'] },
      { code: 'REDIS_PLAINTEXT', variable: 'REDIS_SENTINELS', hosts: ['127.0.0.1'] },
    ])
  })

  it('warns of replicas that are not waited for, and of waiting for more than there are', async () => {
    const redis = await startRedisSentinel({ server: { appendOnly: true } })
    onTestFinished(redis.stop)
    const settle = (ackReplicas: number) => codesOf({ ...redis.settings, ackReplicas })
    expect(await settle(1)).not.toContain('REDIS_NOT_DURABLE REDIS_ACK_REPLICAS')
    for (const ackReplicas of [0, 2])
      expect(await settle(ackReplicas)).toContain('REDIS_NOT_DURABLE REDIS_ACK_REPLICAS')
  })

  it('sees as a user without rights to the configuration what it may, and takes the rest for right', async () => {
    const server = await startRedis({ args: ['--maxmemory-policy', 'allkeys-lru'] })
    onTestFinished(server.stop)
    await askRedis(server, async (admin) => {
      await admin.acl('SETUSER', 'herald', 'on', '>s3cret', '~*', '+@all', '-config')
      await admin.config('SET', 'requirepass', 'another')
    })
    const settings = {
      ...redisSettings(server.url),
      username: 'herald',
      password: { reveal: () => 's3cret' },
    }
    expect(await codesOf(settings)).toEqual(['REDIS_EVICTION REDIS_ADDR'])
  })

  it.skipIf(!redisSpeaksTls())(
    'finds an open server behind a certificate that it does not know',
    async () => {
      const { ca, unknownAuthority } = await createTestCertificates()
      const server = await startRedis({ appendOnly: true, tls: { ...unknownAuthority, ca } })
      onTestFinished(server.stop)
      const settings = { ...redisSettings(server.url), tls: { ca, rejectUnauthorized: false } }
      expect(await codesOf(settings)).toEqual(['REDIS_NOAUTH REDIS_PASSWORD'])
    },
  )
})
