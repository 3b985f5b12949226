import { describe, expect, it } from 'vitest'
import { readSettings } from './config.ts'

const needed = {
  SQLITE_PATH: 'totp.sqlite',
  API_KEY: 'api-key-of-the-tests-4f81c0a97d23be65',
  HERALD_TOTP_ENCRYPTION_KEY: 'abcdefghijklmnopqrstuvwxyz012345',
}
const settingsOf = async (env: Record<string, string> = {}) =>
  (await readSettings({ ...needed, ...env })).settings

describe('readSettings', () => {
  it('has the defaults that callers know', async () => {
    expect(await settingsOf()).toMatchObject({
      port: 8084,
      limits: { perSubjectHour: 20, lockAfterFailures: 100 },
      app: {
        name: 'herald-totp',
        totp: { issuer: 'Herald', periodSeconds: 30, digits: 6, skew: 1, ttlSeconds: 600 },
        exposeSecret: true,
        perAddressMinute: 30,
      },
    })
  })

  it('takes the forms of values the original takes, an empty one as unset', async () => {
    const settings = await settingsOf({
      PORT: ':9000',
      ENROLL_TTL: '1h30m',
      EXPOSE_SECRET_IN_ENROLL: '0',
      HMAC_SECRET: '',
      LOCK_AFTER_FAILURES: 'off',
    })
    expect(settings).toMatchObject({
      port: 9000,
      limits: { lockAfterFailures: 'off' },
      auth: { hmacSecret: undefined },
      app: { totp: { ttlSeconds: 5400 }, exposeSecret: false },
    })
    expect(await settingsOf({ PORT: '9000' })).toMatchObject({ port: 9000 })
    expect(await settingsOf({ LOG_LEVEL: 'WARNING' })).toMatchObject({ logLevel: 'warn' })
    expect(await settingsOf({ EXPOSE_SECRET_IN_ENROLL: 'Yes' })).toMatchObject({
      app: { exposeSecret: true },
    })
    expect(await settingsOf({ ENROLL_TTL: '30s' })).toMatchObject({ app: { totp: { ttlSeconds: 30 } } })
  })

  it('names the one key after its check value, so that a move to a keyring keeps the id', async () => {
    const { keyring } = await settingsOf()
    expect(keyring.primaryId).toMatch(/^k[0-9a-f]{8}$/)
    const { HERALD_TOTP_ENCRYPTION_KEY: text, ...others } = needed
    const moved = await readSettings({
      ...others,
      TOTP_KEYRING: JSON.stringify({
        primary: keyring.primaryId,
        keys: [{ id: keyring.primaryId, key: text, state: 'enabled' }],
      }),
    })
    expect(moved.settings.keyring).toEqual(keyring)
  })

  it('trusts no proxy unless told to', async () => {
    expect((await settingsOf()).app.isTrustedProxy('127.0.0.1')).toBe(false)
    const { isTrustedProxy } = (await settingsOf({ TRUSTED_PROXIES: 'loopback,10.0.0.0/8' })).app
    expect([
      isTrustedProxy('::ffff:127.0.0.1'),
      isTrustedProxy('10.9.9.9'),
      isTrustedProxy('11.0.0.1'),
    ]).toEqual([true, true, false])
  })
})
