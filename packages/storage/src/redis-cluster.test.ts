import { askRedis, locateRedisBinary, startRedisCluster, type RedisCluster } from '@herald/testing'
import type { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { createRedisClient, type RedisClient } from './redis-client.ts'
import { slotOf } from './redis-slots.ts'
import type { StoreLogger } from './store-settings.ts'

const silent: StoreLogger = { debug() {}, info() {}, warn() {}, error() {} }

/** How long any answer may take when a master gives none. */
const boundMs = 1500

describe.skipIf(locateRedisBinary() === undefined)('a client of a Cluster', () => {
  let cluster: RedisCluster
  let client: RedisClient
  let logged: object[]

  async function connect(nodes = cluster.nodes): Promise<RedisClient> {
    logged = []
    const log = (fields: object) => void logged.push(fields)
    const deps = { name: 'test', logger: { ...silent, warn: log, info: log } }
    const made = createRedisClient({ ...cluster.settings, nodes }, deps)
    await made.connect()
    return made
  }

  const count = (key: string) => client.send(key, (connection) => connection.incr(key))
  const keys = Array.from({ length: 64 }, (_, n) => `n:{${n}}`)

  beforeAll(async () => {
    cluster = await startRedisCluster()
  })
  beforeEach(async () => {
    client = await connect()
  })
  afterEach(async () => {
    await client.close()
    await Promise.all(cluster.servers.map((one) => askRedis(one, (admin) => admin.flushall())))
  })
  afterAll(() => cluster.stop())

  it('sends each key to the master that serves it', async () => {
    await Promise.all(keys.map(count))
    const held = await Promise.all(cluster.servers.map((one) => askRedis(one, (admin) => admin.dbsize())))
    expect(held.every((size) => size > 0)).toBe(true)
    expect(held.reduce((sum, size) => sum + size)).toBe(keys.length)
  })

  it('agrees with Redis about the slot of a key', async () => {
    const [server] = cluster.servers
    for (const key of ['', 'a', '{a}b', 'a{b}c{d}', 'a{}{b}', '{{a}}', 'ключ{ä}', 'a{b'])
      expect(slotOf(key)).toBe(server && (await askRedis(server, (admin) => admin.cluster('KEYSLOT', key))))
  })

  it('runs a command once, wherever its slot is while it moves', async () => {
    const key = 'n:{moving}'
    const others = Array.from({ length: 20 }, (_, n) => `${n}:{moving}`)
    await Promise.all([key, ...others].map(count))
    const from = await cluster.masterOf(key)
    const to = cluster.servers.find((server) => server !== from)
    if (!to) throw new Error('there is one master')
    let counted = 1
    await cluster.moveSlot(key, to, async () => {
      expect(await count(key)).toBe(++counted)
      expect(await count(`new${counted}:{moving}`)).toBe(1)
    })
    expect(counted).toBeGreaterThan(others.length)
    await Promise.all(Array.from({ length: 8 }, () => count(key)))
    expect(await count(key)).toBe(counted + 9)
  })

  it('runs what needs several keys once, and only when they are together', async () => {
    const [one, other] = ['a:{moving}', 'b:{moving}']
    const lua = `redis.call('INCR', KEYS[1]) return redis.call('INCR', KEYS[2])`
    const both = () => client.send(one, (connection) => connection.eval(lua, 2, one, other))
    expect(await both()).toBe(1)
    const from = await cluster.masterOf(one)
    const to = cluster.servers.find((server) => server !== from)
    if (!to) throw new Error('there is one master')
    const under: Promise<unknown>[] = []
    await cluster.moveSlot(one, to, async () => void under.push(both()))
    const answers = await Promise.all(under)
    expect(new Set(answers)).toEqual(new Set(answers.map((_, index) => index + 2)))
  })

  it('runs no command again for the redirection of another one, when a reply was left out', async () => {
    const [one, other] = ['a:{moving}', 'b:{moving}']
    const lua = `redis.call('INCR', KEYS[1]) return redis.call('INCR', KEYS[2])`
    await count(one)
    const from = await cluster.masterOf(one)
    const to = cluster.servers.find((server) => server !== from)
    if (!to) throw new Error('there is one master')
    let strikes = 0
    await cluster.moveSlot(one, to, async () => {
      if (strikes++ > 0) return
      await client.send(one, async (connection) => connection.stream.write('CLIENT REPLY SKIP\r\n'))
      const lost = count(one)
      const redirected = client.send(one, (connection) => connection.eval(lua, 2, one, other))
      await expect(lost).rejects.toThrow()
      await redirected.catch(() => {})
      await expect(askRedis(from, (admin) => admin.get(one))).resolves.toBe('2')
    })
    expect(strikes).toBeGreaterThan(0)
  })

  it('looks for a slot that nobody serves, until somebody does', async () => {
    const key = 'n:{nowhere}'
    const owner = await cluster.masterOf(key)
    const onEach = (...command: [string, ...(string | number)[]]) =>
      Promise.all(cluster.servers.map((one) => askRedis(one, (admin) => admin.call(...command))))
    const tried = () => count(key).then(String, String)
    await onEach('CONFIG', 'SET', 'cluster-require-full-coverage', 'no')
    onTestFinished(() => onEach('CONFIG', 'SET', 'cluster-require-full-coverage', 'yes').then(() => {}))
    await onEach('CLUSTER', 'DELSLOTS', slotOf(key))
    await expect.poll(tried).toContain('CLUSTERDOWN')
    await expect.poll(tried).toContain('no master serves the slot')
    await askRedis(owner, (admin) => admin.cluster('ADDSLOTS', slotOf(key)))
    await expect.poll(tried, { timeout: 5000 }).toBe('1')
    await expect.poll(() => cluster.masterOf(key).catch(() => undefined), { timeout: 5000 }).toBe(owner)
  })

  it('starts when some of the nodes that it was told are gone for good', async () => {
    const gone = { host: '127.0.0.1', port: 1 }
    await client.close()
    client = await connect([gone, ...cluster.nodes.slice(0, 1)])
    await Promise.all(keys.map(count))
    expect(logged).toEqual([])
  })

  it('gives a connection to every master, and tells of each when it is made', async () => {
    const made: Redis[] = []
    const other = createRedisClient(cluster.settings, {
      name: 'test',
      logger: silent,
      onConnection: (connection) => made.push(connection),
    })
    onTestFinished(() => other.close())
    await other.connect()
    const masters = await other.masters()
    expect(new Set(masters)).toEqual(new Set(made))
    expect(new Set(masters.map(({ options }) => options.port))).toEqual(
      new Set(cluster.servers.map(({ port }) => port)),
    )
  })

  it('fails in bounded time what a master serves that hangs or is gone, serves the rest, and comes back to it', async () => {
    const [victim] = cluster.servers
    if (!victim) throw new Error('there is no master')
    const owners = await Promise.all(keys.map((key) => cluster.masterOf(key)))
    for (const damage of [async () => victim.pause(), () => victim.kill()]) {
      await damage()
      const started = performance.now()
      const answers = await Promise.allSettled(keys.map(count))
      expect(performance.now() - started).toBeLessThan(boundMs)
      for (const [index, { status }] of answers.entries())
        if (owners[index] === victim) expect(status).toBe('rejected')
    }
    expect(logged).toEqual([expect.objectContaining({ event: 'redis_lost' })])
    await victim.restart()
    const tried = () => Promise.all(keys.map((key) => count(key).then(() => 'ran', String)))
    await expect.poll(async () => new Set(await tried()), { timeout: 10_000 }).toEqual(new Set(['ran']))
    await expect.poll(() => logged).toEqual([expect.anything(), { event: 'redis_back' }])
  })
})
