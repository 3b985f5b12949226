import {
  askRedis,
  createFaultProxy,
  locateRedisBinary,
  redisSettings,
  startRedis,
  type FaultProxy,
  type RedisServer,
} from '@herald/testing'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { openForTest, testOptions } from './engines.fixture.ts'
import { confirmMarker } from './open-store.ts'
import type { RedisHandle } from './store-handle.ts'

const begin = Date.UTC(2026, 10, 21)

describe.skipIf(locateRedisBinary() === undefined)('the floor of a Redis store', () => {
  let server: RedisServer
  let proxy: FaultProxy
  let now: number

  beforeEach(async () => {
    now = begin
    server = await startRedis({ appendOnly: true })
    proxy = await createFaultProxy(server)
    return () => proxy.close()
  })
  afterEach(() => server.stop())

  const settings = () => redisSettings(`redis://127.0.0.1:${proxy.port}`)
  const options = () => testOptions({ now: () => now })

  async function open() {
    const handle = (await openForTest(settings(), options())) as RedisHandle
    const tellFloor = handle.script('return floorAt')
    return () => tellFloor(['key'], [])
  }

  async function attachReplica(): Promise<RedisServer> {
    await askRedis(server, (admin) => admin.config('SET', 'repl-diskless-sync-delay', '0'))
    const replica = await startRedis({ args: ['--replicaof', server.host, String(server.port)] })
    onTestFinished(replica.stop)
    const marker = () => askRedis(replica, (admin) => admin.get('totp:marker'))
    await expect.poll(marker, { timeout: 5000 }).not.toBeNull()
    return replica
  }

  async function promoteReplica(): Promise<RedisServer> {
    const replica = await attachReplica()
    await askRedis(replica, (admin) => admin.replicaof('NO', 'ONE'))
    return replica
  }

  it('is none on an empty store, nor after a connection was lost', async () => {
    const floor = await open()
    await expect(floor()).resolves.toBeNull()
    now += 1000
    proxy.cut()
    await expect.poll(() => floor().catch(String)).toBeNull()
  })

  it('is the moment at which Redis was found to have started anew', async () => {
    const floor = await open()
    await floor()
    now += 1000
    await server.restart()
    await expect.poll(() => floor().catch(String)).toBe(begin + 1000)
    now += 1000
    proxy.cut()
    await expect.poll(() => floor().catch(String)).toBe(begin + 1000)
  })

  it('is the moment at which a replica was found in the place of its master, though it has all the data', async () => {
    const floor = await open()
    await floor()
    const replica = await promoteReplica()
    now += 1000
    proxy.redirect(replica)
    proxy.cut()
    await expect.poll(() => floor().catch(String)).toBe(begin + 1000)
  })

  it('is in the answer of the first script after the change, whoever sends it', async () => {
    const floors = await Promise.all([open(), open(), open()])
    await Promise.all(floors.map((floor) => floor()))
    now += 1000
    await server.restart()
    const seen: unknown[] = []
    const ask = async () => {
      const answers = await Promise.all(floors.map((floor) => floor().catch(String)))
      seen.push(...answers)
      return answers
    }
    await expect.poll(ask).toEqual([begin + 1000, begin + 1000, begin + 1000])
    expect(seen).not.toContain(null)
  })

  it('reaches a process whose connection lasted before anything of it is settled', async () => {
    const floor = await open()
    await expect(floor()).resolves.toBeNull()
    await askRedis(server, async (admin) => {
      const marker = JSON.parse((await admin.get('totp:marker')) ?? '') as object
      await admin.set('totp:marker', JSON.stringify({ ...marker, server: 'another' }))
    })
    now += 1000
    const other = await open()
    await expect(other()).resolves.toBe(begin + 1000)
    await expect(floor()).resolves.toBe(begin + 1000)
  })

  it('comes to rest when a first replica gives the data another history under connections that last', async () => {
    const early = await open()
    await early()
    await attachReplica()
    now += 1000
    const late = await open()
    const floors = async () => {
      now += 1000
      return [await early(), await late()]
    }
    await expect(late()).resolves.toBe(begin + 1000)
    await expect(floors()).resolves.toEqual([begin + 1000, begin + 1000])
    await expect(floors()).resolves.toEqual([begin + 1000, begin + 1000])
  })

  it('comes to rest in one process when the data has another history once its replica was long gone', async () => {
    await askRedis(server, (admin) => admin.config('SET', 'repl-backlog-ttl', '1'))
    const history = () =>
      askRedis(server, async (admin) => /^master_replid:(\w+)/m.exec(await admin.info('replication'))?.[1])
    const handle = (await openForTest({ ...settings(), ackReplicas: 1 }, options())) as RedisHandle
    const quick = handle.script('return floorAt')
    const patient = handle.acknowledgedScript('return floorAt')
    const replica = await attachReplica()
    const held = () => patient(['key'], []).then(() => 'held', String)
    await expect.poll(held, { timeout: 5000 }).toBe('held')
    await quick(['key'], [])
    const before = await history()
    await replica.kill()
    // So many wait for it that their connection is given up, and a new one asks who answers.
    const waiting = Promise.allSettled(Array.from({ length: 8 }, () => patient(['key'], [])))
    await expect.poll(history, { timeout: 5000 }).not.toBe(before)
    await waiting
    const floors: unknown[] = []
    for (let round = 1; round <= 3; round++) {
      now = begin + round * 1000
      await patient(['key'], []).catch(() => undefined)
      floors.push(await quick(['key'], []))
    }
    expect(floors).toEqual([begin + 1000, begin + 1000, begin + 1000])
  })

  it('is found again on the same connection once Redis tells who it is', async () => {
    const floor = await open()
    await askRedis(server, (admin) => admin.acl('SETUSER', 'default', '-info'))
    proxy.cut()
    await expect.poll(() => floor().catch(String)).toContain('NOPERM')
    await askRedis(server, (admin) => admin.acl('SETUSER', 'default', '+info'))
    await expect(floor()).resolves.toBeNull()
  })

  it('never falls', async () => {
    const floor = await open()
    await floor()
    now += 60_000
    await server.restart()
    await expect.poll(() => floor().catch(String)).toBe(begin + 60_000)
    now = begin
    await server.restart()
    await floor().catch(String)
    await expect.poll(() => floor().catch(String)).toBe(begin + 60_000)
  })

  it('is the moment at which an operator vouched for what may have been restored', async () => {
    const floor = await open()
    await floor()
    now += 1000
    await confirmMarker(settings(), options())
    await expect(floor()).resolves.toBe(begin + 1000)
  })
})
