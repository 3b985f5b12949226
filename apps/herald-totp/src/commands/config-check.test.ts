import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHashes } from '@herald/storage'
import { afterAll, describe, expect, it } from 'vitest'
import { readSettings } from '../config.ts'
import { openConfiguredKeyring } from '../configured-keyring.ts'
import { openConfiguredStore } from '../configured-store.ts'
import { createCommandLogger } from './command-logger.ts'
import { runCommand } from './run-command.ts'

const folder = mkdtempSync(join(tmpdir(), 'herald-totp-'))
const openFile = join(folder, 'key-for-all')
writeFileSync(openFile, 'api-key-of-the-tests-4f81c0a97d23be65')
chmodSync(openFile, 0o666)

afterAll(() => {
  rmSync(folder, { recursive: true })
})

const production = {
  API_KEY: 'api-key-of-the-tests-4f81c0a97d23be65',
  HERALD_TOTP_ENCRYPTION_KEY: 'base64:QVl2tq1F4rkZ0n7mJc3yXo9sU8wKdE5hTiBgRzMxNWE=',
}
const { API_KEY: _apiKey, ...withoutApiKey } = production
const { HERALD_TOTP_ENCRYPTION_KEY: _key, ...withoutKey } = production
const at = { SQLITE_PATH: join(folder, 'totp.sqlite') }
const key = { id: 'k1', key: production.HERALD_TOTP_ENCRYPTION_KEY, state: 'enabled' }
const keyring = (...keys: object[]) => JSON.stringify({ primary: 'k1', keys })

const now = () => 1_800_000_000_000

/** What a start leaves in the store of its keys. */
async function leaveCanaries(env: Record<string, string>) {
  const { settings } = await readSettings(env)
  const logger = createCommandLogger({ print() {} })
  const { handle, close } = await openConfiguredStore(settings, { now, randomBytes, logger })
  const hashes = createHashes(handle, { prefix: 'totp:' })
  await openConfiguredKeyring(settings, { hashes, randomBytes, onBoxError() {} })
  await close()
}

async function check(env: Record<string, string>) {
  const lines: string[] = []
  const world = { env, now, randomBytes, print: (line: string) => void lines.push(line) }
  const code = await runCommand(['config', 'check'], world)
  return { code, output: lines.join('\n') }
}

describe('config check', () => {
  it.each<[string, Record<string, string>, string[]]>([
    ['nothing configured', {}, ['STORE', 'HERALD_TOTP_ENCRYPTION_KEY']],
    ['no store', production, ['STORE', 'SQLITE_PATH', 'REDIS_ADDR', 'REDIS_URL']],
    ['no key', { ...withoutKey, ...at }, ['HERALD_TOTP_ENCRYPTION_KEY']],
    ['a bare hex key', { ...production, ...at, HERALD_TOTP_ENCRYPTION_KEY: 'ab'.repeat(32) }, ['hex:']],
    [
      'a bare base64 key',
      { ...production, ...at, HERALD_TOTP_ENCRYPTION_KEY: `${'A'.repeat(43)}=` },
      ['base64:'],
    ],
    ['a key of 34 bytes', { ...production, ...at, HERALD_TOTP_ENCRYPTION_KEY: 'x'.repeat(34) }, ['32 bytes']],
    ['key and keyring', { ...production, ...at, TOTP_KEYRING: keyring(key) }, ['TOTP_KEYRING', 'both set']],
    [
      'a keyring without its primary',
      { ...withoutKey, ...at, TOTP_KEYRING: keyring({ ...key, state: 'pending' }) },
      ['TOTP_KEYRING', 'primary'],
    ],
    ['a short key', { ...production, ...at, API_KEY: 'short' }, ['WEAK_KEY', 'API_KEY']],
    [
      'a published key',
      { ...production, ...at, HERALD_TOTP_ENCRYPTION_KEY: '0123456789abcdef0123456789abcdef' },
      ['EXAMPLE_VALUE', 'HERALD_TOTP_ENCRYPTION_KEY'],
    ],
    ['no credentials', { ...withoutApiKey, ...at }, ['NO_AUTH']],
    [
      'a key file for all',
      { ...withoutApiKey, ...at, API_KEY_FILE: openFile },
      ['FILE_PERMS', 'API_KEY_FILE'],
    ],
    [
      'one key for callers and operators',
      { ...production, ...at, ADMIN_API_KEY: production.API_KEY },
      ['ADMIN_API_KEY'],
    ],
    [
      'malformed HMAC keys',
      { ...production, ...at, HERALD_TOTP_HMAC_KEYS: '{"k1":' },
      ['HERALD_TOTP_HMAC_KEYS'],
    ],
    [
      'Redis in public without TLS',
      { ...production, REDIS_ADDR: '198.51.100.1:6379' },
      ['REDIS_PLAINTEXT', 'REDIS_ADDR'],
    ],
    [
      'Redis whose certificate is not verified',
      { ...production, REDIS_URL: 'rediss://127.0.0.1:1', REDIS_TLS_INSECURE_SKIP_VERIFY: 'true' },
      ['TLS_VERIFY_OFF'],
    ],
    [
      'a trail that others can write',
      { ...production, ...at, AUDIT_FILE: openFile },
      ['AUDIT_FILE can be written by others'],
    ],
    ['an unknown gate code', { ...production, ...at, GATE_ACCEPT: 'WEAK_KEYS' }, ['GATE_ACCEPT']],
    [
      'values out of range, all of them',
      {
        ...production,
        ...at,
        TOTP_DIGITS: '9',
        TOTP_PERIOD: '0',
        TOTP_SKEW: '-1',
        ENROLL_TTL: 'soon',
        LOCK_AFTER_FAILURES: 'never',
        RATE_LIMIT_PER_SUBJECT: '0',
        TOTP_ISSUER: 'A:B',
        TRUSTED_PROXIES: 'everyone',
      },
      [
        'TOTP_DIGITS',
        'TOTP_PERIOD',
        'TOTP_SKEW',
        'ENROLL_TTL',
        'LOCK_AFTER_FAILURES',
        'RATE_LIMIT_PER_SUBJECT',
        'TOTP_ISSUER',
        'TRUSTED_PROXIES',
      ],
    ],
  ])('refuses %s with 78 and says so, values never', async (_case, env, named) => {
    const { code, output } = await check(env)
    expect({ code, output }).toMatchObject({ code: 78 })
    for (const name of named) expect(output).toContain(name)
    for (const value of [env['API_KEY'], env['HERALD_TOTP_ENCRYPTION_KEY'], env['TOTP_KEYRING']])
      if (value !== undefined && value !== 'short') expect(output).not.toContain(value)
  })

  it('refuses keys that are not those of the store, and leaves none of its own there', async () => {
    const env = { ...production, SQLITE_PATH: join(folder, 'sealed.sqlite') }
    const stranger = {
      ...env,
      HERALD_TOTP_ENCRYPTION_KEY: `base64:${randomBytes(32).toString('base64')}`,
    }
    expect((await check(stranger)).code).toBe(0)
    await leaveCanaries(env)
    expect((await check(env)).code).toBe(0)
    expect(await check(stranger)).toMatchObject({
      code: 78,
      output: expect.stringContaining('refused HERALD_TOTP_ENCRYPTION_KEY is refused: the store needs key k'),
    })
  })

  it('only warns outside production', async () => {
    const { code, output } = await check({ ...withoutApiKey, ...at, ENVIRONMENT: 'development' })
    expect(code).toBe(0)
    expect(output).toContain('warning NO_AUTH')
  })

  it('lets through what GATE_ACCEPT names, with a warning', async () => {
    const env = { ...production, ...at, ADMIN_API_KEY: 'short' }
    expect((await check(env)).code).toBe(78)
    const { code, output } = await check({ ...env, GATE_ACCEPT: 'WEAK_KEY' })
    expect(code).toBe(0)
    expect(output).toContain('warning WEAK_KEY')
  })
})
