import {
  createFaultProxy,
  locateRedisBinary,
  redisSettings,
  startRedis,
  type FaultProxy,
  type RedisServer,
} from '@herald/testing'
import { Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import type { OpenTotpStore } from './open-totp-store.ts'
import { subjectTag } from './subject-tag.ts'
import {
  enrol,
  newEnrollment,
  openedBy,
  start,
  stepAt,
  verdictOf,
  type TestStore,
} from './totp-store.fixture.ts'

const unavailable = { code: 'STORE_UNAVAILABLE' }
const nextStep = start + 30_000

describe.skipIf(locateRedisBinary() === undefined)('the store on a failing Redis', () => {
  let server: RedisServer
  let proxy: FaultProxy
  let testStore: Pick<TestStore, 'open' | 'confirm'>
  let store: OpenTotpStore

  beforeEach(async () => {
    server = await startRedis({ appendOnly: true })
    proxy = await createFaultProxy(server)
    testStore = openedBy(redisSettings(`redis://127.0.0.1:${proxy.port}`))
  })

  afterEach(async () => {
    await proxy.close()
    await server.stop()
  })

  async function open(): Promise<OpenTotpStore> {
    store = await testStore.open()
    return store
  }

  const back = () =>
    expect
      .poll(
        () =>
          store.ping().then(
            () => 'back',
            () => 'away',
          ),
        { timeout: 5000 },
      )
      .toBe('back')

  it('needs two commands for a verify, and three calls inside the second', async () => {
    const { credentialId } = await enrol(await open(), 'alice')
    const admin = new Redis(server.port)
    const verify = async (now: number) => {
      const record = await store.findSubject('alice')
      const verdict = verdictOf(credentialId, stepAt(now))
      const verification = { subject: 'alice', version: record!.version, verdict, now }
      return store.settleVerification(verification)
    }
    await verify(nextStep)
    await admin.config('RESETSTAT')
    await expect(verify(nextStep + 30_000)).resolves.toMatchObject({ outcome: 'accepted' })
    const calls = [...(await admin.info('commandstats')).matchAll(/^cmdstat_(\w+):calls=(\d+)/gm)]
    admin.disconnect()
    expect(Object.fromEntries(calls.map(([, name, count]) => [name, Number(count)]))).toMatchObject({
      hgetall: 1,
      evalsha: 1,
      get: 1,
      hmget: 1,
      hset: 1,
    })
    expect(calls.filter(([, name]) => name !== 'config')).toHaveLength(5)
  })

  it('consumes a code once when the reply is lost, and does not accept it again', async () => {
    const { use, useSlot } = await enrol(await open(), 'alice')
    proxy.swallowReplies(1)
    await expect(use(stepAt(nextStep), nextStep)).rejects.toMatchObject(unavailable)
    await back()
    await expect(use(stepAt(nextStep), nextStep)).resolves.toEqual({ outcome: 'replayed' })
    proxy.swallowReplies(1)
    await expect(useSlot(0, nextStep)).rejects.toMatchObject(unavailable)
    await back()
    await expect(useSlot(1, nextStep)).resolves.toEqual({ outcome: 'accepted', backupCodesRemaining: 8 })
  })

  it('counts a failure once when the reply is lost', async () => {
    const { guess } = await enrol(await open(), 'alice')
    proxy.swallowReplies(1)
    await expect(guess('totp', start)).rejects.toMatchObject(unavailable)
    await back()
    for (let left = 0; left < 4; left++)
      await expect(guess('totp', start)).resolves.toEqual({ outcome: 'wrong' })
    await expect(guess('totp', start)).resolves.toMatchObject({ outcome: 'locked' })
  })

  it('accepts nothing again that it accepted before Redis was killed under load', async () => {
    const { use, useSlot } = await enrol(await open(), 'alice')
    const first = stepAt(nextStep)
    const accepted: number[] = []
    const load = async (): Promise<void> => {
      for (let step = first; ; step++) {
        const { outcome } = await use(step, nextStep)
        if (outcome === 'accepted') accepted.push(step)
        if (accepted.length === 20) void server.kill()
      }
    }
    await useSlot(0, nextStep)
    await expect(load()).rejects.toMatchObject(unavailable)
    await server.restart()
    await back()
    expect(accepted.length).toBeGreaterThanOrEqual(20)
    for (const step of accepted) await expect(use(step, nextStep)).resolves.toEqual({ outcome: 'replayed' })
    await expect(useSlot(0, nextStep)).resolves.toEqual({ outcome: 'replayed' })
  })

  it('never says that a subject is not enrolled when another server took the place of its own', async () => {
    await enrol(await open(), 'alice')
    const stranger = await startRedis()
    onTestFinished(stranger.stop)
    proxy.redirect(stranger)
    proxy.cut()
    const seen: unknown[] = []
    const ask = async () => {
      seen.push(
        await store.findSubject('alice').catch(String),
        await store.status('alice', start).catch(String),
      )
      return seen.at(-1)
    }
    await expect.poll(ask).toContain('marker is missing')
    expect(seen).not.toContain(undefined)
    proxy.redirect(server)
    proxy.cut()
    await back()
    await expect(store.findSubject('alice')).resolves.toBeDefined()
  })

  it('notices at once that everything was flushed under a live connection', async () => {
    const { use } = await enrol(await open(), 'alice')
    const admin = new Redis(server.port)
    await admin.flushall()
    admin.disconnect()
    await expect(use(stepAt(nextStep), nextStep)).rejects.toMatchObject(unavailable)
    await expect(store.status('alice', start)).rejects.toMatchObject(unavailable)
  })

  it('is unavailable when the record of used steps is gone', async () => {
    const { use, useSlot } = await enrol(await open(), 'alice')
    const admin = new Redis(server.port)
    await admin.del(await admin.keys('*:used'))
    admin.disconnect()
    await expect(use(stepAt(nextStep), nextStep)).rejects.toMatchObject(unavailable)
    await expect(useSlot(0, nextStep)).rejects.toMatchObject(unavailable)
  })

  it('does not take a subject for a new one whose record alone is gone, until it is revoked', async () => {
    await enrol(await open(), 'alice')
    const admin = new Redis(server.port)
    await admin.del(await admin.keys('*:subject'))
    admin.disconnect()
    await expect(store.status('alice', start)).rejects.toMatchObject(unavailable)
    const enrollment = newEnrollment('alice')
    await expect(store.createEnrollment(enrollment, start)).rejects.toMatchObject(unavailable)
    await store.revoke('alice', undefined, start)
    await expect(store.status('alice', start)).resolves.toBeUndefined()
    await expect(store.createEnrollment(enrollment, start)).resolves.toEqual({ outcome: 'created' })
  })

  it.each([
    ['shortened codes', (record: string) => record.replace('"digits":6', '"digits":1')],
    ['a period of nothing', (record: string) => record.replace('"periodSeconds":30', '"periodSeconds":0')],
    ['another algorithm', (record: string) => record.replace('SHA1', 'MD5')],
    ['no JSON', (record: string) => record.slice(1)],
    ['nothing in it', () => 'null'],
  ])('is unavailable when somebody gave a record %s, and repeats nothing of it', async (_, spoil) => {
    const { credentialId, enrollment } = await enrol(await open(), 'alice')
    const pending = newEnrollment('bob')
    await store.createEnrollment(pending, start)
    const admin = new Redis(server.port)
    const rewrite = async (key: string, field: string) => {
      await admin.hset(key, field, spoil((await admin.hget(key, field)) ?? ''))
    }
    await rewrite(`totp:{${subjectTag('alice')}}:subject`, `credential:${credentialId}`)
    await rewrite(`totp:{${subjectTag('bob')}}:enrollments`, pending.id)
    admin.disconnect()
    for (const read of [
      () => store.findSubject('alice'),
      () => store.status('alice', start),
      () => store.findEnrollment(pending.id, start),
    ]) {
      const error: unknown = await read().catch((thrown: unknown) => thrown)
      expect(error).toMatchObject(unavailable)
      expect(String(error)).not.toContain(enrollment.label)
      expect((error as Error).cause).toBeUndefined()
    }
  })
})
