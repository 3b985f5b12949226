import {
  askRedis,
  createFaultProxy,
  createTestCertificates,
  locateRedisBinary,
  redisSpeaksTls,
  startRedis,
  startRedisSentinel,
  type RedisSentinel,
} from '@herald/testing'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { createRedisClient, type RedisClient } from './redis-client.ts'
import type { RedisSettings } from './store-settings.ts'

/** How long a failover may take, from the loss of the master to the first write on the next. */
const failoverMs = 10_000

describe.skipIf(locateRedisBinary() === undefined)('a client behind Sentinels', () => {
  let redis: RedisSentinel
  let logged: object[]

  beforeEach(async () => {
    logged = []
    redis = await startRedisSentinel()
  })
  afterEach(() => redis.stop())

  async function connect(settings: RedisSettings = redis.settings): Promise<RedisClient> {
    const log = (fields: object) => void logged.push(fields)
    const logger = { debug() {}, info: log, warn: log, error() {} }
    const client = createRedisClient(settings, { name: 'test', logger })
    onTestFinished(() => client.close())
    await client.connect()
    return client
  }

  const count = (client: RedisClient) => client.send('n', (connection) => connection.incr('n'))
  const tried = (client: RedisClient) => count(client).then(String, String)
  const isAnswer = /^\d+$/

  it('writes to the next master within bounded time after one died, and runs nothing twice', async () => {
    const client = await connect({ ...redis.settings, sentinels: [...redis.settings.sentinels, nowhere] })
    await count(client)
    const [first, second] = redis.servers
    await askRedis(await redis.master(), (admin) => admin.wait(1, 1000))
    await redis.killMaster()
    await expect.poll(() => tried(client), { timeout: failoverMs, interval: 20 }).toBe('2')
    expect(await redis.master()).toBe(second)
    expect(logged).toEqual([expect.objectContaining({ event: 'redis_lost' }), { event: 'redis_back' }])
    // The old master comes back and thinks that it is one still.
    await first?.restart()
    for (let n = 3; n < 50; n += 1) expect(await count(client)).toBe(n)
  })

  it('leaves a master that was replaced, though it goes on as one and is cut off from the sentinels alone', async () => {
    const client = await connect()
    await count(client)
    const [first, second] = redis.servers
    if (!first || !second) throw new Error('there is no replica')
    await askRedis(first, (admin) => admin.wait(1, 1000))
    await redis.cutOff(first)
    const portInUse = async () => (await client.masters())[0]?.stream.remotePort
    await expect.poll(portInUse, { timeout: failoverMs }).toBe(second.port)
    await expect.poll(() => tried(client)).toMatch(isAnswer)
    const answer = await count(client)
    expect(await askRedis(second, (admin) => admin.get('n'))).toBe(String(answer))
  })

  it('leaves a master that was replaced while no sentinel could be heard', async () => {
    const [sentinel] = redis.sentinels
    const [first, second] = redis.servers
    if (!sentinel || !first || !second) throw new Error('there is no replica')
    const proxy = await createFaultProxy(sentinel)
    onTestFinished(() => proxy.close())
    const client = await connect({ ...redis.settings, sentinels: [{ host: '127.0.0.1', port: proxy.port }] })
    await count(client)
    proxy.redirect(nowhere)
    proxy.cut()
    await redis.cutOff(first)
    await expect.poll(() => redis.master(), { timeout: failoverMs }).toBe(second)
    const portInUse = async () => (await client.masters())[0]?.stream.remotePort
    expect(await portInUse()).toBe(first.port)
    proxy.redirect(sentinel)
    await expect.poll(portInUse, { timeout: failoverMs }).toBe(second.port)
  })

  it('comes back when a master is announced while it is asking for it', async () => {
    const hung = await startRedis()
    onTestFinished(hung.stop)
    hung.pause()
    const client = await connect({ ...redis.settings, sentinels: [hung, ...redis.settings.sentinels] })
    await redis.killMaster()
    await expect.poll(() => tried(client), { timeout: failoverMs, interval: 20 }).toMatch(isAnswer)
  })

  it.skipIf(!redisSpeaksTls())('speaks TLS with the sentinels and with the master', async () => {
    const { ca, valid } = await createTestCertificates()
    await redis.stop()
    redis = await startRedisSentinel({ server: { tls: { ...valid, ca } } })
    const client = await connect({ ...redis.settings, tls: { ca, rejectUnauthorized: true } })
    expect(await count(client)).toBe(1)
    await redis.failover()
    await expect.poll(() => tried(client), { timeout: failoverMs }).toMatch(isAnswer)
    await expect(connect({ ...redis.settings, tls: { rejectUnauthorized: true } })).rejects.toMatchObject(
      unavailable,
    )
  })

  it('comes to the Sentinels as a user that may do what it needs and nothing else', async () => {
    const [sentinel] = redis.sentinels
    if (!sentinel) throw new Error('there is no sentinel')
    const commands = ['sentinel|get-master-addr-by-name', 'sentinel|sentinels', 'subscribe', 'client|setname']
    const rules = [
      'on',
      '>s3cret',
      'resetkeys',
      '&+switch-master',
      '-@all',
      ...commands.map((name) => `+${name}`),
    ]
    await askRedis(sentinel, async (admin) => {
      await admin.acl('SETUSER', 'asker', ...rules)
      await admin.acl('SETUSER', 'default', 'resetpass', '>another')
    })
    const own = { sentinelUsername: 'asker', sentinelPassword: { reveal: () => 's3cret' } }
    const client = await connect({ ...redis.settings, ...own })
    expect(await count(client)).toBe(1)
    const admin = { url: `redis://:another@127.0.0.1:${sentinel.port}` }
    await expect
      .poll(() => askRedis(admin, (asked) => asked.client('LIST')))
      .toMatch(/ name=test .* sub=1 .* user=asker /)
    expect(await askRedis(admin, (asked) => asked.acl('LOG'))).toEqual([])
  })

  it.each([
    ['none knows the master', { master: 'stranger' }, 'UNKNOWN_MASTER'],
    ['they refuse the password', { sentinelPassword: { reveal: () => 'wrong' } }, 'WRONGPASS'],
  ])('says so when %s', async (_, over, cause) => {
    const [sentinel] = redis.sentinels
    if (sentinel) await askRedis(sentinel, (admin) => admin.acl('SETUSER', 'default', 'resetpass', '>s3cret'))
    const right = cause === 'UNKNOWN_MASTER' ? { sentinelPassword: { reveal: () => 's3cret' } } : {}
    await expect(connect({ ...redis.settings, ...right, ...over })).rejects.toMatchObject({
      ...unavailable,
      message: `Redis cannot be reached: ${cause}`,
    })
  })
})

const unavailable = { code: 'STORE_UNAVAILABLE' }
const nowhere = { host: '127.0.0.1', port: 1 }
