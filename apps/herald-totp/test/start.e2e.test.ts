import { createSigner } from '@herald/auth'
import { createTestCertificates, runService, startRedis } from '@herald/testing'
import { Redis } from 'ioredis'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, it } from 'vitest'
import { baseEnv, startTotp, tally, temporaryFolder } from './service-harness.ts'

const folder = temporaryFolder()
const bundle = join(import.meta.dirname, '../dist/main.js')
const sqlite = (name: string) => ({ SQLITE_PATH: join(folder.path, `${name}.sqlite`) })

afterAll(() => {
  folder.remove()
})

describe('the bundle', () => {
  it('runs from an empty folder', async () => {
    const empty = temporaryFolder()
    copyFileSync(bundle, join(empty.path, 'main.js'))
    const { stdout } = await promisify(execFile)(process.execPath, ['main.js', '--help'], {
      cwd: empty.path,
      env: {},
    })
    expect(stdout).toContain('unlock')
    empty.remove()
  })

  it('drains on SIGTERM and exits with 0', async () => {
    const service = await startTotp(sqlite('drain'))
    const { code } = await service.caller.enrol('alice')
    const answers = Array.from({ length: 8 }, () => service.caller.verify('alice', code(1)))
    const first = await Promise.race(answers)
    const exit = service.stop()
    expect([200, 400]).toContain(first.status)
    expect(await exit).toBe(0)
    await Promise.allSettled(answers)
  })

  it('logs JSON lines and nothing else', async () => {
    const service = await startTotp(sqlite('json'))
    await service.caller.status('alice')
    await service.stop()
    const lines = service.output().trimEnd().split('\n')
    expect(lines.length).toBeGreaterThan(3)
    for (const line of lines) expect(JSON.parse(line)).toMatchObject({ service_name: 'herald-totp' })
  })
})

describe('a start that is refused', () => {
  it('exits with 78 and every problem of the variables', async () => {
    const { code, output } = await runService('herald-totp', [], { TOTP_DIGITS: '9', TOTP_PERIOD: '0' })
    expect(code).toBe(78)
    for (const name of ['STORE', 'HERALD_TOTP_ENCRYPTION_KEY', 'TOTP_DIGITS', 'TOTP_PERIOD'])
      expect(output).toContain(`"variable":"${name}"`)
  })

  it('exits with 78 and every finding of the gate', async () => {
    const { code, output } = await runService('herald-totp', [], {
      ...sqlite('refused'),
      API_KEY: 'short',
      HERALD_TOTP_ENCRYPTION_KEY: '0123456789abcdef0123456789abcdef',
    })
    expect(code).toBe(78)
    for (const finding of ['WEAK_KEY', 'EXAMPLE_VALUE']) expect(output).toContain(`"code":"${finding}"`)
  })

  it('for the data of the original names the import', async () => {
    const redis = await startRedis()
    const client = new Redis(redis.url)
    await client.set('totp:cred:alice', '{}')
    client.disconnect()
    const { code, output } = await runService('herald-totp', [], {
      ...baseEnv,
      PORT: '0',
      REDIS_ADDR: `127.0.0.1:${redis.port}`,
    })
    await redis.stop()
    expect({ code, output }).toMatchObject({ code: 78, output: expect.stringContaining('main.js import') })
  })
})

describe('a start with a certificate', () => {
  const ask = async (url: string, tls: { ca: string }) => {
    const [response] = (await once(request(`${url}/livez`, tls).end(), 'response')) as [IncomingMessage]
    return response.resume().statusCode
  }
  const write = (name: string, text: string) => {
    const path = join(folder.path, name)
    writeFileSync(path, text, { mode: 0o600 })
    return path
  }

  it('speaks TLS, and with a client CA to nobody without a certificate', async () => {
    const { ca, valid } = await createTestCertificates()
    const env = { TLS_CERT_FILE: write('cert.pem', valid.cert), TLS_KEY_FILE: write('key.pem', valid.key) }
    const open = await startTotp({ ...sqlite('tls'), ...env })
    expect(await ask(open.url, { ca })).toBe(200)
    await expect(fetch(open.url.replace('https', 'http'))).rejects.toThrow(/./)
    expect(await open.stop()).toBe(0)
    const closed = await startTotp({ ...sqlite('tls'), ...env, TLS_CLIENT_CA_FILE: write('ca.pem', ca) })
    await expect(ask(closed.url, { ca })).rejects.toThrow(/./)
    await closed.stop()
  })
})

describe('a start in production', () => {
  it('serves with what the gate only warns about, on loopback Redis without a password too', async () => {
    const redis = await startRedis()
    const service = await startTotp({ ENVIRONMENT: 'production', REDIS_ADDR: `127.0.0.1:${redis.port}` })
    expect((await service.caller.status('alice')).status).toBe(200)
    expect(await service.stop()).toBe(0)
    for (const code of ['ENV_BACKEND', 'EXPOSE_SECRET', 'REDIS_NOAUTH', 'REDIS_NOT_DURABLE'])
      expect(service.output()).toContain(`"code":"${code}"`)
    await redis.stop()
  })

  it('accepts by name what it would refuse, and warns about it', async () => {
    const service = await startTotp({
      ...sqlite('accepted'),
      ENVIRONMENT: 'production',
      ADMIN_API_KEY: 'short',
      GATE_ACCEPT: 'WEAK_KEY',
    })
    const metrics = await (await fetch(`${service.url}/metrics`)).text()
    expect(metrics).toMatch(/herald_gate_accepted\{code="WEAK_KEY"[^}]*\} 1/)
    await service.stop()
    expect(service.output()).toContain('"code":"WEAK_KEY"')
  })
})

describe('main.js unlock', () => {
  it.each(['sqlite', 'redis'] as const)(
    'lets a locked subject in again while the service runs on %s',
    async (engine) => {
      const redis = engine === 'redis' ? await startRedis() : undefined
      const env = redis ? { REDIS_ADDR: `127.0.0.1:${redis.port}` } : sqlite('unlock')
      const service = await startTotp(env)
      const { code, wrong } = await service.caller.enrol('alice')
      for (let n = 0; n < 5; n += 1) await service.caller.verify('alice', wrong(n))
      expect(tally([await service.caller.verify('alice', code(1))])).toEqual({ '429 rate_limited': 1 })
      const unlocked = await runService('herald-totp', ['unlock', 'alice'], { ...baseEnv, ...env })
      expect(unlocked).toEqual({ code: 0, output: 'unlocked\n' })
      expect((await service.caller.verify('alice', code(1))).status).toBe(200)
      await service.stop()
      await redis?.stop()
    },
  )

  it('refuses what is no subject and what is no command', async () => {
    for (const args of [
      ['unlock'],
      ['unlock', ''],
      ['unlock', 'x'.repeat(257)],
      ['unlok', 'alice'],
      ['config'],
    ]) {
      const { code } = await runService('herald-totp', args, { ...baseEnv, ...sqlite('unused') })
      expect(code).toBe(1)
    }
  })
})

describe('configured secrets', () => {
  const marker = (name: string) => `canary-${name}-8c1f60d2b7e94a35`
  const secrets = {
    API_KEY: marker('api-key'),
    ADMIN_API_KEY: marker('admin-key'),
    HMAC_SECRET: marker('hmac-secret'),
    HERALD_TOTP_HMAC_KEYS: JSON.stringify({ k1: marker('hmac-k1'), k2: marker('hmac-k2') }),
    HERALD_TOTP_ENCRYPTION_KEY: 'canary-encryption-8c1f60d2b7e94a',
    REDIS_PASSWORD: marker('redis-password'),
  }
  const everySecret = [...Object.values(secrets), marker('hmac-k1'), marker('hmac-k2')]

  it('stand in no answer, log line, metric or message of a command', async () => {
    const redis = await startRedis({ args: ['--requirepass', secrets.REDIS_PASSWORD] })
    const env = { ...secrets, REDIS_ADDR: `127.0.0.1:${redis.port}`, LOG_LEVEL: 'trace' }
    const service = await startTotp(env)
    const seen: string[] = []
    const ask = async (path: string, headers: Record<string, string>, body?: string) => {
      const request = { headers, ...(body !== undefined && { method: 'POST', body }) }
      seen.push(await (await fetch(service.url + path, request)).text())
    }
    const json = { 'Content-Type': 'application/json' }
    const request = '{"subject":"alice"}'
    const sign = createSigner({ secret: marker('hmac-k1'), service: 'stargate', keyId: 'k1', now: Date.now })
    for (const headers of [
      { 'X-API-Key': secrets.API_KEY },
      { 'X-API-Key': secrets.ADMIN_API_KEY },
      { 'X-API-Key': `${secrets.API_KEY}x` },
      sign(Buffer.from(request)),
      { ...sign(Buffer.from(request)), 'X-Key-Id': 'k2' },
    ]) {
      for (const path of ['/v1/enroll/start', '/v1/verify', '/v1/revoke', '/v1/unlock'])
        await ask(path, { ...json, ...headers }, request)
      await ask('/v1/status?subject=alice', headers)
    }
    const commands = [
      ['config', 'check'],
      ['unlock', 'alice'],
      ['store', 'confirm'],
    ]
    for (const args of commands)
      seen.push((await runService('herald-totp', args, { ...baseEnv, ...env })).output)
    await redis.kill()
    await ask('/v1/verify', { ...json, 'X-API-Key': secrets.API_KEY }, '{"subject":"alice","code":"123456"}')
    for (const path of ['/livez', '/healthz', '/readyz', '/metrics']) await ask(path, {})
    await service.stop()
    await redis.stop()

    const everything = [...seen, service.output()].join('\n')
    expect(everything).toContain('unavailable')
    for (const secret of everySecret) expect(everything).not.toContain(secret)
  })

  it('stand in no message of a start that is refused', async () => {
    const { code, output } = await runService('herald-totp', [], {
      ...secrets,
      API_KEY_FILE: '/nowhere',
      HERALD_TOTP_ENCRYPTION_KEY: `${secrets.HERALD_TOTP_ENCRYPTION_KEY}x`,
      TOTP_KEYRING: marker('keyring'),
      HERALD_TOTP_HMAC_KEYS: marker('hmac-keys'),
      REDIS_URL: `http://user:${secrets.REDIS_PASSWORD}@host`,
    })
    expect(code).toBe(78)
    for (const secret of [...everySecret, 'canary-']) expect(output).not.toContain(secret)
  })
})
