import { createSigner, createSignerV2 } from '@herald/auth'
import { createFaultProxy, sendRaw, startRedis, type RawAnswer } from '@herald/testing'
import { createHash, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { baseEnv, openEngine, startTotp, temporaryFolder } from './service-harness.ts'

const secretOf = (name: string) => createHash('sha256').update(`attacks ${name}`).digest('hex')
const year = 365 * 86_400_000
const isoIn = (milliseconds: number) => new Date(Date.now() + milliseconds).toISOString()

/** Every key has a secret of its own; `legacy` is the form that a map of secrets always had. */
const hmacKeys = {
  legacy: secretOf('legacy'),
  modern: { secret: secretOf('modern'), minVersion: 2 },
  bound: { secret: secretOf('bound'), service: 'stargate' },
  reader: { secret: secretOf('reader'), scopes: ['totp:status'] },
  past: { secret: secretOf('past'), notAfter: isoIn(-1000) },
  future: { secret: secretOf('future'), notBefore: isoIn(year) },
  settled: { secret: secretOf('settled'), v1Until: isoIn(-1000) },
}
type KeyId = keyof typeof hmacKeys
const keyEnv = { HERALD_TOTP_HMAC_KEYS: JSON.stringify(hmacKeys) }
const json = { 'Content-Type': 'application/json' }

type Shot = { method?: string; target: string; body?: string; headers?: Record<string, string | string[]> }
type Signing = { keyId?: KeyId | 'unknown'; secret?: string; service?: string; offsetSeconds?: number }

const clockOf =
  ({ offsetSeconds = 0 }: Signing) =>
  () =>
    Date.now() + offsetSeconds * 1000
const usedSecret = ({ keyId = 'legacy', secret }: Signing) => secret ?? secretOf(keyId)

function v1(body: string, how: Signing = {}): Record<string, string> {
  const { keyId = 'legacy', service = 'stargate' } = how
  return createSigner({ secret: usedSecret(how), service, keyId, now: clockOf(how) })(Buffer.from(body))
}

function v2(shot: Shot, how: Signing = {}): Record<string, string> {
  const { keyId = 'legacy', service = 'stargate' } = how
  const sign = createSignerV2({ secret: usedSecret(how), service, keyId, now: clockOf(how), randomBytes })
  const [path = '', query = ''] = shot.target.split('?')
  return sign({ method: shot.method ?? 'POST', path, query, body: Buffer.from(shot.body ?? '') })
}

const status: Shot = { method: 'GET', target: '/v1/status?subject=alice' }
const revoke = (subject: string): Shot => ({ target: '/v1/revoke', body: JSON.stringify({ subject }) })

/** What a caller reads of an answer, its request id made equal. */
const seen = ({ status, text }: RawAnswer) => [status, text.replace(/"request_id":"[^"]*"/, '')]

let service: Awaited<ReturnType<typeof startTotp>>
let folder: ReturnType<typeof temporaryFolder>
let refusal: unknown[]

const fire = (shot: Shot, headers: Record<string, string | string[]> = {}) =>
  sendRaw(service.url, { ...shot, headers: { ...json, ...shot.headers, ...headers } })
const statusOf = async (shot: Shot, headers: Record<string, string | string[]>) =>
  (await fire(shot, headers)).status
async function expectRefused(shot: Shot, headers: Record<string, string | string[]>) {
  expect(seen(await fire(shot, headers))).toEqual(refusal)
}

beforeAll(async () => {
  folder = temporaryFolder()
  service = await startTotp({ ...keyEnv, SQLITE_PATH: join(folder.path, 'totp.sqlite') })
  refusal = seen(await fire(status))
})

afterAll(async () => {
  await service.stop()
  folder.remove()
})

describe('attack 1: a v1 GET signature on another path or query', () => {
  it('opens /v1/status alone', async () => {
    expect(refusal[0]).toBe(401)
    expect(await statusOf(status, v1(''))).toBe(200)
    for (const target of ['/v1/verify', '/v1/nothing', '/v1/status/', '/v1/unlock', '/v1/revoke'])
      await expectRefused({ method: 'GET', target }, v1(''))
    for (const method of ['DELETE', 'PUT', 'OPTIONS']) await expectRefused({ ...status, method }, v1(''))
  })

  it('asks of another subject until the key takes v2 alone', async () => {
    expect(await statusOf({ ...status, target: '/v1/status?subject=bob' }, v1(''))).toBe(200)
    await expectRefused(status, v1('', { keyId: 'modern' }))
    await expectRefused(status, v1('', { keyId: 'settled' }))
    expect(await statusOf(status, v2(status, { keyId: 'modern' }))).toBe(200)
    await expectRefused({ ...status, target: '/v1/status?subject=bob' }, v2(status))
  })
})

describe('attack 2: a signed enroll/start body sent to /v1/revoke', () => {
  it('is 400 and removes nothing, and 401 once the key takes v2 alone', async () => {
    await service.caller.enrol('victim')
    const body = JSON.stringify({ subject: 'victim', label: 'victim@example.com' })
    expect(await statusOf({ target: '/v1/revoke', body }, v1(body))).toBe(400)
    const start: Shot = { target: '/v1/enroll/start', body }
    await expectRefused({ ...start, target: '/v1/revoke' }, v2(start, { keyId: 'modern' }))
    await expectRefused({ ...start, target: '/v1/revoke' }, v1(body, { keyId: 'modern' }))
    expect((await service.caller.status('victim')).body['totp_enabled']).toBe(true)
  })
})

describe.each(['sqlite', 'redis'] as const)('attack 3: the same request twice, on %s', (engine) => {
  let store: Awaited<ReturnType<typeof openEngine>>
  let replicas: Awaited<ReturnType<typeof startTotp>>[]

  beforeAll(async () => {
    store = await openEngine(engine)
    const one = await startTotp({ ...keyEnv, ...store.env })
    // SQLite is for one process.
    replicas = engine === 'redis' ? [one, await startTotp({ ...keyEnv, ...store.env })] : [one, one]
  })
  afterAll(async () => {
    await Promise.all([...new Set(replicas)].map((replica) => replica.stop()))
    await store.close()
  })
  const at = (n: number, shot: Shot, headers: Record<string, string>) =>
    sendRaw(replicas[n]!.url, { ...shot, headers: { ...json, ...headers } })

  it('lets a v2 request pass once, over two replicas, and says no more than 401', async () => {
    const headers = v2(status)
    expect((await at(0, status, headers)).status).toBe(200)
    expect(seen(await at(1, status, headers))).toEqual(refusal)
    expect(seen(await at(0, status, headers))).toEqual(refusal)
    const { text } = await at(1, { method: 'GET', target: '/metrics' }, {})
    expect(text).toMatch(/^auth_failures_total\{reason="replayed",.*\} [1-9]/m)
  })

  it('has one winner among 32 at once', async () => {
    const headers = v2(status)
    const answers = await Promise.all(Array.from({ length: 32 }, (_, n) => at(n % 2, status, headers)))
    expect(answers.filter((answer) => answer.status === 200)).toHaveLength(1)
    expect(answers.filter((answer) => answer.status === 401)).toHaveLength(31)
  })

  it('answers a v1 revoke again and deletes nothing a second time', async () => {
    const caller = replicas[0]!.caller
    await caller.enrol('carol')
    const shot = revoke('carol')
    const headers = v1(shot.body ?? '')
    const first = await at(0, shot, headers)
    await caller.enrol('carol')
    const second = await at(1, shot, headers)
    expect([first.status, second.status, second.text]).toEqual([200, 200, first.text])
    expect((await caller.status('carol')).body['totp_enabled']).toBe(true)
  })
})

describe('attack 4: a colon moved between service and body', () => {
  it('is 401 in both directions, in v1 and v2', async () => {
    const body = '{"subject":"alice"}'
    const shot: Shot = { target: '/v1/revoke', body: '"alice"}' }
    const signed = v1(body, { service: 'a' })
    await expectRefused(shot, { ...signed, 'X-Service': 'a:{"subject"' })
    await expectRefused({ ...shot, body: `a:${body}` }, { ...signed, 'X-Service': '' })
    await expectRefused(status, { ...v2(status), 'X-Service': 'star:gate' })
  })
})

describe('attack 5: the v2 headers stripped, a v1 signature left', () => {
  it('is 401 for a key with minVersion 2', async () => {
    const body = '{"subject":"alice"}'
    const shot: Shot = { target: '/v1/revoke', body }
    const { 'X-Signature-Version': _version, ...stripped } = v2(shot, { keyId: 'modern' })
    await expectRefused(shot, stripped)
    await expectRefused(shot, { ...stripped, 'X-Signature-Version': 'v1' })
    await expectRefused(shot, v1(body, { keyId: 'modern' }))
    const { 'X-Key-Id': _id, ...withoutId } = v1(body, { keyId: 'modern' })
    await expectRefused(shot, withoutId)
    expect(await statusOf(shot, v2(shot, { keyId: 'modern' }))).toBe(200)
  })

  it('is never tried the other way: a wrong v2 is no v1 and no API key', async () => {
    const body = '{"subject":"alice"}'
    const shot: Shot = { target: '/v1/revoke', body }
    const asV2 = { ...v1(body), 'X-Signature-Version': 'v2', 'X-Nonce': 'n1', 'X-API-Key': baseEnv.API_KEY }
    await expectRefused(shot, asV2)
    for (const version of ['v2', 'v3', 'V2', 'v1, v2', ''])
      await expectRefused(shot, { 'X-API-Key': baseEnv.API_KEY, 'X-Signature-Version': version })
  })
})

describe('attack 6: a wrong credential beside a right one', () => {
  it('is 401 whichever of them is wrong', async () => {
    const rightKey = { 'X-API-Key': baseEnv.API_KEY }
    const wrong = { secret: secretOf('another') }
    await expectRefused(status, { ...rightKey, ...v1('', wrong) })
    await expectRefused(status, { ...rightKey, ...v2(status, wrong) })
    await expectRefused(status, { ...v1(''), 'X-API-Key': 'wrong' })
    await expectRefused(status, { ...v2(status), 'X-API-Key': 'wrong' })
    expect(await statusOf(status, { ...v2(status), ...rightKey })).toBe(200)
  })
})

describe('attack 7: key A claims service B', () => {
  it('is 401 in v1 and v2, and signs for its own', async () => {
    for (const headers of [
      v2(status, { keyId: 'bound', service: 'other' }),
      v1('', { keyId: 'bound', service: 'other' }),
    ])
      await expectRefused(status, headers)
    expect(await statusOf(status, v2(status, { keyId: 'bound' }))).toBe(200)
    expect(await statusOf(status, v1('', { keyId: 'bound' }))).toBe(200)
  })
})

describe('attack 8: authentication headers sent twice, and an encoded body', () => {
  it('is 401 with the same body for every header, and 415', async () => {
    const sets: [string, () => Record<string, string>][] = [
      ['v1', () => v1('')],
      ['v2', () => v2(status)],
      ['key', () => ({ 'X-API-Key': baseEnv.API_KEY })],
    ]
    for (const [, headers] of sets) {
      for (const name of Object.keys(headers())) {
        const right = headers()
        const value = right[name] ?? ''
        await expectRefused(status, { ...right, [name]: [value, value] })
        await expectRefused(status, { ...headers(), [name]: `${value},${value}` })
      }
    }
    const shot = revoke('alice')
    expect(await statusOf(shot, { ...v2(shot), 'Content-Encoding': 'gzip' })).toBe(415)
  })
})

describe('attack 9: a stretched timestamp', () => {
  it.each([
    ['v1', 300],
    ['v2', 60],
  ] as const)('%s is good for exactly %i s', async (version, window) => {
    const signed = (offsetSeconds: number) =>
      version === 'v1' ? v1('', { offsetSeconds }) : v2(status, { offsetSeconds })
    // A clock that goes on brings what lies ahead nearer and takes what lies behind farther.
    expect(await statusOf(status, signed(window))).toBe(200)
    expect(await statusOf(status, signed(2 - window))).toBe(200)
    await expectRefused(status, signed(window + 5))
    await expectRefused(status, signed(-window - 1))
  })

  it.each([
    (second: number) => `+${second}`,
    () => '1e9',
    (second: number) => `${second}000`,
    (second: number) => `0${second}`,
    (second: number) => `${second}.0`,
  ])('has one spelling: %s', async (spell) => {
    const timestamp = spell(Math.floor(Date.now() / 1000))
    await expectRefused(status, { ...v1(''), 'X-Timestamp': timestamp })
    await expectRefused(status, { ...v2(status), 'X-Timestamp': timestamp })
  })
})

describe('attack 10: a target in disguise', () => {
  it.each([
    '//v1/status?subject=alice',
    '/v1//status?subject=alice',
    '/v1/%2e%2e/v1/status?subject=alice',
    '/v1/../v1/status?subject=alice',
    '/v1/./status?subject=alice',
    '/v1/%73tatus?subject=alice',
    '/v1\\status?subject=alice',
    '/v1/%5cstatus?subject=alice',
    '/v1/status?subject=alice\\',
    '/v1/status?subject=%61%6',
  ])('%s is 400, also when it was signed so', async (target) => {
    const shot: Shot = { method: 'GET', target }
    expect(await statusOf(shot, v2(shot))).toBe(400)
  })

  it('is signed as it is sent: a reordered query is 401', async () => {
    const shot: Shot = { method: 'GET', target: '/v1/status?subject=alice&a=1' }
    await expectRefused({ ...shot, target: '/v1/status?a=1&subject=alice' }, v2(shot))
    await expectRefused({ ...shot, target: `${shot.target}&` }, v2(shot))
    expect(await statusOf(shot, v2(shot))).toBe(200)
  })
})

describe('attack 11: a flood of nonces that nobody signed', () => {
  it('stores none of them, and takes no nonce from its owner', async () => {
    const right = v2(status)
    const forged = { ...right, 'X-Signature': '0'.repeat(64) }
    await Promise.all(
      Array.from({ length: 50 }, (_, n) =>
        expectRefused(status, n % 2 ? { ...forged, 'X-Nonce': `flood-${n}` } : forged),
      ),
    )
    await expectRefused(status, { ...right, 'X-API-Key': 'wrong' })
    const before = storedNonces()
    expect(await statusOf(status, right)).toBe(200)
    expect(storedNonces()).toBe(before + 1)
  })

  function storedNonces(): number {
    const database = new DatabaseSync(join(folder.path, 'totp.sqlite'), { readOnly: true })
    const row = database.prepare("SELECT count(*) AS n FROM once WHERE key LIKE 'totp:nonce:%'").get()
    database.close()
    return Number(row?.['n'])
  }
})

describe('attack 12: Redis is down', () => {
  it('is 503 for whatever needs it, and nothing passes', async () => {
    const redis = await startRedis()
    const proxy = await createFaultProxy({ host: '127.0.0.1', port: redis.port })
    const down = await startTotp({ ...keyEnv, REDIS_ADDR: `127.0.0.1:${proxy.port}` })
    try {
      const headers = v2(status)
      proxy.cut()
      await redis.stop()
      const at = (shot: Shot, sent: Record<string, string>) =>
        sendRaw(down.url, { ...shot, headers: { ...json, ...sent } })
      const verify: Shot = { target: '/v1/verify', body: '{"subject":"alice","code":"123456"}' }
      const key = { 'X-API-Key': baseEnv.API_KEY }
      const answers = await Promise.all([
        at(status, headers),
        at(verify, v2(verify)),
        at(verify, key),
        at(revoke('alice'), key),
        at({ target: '/v1/enroll/start', body: '{"subject":"alice"}' }, key),
      ])
      expect(answers.map((answer) => answer.status)).toEqual([503, 503, 503, 503, 503])
      const unsigned = await at(status, { ...v2(status), 'X-Signature': '0'.repeat(64) })
      expect(unsigned.status).toBe(401)
    } finally {
      await down.stop()
      await proxy.close()
    }
  })
})

describe('attack 13: key ids are guessed', () => {
  it('answers every refusal alike, header by header', async () => {
    const refusals = await Promise.all([
      fire(status),
      fire(status, v2(status, { keyId: 'unknown' })),
      fire(status, v2(status, { secret: secretOf('another') })),
      fire(status, v2(status, { keyId: 'past' })),
      fire(status, v2(status, { keyId: 'future' })),
      fire(status, v2(status, { keyId: 'bound', service: 'other' })),
      fire(status, v1('', { keyId: 'unknown' })),
      fire(status, v1('', { keyId: 'past' })),
      fire(status, v1('', { keyId: 'modern' })),
      fire(status, { 'X-API-Key': 'wrong' }),
      fire(status, { 'X-API-Key': `hk_live_${'A'.repeat(10)}_${'B'.repeat(49)}` }),
    ])
    for (const answer of refusals) {
      expect(seen(answer)).toEqual(refusal)
      expect(Object.keys(answer.headers)).toEqual(Object.keys(refusals[0].headers))
    }
  })
})

describe('a key with scopes of its own', () => {
  it('is 403 beyond them, after its nonce was spent', async () => {
    const shot = revoke('alice')
    const headers = v2(shot, { keyId: 'reader' })
    expect(await statusOf(shot, headers)).toBe(403)
    await expectRefused(shot, headers)
    expect(await statusOf(status, v2(status, { keyId: 'reader' }))).toBe(200)
  })

  it('never unlocks, since no signature does', async () => {
    const shot: Shot = { target: '/v1/unlock', body: '{"subject":"alice"}' }
    for (const keyId of ['legacy', 'modern', 'bound'] as const)
      expect(await statusOf(shot, v2(shot, { keyId }))).toBe(403)
  })
})

describe('what an operator sees', () => {
  it('is who still signs as v1, and when each key was last used', async () => {
    await fire(status, v1('', { service: 'old-caller' }))
    const { text } = await fire({ method: 'GET', target: '/metrics' })
    expect(text).toMatch(/^v1_requests_total\{service="old-caller"\} 1$/m)
    expect(text).toMatch(
      /^auth_key_last_used_timestamp_seconds\{scheme="hmac-v1",key_id="legacy",.*\} \d{10}$/m,
    )
    expect(text).toMatch(/^auth_failures_total\{reason="wrong_service",.*\} \d+$/m)
  })
})
