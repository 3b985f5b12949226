import { createFaultProxy, runService, startRedis } from '@herald/testing'
import { Redis } from 'ioredis'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { baseEnv, startTotp, tally, temporaryFolder, type Answer, type Caller } from './service-harness.ts'

const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

const subjects = Array.from({ length: 16 }, (_, n) => `subject-${n}`)

/** One unused code for each subject, good for the next 30 s at least. */
async function enrolAll(caller: Caller): Promise<Map<string, string>> {
  const codes = new Map<string, string>()
  for (const subject of subjects) codes.set(subject, (await caller.enrol(subject)).code(1))
  return codes
}

const failed: Answer = { status: 0, body: { reason: 'no answer' }, text: '' }

/** Offers every code again and again until `isOver`, and collects the answers by subject. */
function offer(codes: ReadonlyMap<string, string>, caller: () => Caller) {
  const answers = new Map(subjects.map((subject) => [subject, [] as Answer[]]))
  let over = false
  const working = subjects.map(async (subject) => {
    while (!over)
      answers.get(subject)!.push(
        await caller()
          .verify(subject, codes.get(subject)!)
          .catch(() => failed),
      )
  })
  return {
    answers,
    async until(isSeen: (all: Answer[]) => boolean) {
      while (!isSeen([...answers.values()].flat())) await shortly()
    },
    async end() {
      over = true
      await Promise.all(working)
    },
  }
}

const shortly = () => delay(5)
/** Codes of the moment that were not used before are neither accepted nor refused for good. */
const isFloored = ({ status, body }: Answer) => status === 503 && body['retry_after_seconds'] !== undefined
const latestSettled = (answers: ReadonlyMap<string, Answer[]>) =>
  [...answers.values()].every((all) => {
    const latest = all.at(-1)
    return latest !== undefined && ([200, 400].includes(latest.status) || isFloored(latest))
  })
const accepted = (answers: readonly Answer[]) => answers.filter(({ status }) => status === 200).length

describe('a store that dies under load', () => {
  it('is 503 or a truthful refusal, and no code is accepted twice once Redis is back', async () => {
    const redis = await startRedis({ appendOnly: true })
    cleanups.push(redis.stop)
    const service = await startTotp({ REDIS_ADDR: `127.0.0.1:${redis.port}` })
    cleanups.push(service.stop)
    const load = offer(await enrolAll(service.caller), () => service.caller)
    await load.until((all) => accepted(all) > 0)
    await redis.kill()
    await load.until((all) => all.some(({ status }) => status === 503))
    await redis.restart()
    await load.until(() => latestSettled(load.answers))
    await load.end()
    for (const answers of load.answers.values()) expect(accepted(answers)).toBeLessThanOrEqual(1)
    const statuses = Object.keys(tally([...load.answers.values()].flat()))
    expect(['200', '400 replay', '503 unavailable']).toEqual(expect.arrayContaining(statuses))
  })

  it('accepts no code twice after the process on SQLite was killed', async () => {
    const folder = temporaryFolder()
    cleanups.push(folder.remove)
    const env = { SQLITE_PATH: join(folder.path, 'totp.sqlite') }
    let service = await startTotp(env)
    cleanups.push(() => service.stop())
    const load = offer(await enrolAll(service.caller), () => service.caller)
    await load.until((all) => accepted(all) > 0)
    await service.kill()
    service = await startTotp(env)
    await load.until(() => latestSettled(load.answers))
    await load.end()
    for (const answers of load.answers.values()) expect(accepted(answers)).toBeLessThanOrEqual(1)
  })

  it('answers livez, and neither readyz nor healthz', async () => {
    const redis = await startRedis()
    cleanups.push(redis.stop)
    const service = await startTotp({ REDIS_ADDR: `127.0.0.1:${redis.port}` })
    cleanups.push(service.stop)
    await redis.kill()
    const statuses = []
    for (const path of ['/livez', '/healthz', '/readyz', '/v1/status?subject=a'])
      statuses.push((await service.caller.get(path)).status)
    expect(statuses).toEqual([200, 503, 503, 503])
  })
})

describe('a store that answers and refuses every write', () => {
  const probes = (caller: Caller) =>
    Promise.all(['/livez', '/healthz', '/readyz'].map(async (path) => (await caller.get(path)).status))
  const becomes = (caller: Caller, statuses: number[]) =>
    expect.poll(() => probes(caller), { timeout: 5000 }).toEqual(statuses)

  async function expectOutOfTraffic(caller: Caller, damage: () => unknown, repair: () => unknown) {
    await becomes(caller, [200, 200, 200])
    await damage()
    await becomes(caller, [200, 503, 503])
    await repair()
    await becomes(caller, [200, 200, 200])
  }

  it.each<[string, (admin: Redis) => unknown, (admin: Redis) => unknown]>([
    [
      'at its maxmemory',
      (admin) => admin.config('SET', 'maxmemory', '1'),
      (admin) => admin.config('SET', 'maxmemory', '0'),
    ],
    [
      'as a read-only replica',
      (admin) => admin.replicaof('127.0.0.1', 1),
      (admin) => admin.replicaof('NO', 'ONE'),
    ],
  ])('is alive and not ready: a Redis %s', async (_, damage, repair) => {
    const redis = await startRedis()
    cleanups.push(redis.stop)
    const admin = new Redis(redis.url)
    cleanups.push(() => admin.disconnect())
    const service = await startTotp({ REDIS_ADDR: `127.0.0.1:${redis.port}` })
    cleanups.push(service.stop)
    await expectOutOfTraffic(
      service.caller,
      () => damage(admin),
      () => repair(admin),
    )
  })

  it('is alive and not ready: a SQLite file that another process holds', async () => {
    const folder = temporaryFolder()
    cleanups.push(folder.remove)
    const path = join(folder.path, 'totp.sqlite')
    const service = await startTotp({ SQLITE_PATH: path })
    cleanups.push(service.stop)
    const other = new DatabaseSync(path)
    cleanups.push(() => other.close())
    await expectOutOfTraffic(
      service.caller,
      () => other.exec('BEGIN IMMEDIATE'),
      () => other.exec('ROLLBACK'),
    )
  })
})

describe('a store that is no longer ours', () => {
  async function expectRefusals(caller: Caller) {
    const answers = [
      await caller.status('alice'),
      await caller.status('nobody'),
      await caller.verify('alice', '123456'),
      await caller.post('/v1/enroll/start', { subject: 'alice' }),
      await caller.post('/v1/revoke', { subject: 'alice' }),
    ]
    expect(tally(answers)).toEqual({ '503 unavailable': 5 })
    for (const { text } of answers) expect(text).not.toContain('totp_enabled')
    expect((await caller.get('/readyz')).status).toBe(503)
  }

  it('is 503 when it was emptied, until an operator confirms it', async () => {
    const redis = await startRedis()
    cleanups.push(redis.stop)
    const env = { REDIS_ADDR: `127.0.0.1:${redis.port}` }
    const service = await startTotp(env)
    cleanups.push(service.stop)
    await service.caller.enrol('alice')
    const client = new Redis(redis.url)
    await client.flushall()
    client.disconnect()
    await expectRefusals(service.caller)
    const { code } = await runService('herald-totp', ['store', 'confirm'], { ...baseEnv, ...env })
    expect(code).toBe(0)
    expect((await service.caller.status('alice')).body['totp_enabled']).toBe(false)
  })

  it('is 503 when another one stands at its address', async () => {
    const [ours, other] = [await startRedis(), await startRedis()]
    cleanups.push(ours.stop, other.stop)
    const proxy = await createFaultProxy(ours)
    cleanups.push(proxy.close)
    await (await startTotp({ REDIS_ADDR: `127.0.0.1:${other.port}` })).stop()
    const service = await startTotp({ REDIS_ADDR: `127.0.0.1:${proxy.port}` })
    cleanups.push(service.stop)
    await service.caller.enrol('alice')
    proxy.redirect(other)
    proxy.cut()
    await expectRefusals(service.caller)
    proxy.redirect(ours)
    proxy.cut()
    while ((await service.caller.get('/readyz')).status !== 200) await shortly()
    expect((await service.caller.status('alice')).body['totp_enabled']).toBe(true)
  })

  it('is 503 when its file was removed', async () => {
    const folder = temporaryFolder()
    cleanups.push(folder.remove)
    const service = await startTotp({ SQLITE_PATH: join(folder.path, 'totp.sqlite') })
    cleanups.push(service.stop)
    await service.caller.enrol('alice')
    for (const suffix of ['', '-wal', '-shm'])
      rmSync(join(folder.path, `totp.sqlite${suffix}`), { force: true })
    await expectRefusals(service.caller)
  })
})
