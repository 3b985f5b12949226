import { askRedis, locateRedisBinary, redisSettings, startRedis, type RedisServer } from '@herald/testing'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { openForTest, testOptions } from './engines.fixture.ts'
import { acknowledgedScript } from './redis-acknowledgement.ts'
import type { RedisHandle } from './store-handle.ts'

const unavailable = { code: 'STORE_UNAVAILABLE' }
const countLua = `return redis.call('INCR', KEYS[1])`

/** How long any answer may take. */
const boundMs = 2000

describe.skipIf(locateRedisBinary() === undefined)('a script that replicas acknowledge', () => {
  let master: RedisServer
  let replica: RedisServer

  beforeEach(async () => {
    master = await startRedis({ args: ['--repl-diskless-sync-delay', '0'] })
    replica = await startRedis({ args: ['--replicaof', master.host, String(master.port)] })
    const holders = () =>
      askRedis(master, async (admin) => {
        await admin.set('first', 'write')
        return admin.wait(1, 1000)
      })
    await expect.poll(holders, { timeout: 5000 }).toBe(1)
    return async () => {
      replica.resume()
      await Promise.all([master.stop(), replica.stop()])
    }
  })

  const open = async (ackReplicas: number): Promise<RedisHandle> =>
    (await openForTest({ ...redisSettings(master.url), ackReplicas }, testOptions())) as RedisHandle
  const held = (key: string) => askRedis(replica, (admin) => admin.get(key))

  it('is answered when a replica holds what it wrote', async () => {
    const count = (await open(1)).acknowledgedScript(countLua)
    let answered = 0
    for (let call = 0; call < 20; call++) {
      const n = await count(['n'], []).catch(() => undefined)
      if (n === undefined) continue
      answered++
      await expect(held('n')).resolves.toBe(String(Number(n)))
    }
    expect(answered).toBeGreaterThan(0)
  })

  it('is unavailable in bounded time while too few replicas answer, though it may have landed', async () => {
    const count = (await open(1)).acknowledgedScript(countLua)
    await count(['n'], []).catch(() => undefined)
    replica.pause()
    const started = performance.now()
    const answers = await Promise.allSettled(Array.from({ length: 16 }, () => count(['n'], [])))
    expect(performance.now() - started).toBeLessThan(boundMs)
    for (const answer of answers) expect(answer).toMatchObject({ reason: unavailable })
    const landed = Number(await askRedis(master, (admin) => admin.get('n')))
    expect(landed).toBeGreaterThan(0)
    expect(landed).toBeLessThanOrEqual(17)
    replica.resume()
    await expect.poll(() => count(['n'], []).catch(String), { timeout: 5000 }).toEqual(expect.any(Number))
  })

  it('holds up no other script', async () => {
    const handle = await open(1)
    const [slow, quick] = [handle.acknowledgedScript(countLua), handle.script(countLua)]
    await Promise.allSettled([slow(['n'], []), quick(['m'], [])])
    replica.pause()
    const waiting = slow(['n'], []).catch(() => 'refused')
    const first = await Promise.race([waiting, quick(['m'], [])])
    expect(first).toBe(2)
    await waiting
  })

  it('leaves the store ready for all others, however many wait for a replica that is gone', async () => {
    const handle = await open(1)
    const count = handle.acknowledgedScript(countLua)
    await count(['n'], []).catch(() => undefined)
    replica.pause()
    const waiting = Promise.allSettled(Array.from({ length: 16 }, () => count(['n'], [])))
    let isWaiting = true
    void waiting.then(() => (isWaiting = false))
    do {
      await expect(handle.ping()).resolves.toBeUndefined()
      await expect(handle.runMarked(async () => 'read')).resolves.toBe('read')
    } while (isWaiting)
  })

  it('waits also when an earlier call wrote everything, and that one was not acknowledged', async () => {
    const remove = (await open(1)).acknowledgedScript(`return redis.call('DEL', KEYS[1])`)
    await askRedis(master, (admin) => admin.set('n', '1'))
    await expect.poll(() => held('n')).toBe('1')
    replica.pause()
    await expect(remove(['n'], [])).rejects.toMatchObject(unavailable)
    // Another process finds nothing left to do.
    const again = (await open(1)).acknowledgedScript(`return redis.call('DEL', KEYS[1])`)
    await expect(again(['n'], [])).rejects.toMatchObject(unavailable)
    replica.resume()
    await expect.poll(() => again(['n'], []).catch(String), { timeout: 5000 }).toBe(0)
    await expect(held('n')).resolves.toBeNull()
  })

  it('waits for nobody when no replica is asked for', async () => {
    const count = (await open(0)).acknowledgedScript(countLua)
    await replica.kill()
    await expect(count(['n'], [])).resolves.toBe(1)
  })
})

it('repeats no reply in its error that is no number of replicas', async () => {
  const call = () => Promise.resolve('answer')
  const link = { memory: vi.fn(), giveUp: vi.fn(), send: () => Promise.resolve('a-sealed-box') }
  const script = acknowledgedScript({ bare: () => call, marked: () => call, written: () => call }, '', 1)
  await expect(script(link, [], [])).rejects.toMatchObject({
    ...unavailable,
    message: 'too few replicas of Redis hold what was written: unknown',
  })
})
