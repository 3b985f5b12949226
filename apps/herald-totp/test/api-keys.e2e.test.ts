import { runService, sendRaw } from '@herald/testing'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it, onTestFinished } from 'vitest'
import { baseEnv, startTotp, temporaryFolder } from './service-harness.ts'

const { API_KEY: legacyKey } = baseEnv
const pepper = createHash('sha256').update('pepper of the tests').digest('hex')
const folder = temporaryFolder()
const at = (name: string) => join(folder.path, name)
const peppers = { API_KEY_PEPPERS: JSON.stringify({ p1: pepper }) }

afterAll(() => {
  folder.remove()
})

const run = (args: readonly string[], env: Record<string, string> = {}) =>
  runService('herald-totp', ['api-keys', ...args], { ...peppers, ...env })
const create = async (list: string, ...args: string[]) => {
  const { code, output } = await run(['create', '--json', ...args], { API_KEYS_FILE: list })
  expect(code).toBe(0)
  return JSON.parse(output) as { id: string; key: string; entry: Record<string, unknown> }
}

async function serve(list: string) {
  const store = { SQLITE_PATH: `${list}.sqlite` }
  // An empty variable is an unset one.
  const service = await startTotp({ API_KEY: '', ...peppers, API_KEYS_FILE: list, ...store })
  onTestFinished(() => service.kill())
  const call = (key: string, method: string, target: string, body = '') =>
    sendRaw(service.url, {
      method,
      target,
      headers: { 'X-API-Key': key, 'Content-Type': 'application/json' },
      body,
    })
  return { ...service, call }
}

describe('an issued API key', () => {
  it('does what its scopes say over every route, and nothing else', async () => {
    const list = at('scopes.json')
    const routes = [
      ['totp:enroll', 'POST', '/v1/enroll/start'],
      ['totp:enroll', 'POST', '/v1/enroll/confirm'],
      ['totp:verify', 'POST', '/v1/verify'],
      ['totp:revoke', 'POST', '/v1/revoke'],
      ['totp:status', 'GET', '/v1/status?subject=alice'],
      ['totp:admin', 'POST', '/v1/unlock'],
    ] as const
    const keys = new Map<string, string>()
    for (const scope of new Set(routes.map(([scope]) => scope)))
      keys.set(scope, (await create(list, '--scopes', scope)).key)
    const service = await serve(list)
    for (const [needed, method, target] of routes) {
      for (const [scope, key] of keys) {
        const { status } = await service.call(key, method, target, method === 'POST' ? '{}' : '')
        // An empty body is judged after the scope.
        expect([scope, target, status]).toEqual([
          scope,
          target,
          scope === needed ? (method === 'GET' ? 200 : 400) : 403,
        ])
      }
    }
  })

  it('ends when it is revoked, and leaves the others alone', async () => {
    const list = at('revoked.json')
    const one = await create(list, '--scopes', 'totp:status', '--service', 'stargate')
    const two = await create(list, '--scopes', 'totp:status', '--expires', '90d')
    const before = await serve(list)
    const status = (service: typeof before, key: string) =>
      service.call(key, 'GET', '/v1/status?subject=alice').then((answer) => answer.status)
    expect([await status(before, one.key), await status(before, two.key)]).toEqual([200, 200])
    await before.stop()

    expect((await run(['revoke', one.id], { API_KEYS_FILE: list })).code).toBe(0)
    const after = await serve(list)
    expect([await status(after, one.key), await status(after, two.key)]).toEqual([401, 200])
    expect(await status(after, legacyKey)).toBe(401)
  })

  it('passes from its networks alone, by the address of the socket', async () => {
    const list = at('networks.json')
    const here = await create(list, '--scopes', 'totp:status', '--cidr', '127.0.0.0/8')
    const there = await create(list, '--scopes', 'totp:status', '--cidr', '10.0.0.0/8')
    const service = await serve(list)
    const call = (key: string) => service.call(key, 'GET', '/v1/status?subject=alice')
    expect([(await call(here.key)).status, (await call(there.key)).status]).toEqual([200, 401])
  })

  it('meant for tests warns where it stands', async () => {
    const list = at('test-key.json')
    await create(list, '--scopes', 'totp:status', '--test')
    const service = await serve(list)
    await service.stop()
    expect(service.output()).toContain('"code":"TEST_KEY"')
  })
})

describe('main.js api-keys', () => {
  it('keeps the digest alone, in a file for its owner, and shows the key once', async () => {
    const list = at('kept.json')
    const { key, id } = await create(list, '--scopes', 'totp:verify,totp:status', '--service', 'stargate')
    expect(key).toMatch(/^hk_live_[0-9A-Za-z]{10}_[0-9A-Za-z]{49}$/)
    const text = readFileSync(list, 'utf8')
    expect(text).toContain(id)
    expect(text).not.toContain(key.slice(-49))
    expect(statSync(list).mode & 0o777).toBe(0o600)
    expect(existsSync(`${list}.new`)).toBe(false)
    const { output } = await run(['list', '--json'], { API_KEYS_FILE: list })
    expect(JSON.parse(output)).toMatchObject({
      keys: [{ id, state: 'active', service: 'stargate', scopes: ['totp:verify', 'totp:status'] }],
    })
    expect(output).not.toContain('hmac-sha256')
  })

  it('writes the key to a new file on request and then shows it nowhere', async () => {
    const [list, out] = [at('written.json'), at('written.key')]
    const { code, output } = await run(['create', '--scopes', 'totp:verify', '--out', out], {
      API_KEYS_FILE: list,
    })
    const key = readFileSync(out, 'utf8').trim()
    expect([code, statSync(out).mode & 0o777]).toEqual([0, 0o600])
    expect(output).not.toContain(key)
    const again = await run(['create', '--scopes', 'totp:verify', '--out', out], { API_KEYS_FILE: list })
    expect(again.code).toBe(1)
    expect(JSON.parse(readFileSync(list, 'utf8'))).toHaveLength(1)
  })

  it('says which entry to add where the list is no file', async () => {
    const { code, output } = await run(['create', '--scopes', 'totp:verify'])
    expect(code).toBe(0)
    expect(output).toMatch(/put this entry into API_KEYS: \{"id":"[0-9A-Za-z]{10}","hash":"hmac-sha256\$p1\$/)
  })

  it.each([
    ['no scope', ['create']],
    ['a scope of another service', ['create', '--scopes', 'smtp:send']],
    ['a time that is past', ['create', '--scopes', 'totp:verify', '--expires', '2020-01-01T00:00:00Z']],
    ['a caller with a colon', ['create', '--scopes', 'totp:verify', '--service', 'a:b']],
    ['a network that is none', ['create', '--scopes', 'totp:verify', '--cidr', '10.0.0.0']],
    ['a pepper that is not there', ['create', '--scopes', 'totp:verify', '--pepper', 'p9']],
    ['an id that is not there', ['revoke', 'AAAAAAAAAA', '--json']],
  ])('refuses %s with 1 and changes nothing', async (_case, args) => {
    const list = at('refused.json')
    const { code } = await run(args, { API_KEYS_FILE: list })
    expect([code, existsSync(list)]).toEqual([1, false])
  })

  it('refuses a list that it cannot read, and repeats nothing of it', async () => {
    const list = at('broken.json')
    writeFileSync(list, `[{"id":"${legacyKey}"}]`)
    const { code, output } = await run(['create', '--scopes', 'totp:verify'], { API_KEYS_FILE: list })
    expect(code).toBe(1)
    expect(output).not.toContain(legacyKey)
    expect(readFileSync(list, 'utf8')).toContain(legacyKey)
  })
})
