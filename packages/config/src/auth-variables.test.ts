import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { authFindings, authRule, authVariables } from './auth-variables.ts'
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
const read = (env: Record<string, string>) => readVariables(schema, { env }, [authRule('KEYS')]).values
const codes = (env: Record<string, string>) =>
  authFindings(read(env), 'KEYS').map(({ code, variable: name }) => `${name} ${code}`)

describe('authRule', () => {
  it.each([
    [{ HMAC_DEFAULT_KEY_ID: 'k1' }, 'HMAC_DEFAULT_KEY_ID must name a key of KEYS'],
    [{ HMAC_DEFAULT_KEY_ID: 'k2', KEYS: '{"k1":"x"}' }, 'HMAC_DEFAULT_KEY_ID must name a key of KEYS'],
    [{ API_KEY: 'x', ADMIN_API_KEY: 'x' }, 'ADMIN_API_KEY must differ from API_KEY'],
  ])('refuses %j', (env, message) => {
    expect(() => read(env as Record<string, string>)).toThrow(message)
  })

  it('takes a default key id that the map holds', () => {
    expect(read({ HMAC_DEFAULT_KEY_ID: 'k1', KEYS: '{"k1":"x"}' }).HMAC_DEFAULT_KEY_ID).toBe('k1')
  })
})

describe('authFindings', () => {
  it.each([
    [{}, ['API_KEY NO_AUTH']],
    [{ ADMIN_API_KEY: key('a') }, ['API_KEY NO_AUTH']],
    [{ API_KEY: key('a') }, []],
    [{ API_KEY: 'short' }, ['API_KEY WEAK_KEY']],
    [{ HMAC_SECRET: key('h') }, ['HMAC_SECRET HMAC_V1']],
    [{ KEYS: JSON.stringify({ k1: key('1'), k2: 'short' }) }, ['KEYS WEAK_KEY', 'KEYS HMAC_V1']],
  ])('finds in %j: %j', (env, expected) => {
    expect(codes(env as Record<string, string>)).toEqual(expected)
  })
})
