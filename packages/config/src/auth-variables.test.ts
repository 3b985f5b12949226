import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { authRules, authVariables, noAuthRule } from './auth-variables.ts'
import { readVariables } from './read-variables.ts'
import { variable } from './variable.ts'

const key = (seed: string) => createHash('sha256').update(seed).digest('base64url')
const schema = z.object({
  ...authVariables,
  KEYS: variable
    .parsedSecret(
      (text) => new Map(Object.entries(JSON.parse(text) as Record<string, string>)),
      () => 'must be JSON',
    )
    .optional(),
})
const rules = [...authRules('KEYS'), noAuthRule<z.output<typeof schema>>(['API_KEY', 'HMAC_SECRET', 'KEYS'])]
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
    [{ API_KEY: 'x', ADMIN_API_KEY: 'x' }, 'ADMIN_API_KEY must differ from API_KEY'],
  ])('refuse %j', async (env, message) => {
    await expect(read(env as Record<string, string>)).rejects.toThrow(message)
  })

  it('take a default key id that the map holds', async () => {
    const { values } = await read({ HMAC_DEFAULT_KEY_ID: 'k1', KEYS: '{"k1":"x"}' })
    expect(values.HMAC_DEFAULT_KEY_ID).toBe('k1')
  })

  it.each([
    [{}, ['API_KEY NO_AUTH']],
    [{ ADMIN_API_KEY: key('a') }, ['API_KEY NO_AUTH']],
    [{ API_KEY: key('a') }, []],
    [{ API_KEY: 'short' }, ['API_KEY WEAK_KEY']],
    [{ HMAC_SECRET: key('h') }, ['HMAC_SECRET HMAC_V1']],
    [{ KEYS: JSON.stringify({ k1: key('1'), k2: 'short' }) }, ['KEYS WEAK_KEY', 'KEYS HMAC_V1']],
  ])('find in %j: %j', async (env, expected) => {
    expect(await codes(env as Record<string, string>)).toEqual(expected)
  })
})
