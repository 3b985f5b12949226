import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { authRules, authVariables, hmacKeysVariable, noAuthRule } from './auth-variables.ts'
import { readVariables } from './read-variables.ts'

const key = (seed: string) => createHash('sha256').update(seed).digest('base64url')
const issued = (environment = 'live') =>
  JSON.stringify([
    { id: 'AbCdEf1234', environment, hash: `hmac-sha256$p1$${'A'.repeat(43)}`, scopes: ['totp:verify'] },
  ])
const schema = z.object({
  ...authVariables,
  KEYS: hmacKeysVariable(),
})
const rules = [
  ...authRules('KEYS'),
  noAuthRule<z.output<typeof schema>>(['API_KEY', 'API_KEYS', 'HMAC_SECRET', 'KEYS']),
]
const read = (env: Record<string, string>) => readVariables(schema, { env }, rules)

async function codes(env: Record<string, string>): Promise<string[]> {
  const { findings } = await read(env)
  return findings
    .filter(({ code }) => code !== 'ENV_BACKEND')
    .map((found) => `${found.variable} ${found.code}`)
}

describe('authRules', () => {
  it.each([
    [{ HMAC_DEFAULT_KEY_ID: 'k1' }, 'HMAC_DEFAULT_KEY_ID must name a key of KEYS'],
    [{ HMAC_DEFAULT_KEY_ID: 'k2', KEYS: '{"k1":"x"}' }, 'HMAC_DEFAULT_KEY_ID must name a key of KEYS'],
    [
      { HMAC_DEFAULT_KEY_ID: 'k2', KEYS: '{"k1":"x"}', HMAC_SECRET: 'x' },
      'HMAC_DEFAULT_KEY_ID must name a key of KEYS',
    ],
    [{ API_KEYS: issued() }, 'API_KEYS names a pepper that API_KEY_PEPPERS does not hold'],
    [
      { API_KEYS: issued(), API_KEY_PEPPERS: '{"p2":"x"}' },
      'API_KEYS names a pepper that API_KEY_PEPPERS does not hold',
    ],
    [{ API_KEYS: '[{}]' }, 'API_KEYS must be a JSON list'],
    [{ API_KEY_PEPPERS: '{}' }, 'API_KEY_PEPPERS must be a JSON object'],
    [{ HMAC_MAX_DRIFT: '6m' }, 'HMAC_MAX_DRIFT must be a duration'],
    [{ API_KEY: 'x', ADMIN_API_KEY: 'x' }, 'ADMIN_API_KEY must differ from API_KEY'],
  ])('refuse %j', async (env, message) => {
    await expect(read(env as Record<string, string>)).rejects.toThrow(message)
  })

  it('take a default key id that the map holds', async () => {
    const { values } = await read({ HMAC_DEFAULT_KEY_ID: 'k1', KEYS: '{"k1":"x"}' })
    expect(values.HMAC_DEFAULT_KEY_ID).toBe('k1')
  })

  it('take a default key id beside the single secret, which answers to every id', async () => {
    const { values } = await read({ HMAC_DEFAULT_KEY_ID: 'k1', HMAC_SECRET: 'x' })
    expect(values.HMAC_DEFAULT_KEY_ID).toBe('k1')
  })

  it.each([
    [{}, ['API_KEY NO_AUTH']],
    [{ ADMIN_API_KEY: key('a') }, ['API_KEY NO_AUTH']],
    [{ API_KEY: key('a') }, []],
    [{ API_KEY: 'short' }, ['API_KEY WEAK_KEY']],
    [{ HMAC_SECRET: key('h') }, ['HMAC_SECRET HMAC_V1']],
    [{ KEYS: JSON.stringify({ k1: key('1'), k2: 'short' }) }, ['KEYS WEAK_KEY', 'KEYS HMAC_V1']],
    [{ KEYS: JSON.stringify({ k1: { secret: key('1'), minVersion: 2 } }) }, []],
    [{ KEYS: JSON.stringify({ k1: { secret: key('1'), minVersion: 2 }, k2: key('2') }) }, ['KEYS HMAC_V1']],
    [{ API_KEYS: issued(), API_KEY_PEPPERS: JSON.stringify({ p1: key('p') }) }, []],
    [{ API_KEYS: issued(), API_KEY_PEPPERS: JSON.stringify({ p1: 'short' }) }, ['API_KEY_PEPPERS WEAK_KEY']],
    [{ API_KEYS: issued('test'), API_KEY_PEPPERS: JSON.stringify({ p1: key('p') }) }, ['API_KEYS TEST_KEY']],
  ])('find in %j: %j', async (env, expected) => {
    expect(await codes(env as Record<string, string>)).toEqual(expected)
  })
})
