import {
  createFaultProxy,
  createTestCertificates,
  locateRedisBinary,
  redisSettings,
  startRedis,
  type FaultProxy,
  type RedisServer,
  type TestCertificate,
} from '@herald/testing'
import { Redis } from 'ioredis'
import { once } from 'node:events'
import { connect, type AddressInfo } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { createServer as createTlsServer } from 'node:tls'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { confirmMarker } from './open-store.ts'
import { probeStore } from './probe-store.ts'
import type { RedisHandle } from './store-handle.ts'
import type { RedisSettings } from './store-settings.ts'
import { openForTest, testOptions } from './engines.fixture.ts'

const unavailable = { code: 'STORE_UNAVAILABLE' }
const countLua = `return redis.call('INCR', KEYS[1])`

/** How long any answer may take when Redis gives none. */
const boundMs = 1500

describe.skipIf(locateRedisBinary() === undefined)('a Redis store', () => {
  let server: RedisServer
  let proxy: FaultProxy
  let admin: Redis
  let settings: Extract<RedisSettings, { topology: 'standalone' }>
  let now: number

  beforeEach(async () => {
    server = await startRedis({ appendOnly: true })
    proxy = await createFaultProxy(server)
    admin = new Redis(server.port, server.host)
    admin.on('error', () => {})
    settings = redisSettings(`redis://127.0.0.1:${proxy.port}`)
    now = Date.UTC(2026, 10, 21)
  })

  afterEach(async () => {
    admin.disconnect()
    await proxy.close()
    await server.stop()
  })

  const options = () => testOptions({ now: () => now })
  const open = async (): Promise<RedisHandle> => (await openForTest(settings, options())) as RedisHandle

  async function refusesInTime(operation: () => Promise<unknown>): Promise<void> {
    const started = performance.now()
    await expect(operation()).rejects.toMatchObject(unavailable)
    expect(performance.now() - started).toBeLessThan(boundMs)
  }

  async function isBack(handle: RedisHandle): Promise<boolean> {
    return handle.ping().then(
      () => true,
      () => false,
    )
  }

  /** Resolves when what was asked before has been written to the socket. */
  async function sent(): Promise<void> {
    await setImmediate()
    await setImmediate()
  }

  it('runs a script once when its reply is lost', async () => {
    const handle = await open()
    const count = handle.script(countLua)
    await count(['n'], [])
    proxy.swallowReplies(1)
    await refusesInTime(() => count(['n'], []))
    await expect.poll(() => isBack(handle)).toBe(true)
    expect(await admin.get('n')).toBe('2')
  })

  it('runs none of many scripts under way a second time when the connection breaks', async () => {
    const handle = await open()
    const count = handle.script(countLua)
    await count(['n'], [])
    server.pause()
    const running = Array.from({ length: 64 }, () => count(['n'], []))
    await sent()
    proxy.cut()
    server.resume()
    for (const answer of await Promise.allSettled(running)) {
      expect(answer).toMatchObject({ status: 'rejected', reason: unavailable })
    }
    await expect.poll(() => isBack(handle)).toBe(true)
    expect(Number(await admin.get('n'))).toBeLessThanOrEqual(65)
  })

  it('sends a script that Redis has forgotten with the next call, and none a second time', async () => {
    const handle = await open()
    const count = handle.script(countLua)
    const callThrice = () => Promise.allSettled([1, 2, 3].map(() => count(['n'], [])))
    await callThrice()
    await admin.script('FLUSH')
    for (const answer of await callThrice()) expect(answer).toMatchObject({ reason: unavailable })
    for (const answer of await callThrice()) expect(answer).toMatchObject({ status: 'fulfilled' })
    expect(await admin.get('n')).toBe('6')
  })

  it('sends the text of a script again after any error, since Redis may not have it', async () => {
    const handle = await open()
    const count = handle.script(countLua)
    await admin.acl('SETUSER', 'default', '-eval')
    await expect(count(['n'], [])).rejects.toMatchObject(unavailable)
    await admin.acl('SETUSER', 'default', '+eval')
    await expect(count(['n'], [])).resolves.toBe(1)
  })

  it.each<[string, (handle: RedisHandle) => (n: number) => Promise<unknown>]>([
    [
      'scripts',
      (handle) => {
        const echo = handle.script('return ARGV[1]')
        return (n) => echo([], [n])
      },
    ],
    [
      'reads',
      (handle) => (n) =>
        handle.runMarked((client) => client.send('', (connection) => connection.get(`n:${n}`))),
    ],
    [
      'reads of several',
      (handle) => async (n) =>
        (await handle.runMarked((client) => client.send('', (connection) => connection.mget(`n:${n}`))))[0],
    ],
  ])('gives none of many %s the answer of another when a reply is left out', async (_, prepare) => {
    const logged: unknown[] = []
    const logger = { ...options().logger, warn: (fields: object) => void logged.push(fields) }
    const handle = (await openForTest(settings, { ...options(), logger })) as RedisHandle
    const ask = prepare(handle)
    const numbers = Array.from({ length: 32 }, (__, index) => index)
    for (const n of numbers) await admin.set(`n:${n}`, n)
    await ask(0)
    // Redis leaves out the reply to what comes next on this connection.
    const [connection] = await handle.client.masters()
    connection?.stream.write('CLIENT REPLY SKIP\r\n')
    const asked = await Promise.allSettled([...numbers, ...numbers].map(ask))
    expect(asked.some(({ status }) => status === 'rejected')).toBe(true)
    for (const [index, answer] of asked.entries()) {
      if (answer.status === 'fulfilled') expect(answer.value).toBe(String(index % 32))
      else expect(answer.reason).toMatchObject(unavailable)
    }
    await expect.poll(() => isBack(handle), { timeout: 5000 }).toBe(true)
    expect(await ask(7)).toBe('7')
    expect(logged).not.toEqual([])
  })

  it.each(['nil', 'false', '0', "''", '{}', "redis.status_reply('x')"])(
    'hands on what a script answers: %s',
    async (answer) => {
      const handle = await open()
      const script = handle.script(`return ${answer}`)
      const plain: unknown = await admin.eval(`return ${answer}`, 0)
      expect(await script([], [])).toEqual(plain)
    },
  )

  it('is unavailable in bounded time when Redis was killed, and comes back with it', async () => {
    const handle = await open()
    await server.kill()
    await refusesInTime(() => handle.ping())
    await refusesInTime(() => handle.ping())
    await server.restart()
    await expect.poll(() => isBack(handle), { timeout: 5000 }).toBe(true)
  })

  it('is unavailable in bounded time while Redis hangs, however often it is asked', async () => {
    const handle = await open()
    server.pause()
    const first = refusesInTime(() => handle.ping())
    await sent()
    await Promise.all([first, ...Array.from({ length: 32 }, () => refusesInTime(() => handle.ping()))])
    await refusesInTime(() => handle.ping())
    server.resume()
    await expect.poll(() => isBack(handle), { timeout: 5000 }).toBe(true)
  })

  it.each([
    [
      'a read-only replica',
      'READONLY',
      () => admin.replicaof('127.0.0.1', 1),
      () => admin.replicaof('NO', 'ONE'),
    ],
    [
      'a server out of memory',
      'OOM',
      () => admin.config('SET', 'maxmemory', '1'),
      () => admin.config('SET', 'maxmemory', '0'),
    ],
  ])('is unavailable on %s, which a probe of a write finds out', async (_, word, damage, repair) => {
    const handle = await open()
    const count = handle.script(countLua)
    await expect(handle.probeWrite()).resolves.toBeUndefined()
    await damage()
    await refusesInTime(() => count(['n'], []))
    await expect.poll(() => isBack(handle), { timeout: 5000 }).toBe(true)
    now += 1000
    await expect(handle.probeWrite()).rejects.toMatchObject({
      ...unavailable,
      message: `Redis does not answer as it should: ${word}`,
    })
    await repair()
    await expect
      .poll(
        () => {
          now += 1000
          return handle.probeWrite().then(() => 'landed', String)
        },
        { timeout: 5000 },
      )
      .toBe('landed')
  })

  it('writes to probe at most once a second, and leaves nothing', async () => {
    const handle = await open()
    const writes = async () =>
      Number(/cmdstat_set:calls=(\d+)/.exec(await admin.info('commandstats'))?.[1] ?? 0)
    const before = await writes()
    for (let second = 0; second < 2; second += 1) {
      await Promise.all(Array.from({ length: 64 }, () => handle.probeWrite()))
      now += 1000
    }
    expect(await writes()).toBe(before + 2)
    expect(await admin.keys('*')).toEqual(['totp:marker'])
  })

  it('leaves nothing in a store that is not its own, and lets no probe pass there', async () => {
    const handle = await open()
    await admin.flushall()
    await expect(handle.probeWrite()).rejects.toMatchObject(unavailable)
    expect(await admin.keys('*')).toEqual([])
  })

  it('notices on the next answer that everything was flushed, until its marker is confirmed', async () => {
    const handle = await open()
    await admin.flushall()
    await expect(
      handle.runMarked((client) => client.send('', (connection) => connection.get('absent'))),
    ).rejects.toMatchObject(unavailable)
    const count = handle.script(countLua)
    await expect(count(['n'], [])).rejects.toMatchObject(unavailable)
    expect(await admin.exists('n')).toBe(0)
    now += 1000
    await confirmMarker(settings, options())
    await expect(
      handle.runMarked((client) => client.send('', (connection) => connection.get('absent'))),
    ).resolves.toBeNull()
  })

  it('does not accept a marker that was confirmed before the loss was noticed', async () => {
    const handle = await open()
    await admin.del('totp:marker')
    await confirmMarker(settings, options())
    now += 1000
    await expect(handle.ping()).rejects.toMatchObject(unavailable)
    await expect(handle.ping()).rejects.toMatchObject(unavailable)
    now += 1000
    await confirmMarker(settings, options())
    await expect(handle.ping()).resolves.toBeUndefined()
  })

  it('sends nothing to another server behind the same port', async () => {
    const handle = await open()
    const count = handle.script(countLua)
    await count(['n'], [])
    const stranger = await startRedis()
    onTestFinished(stranger.stop)
    await confirmMarker(redisSettings(stranger.url), options())
    proxy.redirect(stranger)
    proxy.cut()
    await expect.poll(() => count(['n'], []).catch(String)).toContain('marker changed')
    const strangerClient = new Redis(stranger.port)
    expect(await strangerClient.keys('*')).toEqual(['totp:marker'])
    strangerClient.disconnect()
  })

  it.each([
    ['totp:{0123456789012345678901}:subject', 'store confirm'],
    ['totp:cred:alice', 'import'],
  ])('refuses a first start on %s', async (key, remedy) => {
    await admin.set(key, 'x')
    await expect(open()).rejects.toMatchObject({
      code: 'STORE_REFUSED',
      message: expect.stringContaining(remedy) as string,
    })
    await confirmMarker(settings, options())
    await expect((await open()).ping()).resolves.toBeUndefined()
  })

  it('refuses a start on a newer schema', async () => {
    await admin.set('totp:marker', JSON.stringify({ storeId: 'x', schema: 4, createdAt: 'x' }))
    await expect(open()).rejects.toThrow(/schema 4, newer than 3/)
  })

  it('refuses a start on a floor that is no time', async () => {
    const marker = { storeId: 'x', schema: 3, createdAt: 'x', floorAt: '1e999' }
    await admin.set('totp:marker', JSON.stringify(marker))
    await expect(open()).rejects.toThrow(/cannot be read/)
  })

  it('waits for a server that is still starting', async () => {
    await server.kill()
    const opening = open()
    await server.restart()
    await expect((await opening).ping()).resolves.toBeUndefined()
  })

  it('lets parallel first starts agree on one marker, and one of them say so', async () => {
    const logged: object[] = []
    const logger = { ...options().logger, warn: (fields: object) => void logged.push(fields) }
    const start = () => openForTest(settings, { ...options(), logger })
    const handles = await Promise.all(Array.from({ length: 8 }, start))
    await Promise.all(handles.map((handle) => handle.ping()))
    expect(logged).toEqual([expect.objectContaining({ event: 'store_created' })])
  })

  it('keeps arguments out of its errors', async () => {
    const handle = await open()
    const fail = handle.script(`return redis.call('NO SUCH COMMAND')`)
    const error: unknown = await fail([], ['a-sealed-box']).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject(unavailable)
    expect(JSON.stringify(error) + String(error)).not.toContain('a-sealed-box')
    expect((error as Error).cause).toBeUndefined()
  })

  it('repeats no text of Redis, which quotes arguments, in errors and in the log', async () => {
    await server.stop()
    server = await startRedis({ args: ['--rename-command', 'HGET', ''] })
    proxy.redirect(server)
    const logged: object[] = []
    const log = (fields: object) => void logged.push(fields)
    const logger = { debug: log, info: log, warn: log, error: log }
    const handle = (await openForTest(settings, { ...options(), logger })) as RedisHandle
    const refused = await handle
      .runMarked((client) => client.send('', (connection) => connection.hget('totp:{tag}:x', 'e_secret')))
      .catch(String)
    expect(refused).toBe('StoreUnavailable: Redis does not answer as it should: ERR')
    const own = new Redis(server.port)
    await own.config('SET', 'requirepass', 'another')
    own.disconnect()
    proxy.cut()
    await expect
      .poll(() => logged.slice(1), { timeout: 5000 })
      .toEqual([{ event: 'redis_lost', cause: 'NOAUTH' }])
  })

  it('tells what an operator should know', async () => {
    now = Date.now()
    const handle = await open()
    await expect(probeStore(handle, options())).resolves.toMatchObject([{ code: 'REDIS_NOAUTH' }])
    await admin.config('SET', 'appendonly', 'no')
    await admin.config('SET', 'maxmemory-policy', 'allkeys-lru')
    now += 60_000
    const findings = await probeStore(handle, options())
    expect(findings.map(({ code }) => code)).toEqual([
      'REDIS_NOAUTH',
      'REDIS_EVICTION',
      'REDIS_NOT_DURABLE',
      'CLOCK_SKEW',
    ])
  })

  it('connects as an ACL user that may not ask for the configuration', async () => {
    now = Date.now()
    await admin.acl('SETUSER', 'herald', 'on', '>s3cret', '~*', '+@all', '-config')
    await admin.config('SET', 'requirepass', 'another')
    settings = { ...settings, username: 'herald', password: { reveal: () => 's3cret' } }
    await expect(probeStore(await open(), options())).resolves.toEqual([])
    settings = { ...settings, password: { reveal: () => 'wrong' } }
    await expect(open()).rejects.toMatchObject({
      ...unavailable,
      message: expect.stringContaining('WRONGPASS') as string,
    })
  })

  it('speaks TLS with a server whose name and authority it can check, and with no other', async () => {
    const { ca, valid, wrongName, expired, unknownAuthority } = await createTestCertificates()
    const secure = async (certificate: TestCertificate, rejectUnauthorized = true): Promise<RedisHandle> => {
      const port = await startTlsEnd(certificate, server.port)
      const tls = { ca, rejectUnauthorized }
      return (await openForTest({ ...settings, port, tls }, options())) as RedisHandle
    }
    await expect((await secure(valid)).ping()).resolves.toBeUndefined()
    for (const certificate of [wrongName, expired, unknownAuthority]) {
      await expect(secure(certificate)).rejects.toMatchObject(unavailable)
    }
    await expect((await secure(wrongName, false)).ping()).resolves.toBeUndefined()
  })
})

/** Puts TLS in front of a plain port until the test ends. */
async function startTlsEnd(certificate: TestCertificate, target: number): Promise<number> {
  const listener = createTlsServer(certificate, (socket) => {
    const plain = connect(target, '127.0.0.1')
    socket.on('error', () => plain.destroy())
    socket.pipe(plain).pipe(socket)
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  onTestFinished(() => void listener.close())
  return (listener.address() as AddressInfo).port
}
