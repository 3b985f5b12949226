import {
  askRedis,
  locateRedisBinary,
  startRedisCluster,
  type RedisCluster,
  type RedisServer,
} from '@herald/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openForTest, testOptions } from './engines.fixture.ts'
import { confirmMarker } from './open-store.ts'
import { slotCount, slotOf, tagOf } from './redis-slots.ts'
import type { RedisHandle } from './store-handle.ts'

const unavailable = { code: 'STORE_UNAVAILABLE' }
const begin = Date.UTC(2026, 10, 21)
const keys = Array.from({ length: 64 }, (_, n) => `totp:{${n}}:n`)

it('has a tag for every slot', () => {
  const tags = Array.from({ length: slotCount }, (_, slot) => tagOf(slot))
  expect(tags.map((tag) => slotOf(`totp:{${tag}}:marker`))).toEqual(tags.map((_, slot) => slot))
})

describe.skipIf(locateRedisBinary() === undefined)('a store on a Cluster', () => {
  let cluster: RedisCluster
  let now: number

  beforeAll(async () => {
    cluster = await startRedisCluster()
  })
  beforeEach(() => (now = begin))
  afterEach(() => onEach((server) => askRedis(server, (admin) => admin.flushall())))
  afterAll(() => cluster.stop())

  const onEach = (work: (server: RedisServer) => Promise<unknown>) => Promise.all(cluster.servers.map(work))
  const options = () => testOptions({ now: () => now })
  const open = async () => (await openForTest(cluster.settings, options())) as RedisHandle

  async function openCounter() {
    const handle = await open()
    const script = handle.script(`return redis.call('INCR', KEYS[1])`)
    return { handle, count: (key: string) => script([key], []) }
  }

  it('runs its scripts on every master, each beside a marker in its slot', async () => {
    const { count } = await openCounter()
    await expect(Promise.all(keys.map(count))).resolves.toEqual(keys.map(() => 1))
    const sizes = await onEach((server) => askRedis(server, (admin) => admin.dbsize()))
    expect(sizes.reduce<number>((sum, size) => sum + Number(size), 0)).toBe(slotCount + 1 + keys.length)
  })

  it('lets parallel first starts agree, and a later one finish what one of them left unfinished', async () => {
    const handles = await Promise.all([open(), open(), open()])
    await Promise.all(handles.map((handle) => handle.ping()))
    const root = await cluster.masterOf('totp:marker')
    const marker = JSON.parse((await askRedis(root, (admin) => admin.get('totp:marker'))) ?? '') as object
    await onEach((server) => askRedis(server, (admin) => admin.flushall()))
    const unfinished = JSON.stringify({ ...marker, complete: false })
    await askRedis(root, (admin) => admin.set('totp:marker', unfinished))
    const { count } = await openCounter()
    await Promise.all(keys.map(count))
    await expect(askRedis(root, (admin) => admin.get('totp:marker'))).resolves.not.toContain('complete')
  })

  it('is unavailable where a master came back empty, and nowhere else, until that is confirmed', async () => {
    const { handle, count } = await openCounter()
    await Promise.all(keys.map(count))
    const [victim] = cluster.servers
    if (!victim) throw new Error('there is no master')
    const owners = await Promise.all(keys.map((key) => cluster.masterOf(key)))
    await askRedis(victim, (admin) => admin.flushall())
    const answers = await Promise.allSettled(keys.map(count))
    for (const [index, answer] of answers.entries()) {
      if (owners[index] === victim) expect(answer).toMatchObject({ reason: unavailable })
      else expect(answer).toMatchObject({ value: 2 })
    }
    await expect(handle.ping()).rejects.toMatchObject(unavailable)
    await expect(handle.runMarked(async () => 'nothing there')).rejects.toMatchObject(unavailable)
    await expect(askRedis(victim, (admin) => admin.dbsize())).resolves.toBe(0)
    now += 1000
    await confirmMarker(cluster.settings, options())
    await expect(handle.ping()).resolves.toBeUndefined()
    await expect(Promise.all(keys.map(count))).resolves.toEqual(
      owners.map((owner) => (owner === victim ? 1 : 3)),
    )
  })

  it('refuses a start where the master of the first marker came back empty', async () => {
    await open()
    const root = await cluster.masterOf('totp:marker')
    await askRedis(root, (admin) => admin.flushall())
    await expect(open()).rejects.toMatchObject({ code: 'STORE_REFUSED' })
  })

  it('goes on where a slot went, with a floor there and nowhere else', async () => {
    const [moved, other] = ['totp:{moved}:n', 'totp:{other}:n']
    const { handle, count } = await openCounter()
    const tellFloor = handle.script('return floorAt')
    await Promise.all([count(moved), count(other)])
    const from = await cluster.masterOf(moved)
    const to = cluster.servers.find((server) => server !== from)
    if (!to) throw new Error('there is one master')
    now += 1000
    const during: unknown[] = []
    await cluster.moveSlot(moved, to, async () => void during.push(await count(moved).catch(() => undefined)))
    await expect.poll(() => count(moved).catch(() => undefined)).toEqual(expect.any(Number))
    const landed = during.filter((answer) => answer !== undefined)
    expect(await count(moved)).toBe(landed.length + 3)
    await expect(tellFloor([moved], [])).resolves.toBe(now)
    await expect(tellFloor([other], [])).resolves.toBeNull()
  })
})
