import { createSigner, createSignerV2 } from '@herald/auth'
import {
  createFaultProxy,
  sendRaw,
  startRedis,
  startService,
  startSmtpServer,
  type RawAnswer,
} from '@herald/testing'
import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const apiKey = 'a-key-of-the-attacks-0123456789abcdef'
const secretOf = (name: string) => createHash('sha256').update(`smtp attacks ${name}`).digest('hex')
const hmacKeys = {
  legacy: secretOf('legacy'),
  modern: { secret: secretOf('modern'), minVersion: 2 },
  bound: { secret: secretOf('bound'), service: 'herald' },
  reader: { secret: secretOf('reader'), scopes: ['smtp:read'] },
}
type Signing = { keyId?: string; secret?: string; service?: string; offsetSeconds?: number }

let subject = 0
/** A mail of its own each time, so that no two signatures are equal by chance. */
const mail = () => ({
  target: '/v1/send',
  body: JSON.stringify({ to: `u${(subject += 1)}@x.example`, subject: 'Login', body: 'Code 123456' }),
})
type Shot = { method?: string; target: string; body?: string }

const optionsOf = ({ keyId = 'legacy', secret, service = 'herald', offsetSeconds = 0 }: Signing) => ({
  keyId,
  secret: secret ?? secretOf(keyId),
  service,
  now: () => Date.now() + offsetSeconds * 1000,
  randomBytes,
})
const v1 = ({ body = '' }: Shot, how: Signing = {}) => createSigner(optionsOf(how))(Buffer.from(body))
function v2({ method = 'POST', target, body = '' }: Shot, how: Signing = {}) {
  const [path = '', query = ''] = target.split('?')
  return createSignerV2(optionsOf(how))({ method, path, query, body: Buffer.from(body) })
}

const seen = ({ status, text }: RawAnswer) => [status, text.replace(/"request_id":"[^"]*"/, '')]

let relay: Awaited<ReturnType<typeof startSmtpServer>>
let redis: Awaited<ReturnType<typeof startRedis>>
let replicas: Awaited<ReturnType<typeof startService>>[]
let refusal: unknown[]

const environment = (redisPort: number) => ({
  ENVIRONMENT: 'test',
  API_KEY: apiKey,
  HERALD_SMTP_HMAC_KEYS: JSON.stringify(hmacKeys),
  SMTP_HOST: '127.0.0.1',
  SMTP_PORT: String(relay.port),
  SMTP_USE_STARTTLS: 'false',
  SMTP_FROM: 'noreply@herald.example',
  REDIS_ADDR: `127.0.0.1:${redisPort}`,
})
const fire = (shot: Shot, headers: Record<string, string | string[]> = {}, at = 0) =>
  sendRaw(replicas[at]!.url, { ...shot, headers: { 'Content-Type': 'application/json', ...headers } })
const statusOf = async (shot: Shot, headers: Record<string, string | string[]>, at = 0) =>
  (await fire(shot, headers, at)).status
async function expectRefused(shot: Shot, headers: Record<string, string | string[]>) {
  expect(seen(await fire(shot, headers))).toEqual(refusal)
}

beforeAll(async () => {
  relay = await startSmtpServer()
  redis = await startRedis()
  const start = () => startService('herald-smtp', environment(redis.port))
  replicas = await Promise.all([start(), start()])
  refusal = seen(await fire(mail()))
})
afterAll(async () => {
  await Promise.all(replicas.map((replica) => replica.stop()))
  await redis.stop()
  await relay.stop()
})

describe('attack 1: a v1 GET signature', () => {
  it('opens nothing here', async () => {
    expect(refusal[0]).toBe(401)
    const get = { method: 'GET', target: '/v1/send' }
    expect(await statusOf(get, v1(get))).not.toBe(200)
  })
})

describe('attack 3: the same request twice', () => {
  it('lets a v2 request pass once, over two replicas, and sends one mail', async () => {
    const shot = mail()
    const headers = v2(shot)
    const before = relay.messages.length
    const answers = await Promise.all(Array.from({ length: 16 }, (_, n) => fire(shot, headers, n % 2)))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    for (const answer of answers) if (answer.status !== 200) expect(seen(answer)).toEqual(refusal)
    expect(relay.messages.length).toBe(before + 1)
  })

  it('answers a v1 send again and mails nothing a second time', async () => {
    const shot = mail()
    const headers = v1(shot)
    const before = relay.messages.length
    const first = await fire(shot, headers)
    const second = await fire(shot, { ...headers, 'Idempotency-Key': 'another' }, 1)
    expect(first.status).toBe(200)
    expect(seen(second)).toEqual(seen(first))
    expect(relay.messages.length).toBe(before + 1)
  })
})

describe('attack 5: the v2 headers stripped, a v1 signature left', () => {
  it('is 401 for a key with minVersion 2', async () => {
    const shot = mail()
    const { 'X-Signature-Version': _version, ...stripped } = v2(shot, { keyId: 'modern' })
    await expectRefused(shot, stripped)
    await expectRefused(shot, v1(shot, { keyId: 'modern' }))
    await expectRefused(shot, { ...v1(shot), 'X-Signature-Version': 'v2', 'X-API-Key': apiKey })
    expect(await statusOf(shot, v2(shot, { keyId: 'modern' }))).toBe(200)
  })
})

describe('attack 6: a wrong credential beside a right one', () => {
  it('is 401 whichever of them is wrong', async () => {
    const shot = mail()
    const wrong = { secret: secretOf('another') }
    await expectRefused(shot, { ...v1(shot, wrong), 'X-API-Key': apiKey })
    await expectRefused(shot, { ...v2(shot, wrong), 'X-API-Key': apiKey })
    await expectRefused(shot, { ...v2(shot), 'X-API-Key': 'wrong' })
  })
})

describe('attack 7: key A claims service B', () => {
  it('is 401, and one key for each service keeps a TOTP signature from working here', async () => {
    const shot = mail()
    await expectRefused(shot, v2(shot, { keyId: 'bound', service: 'stargate' }))
    await expectRefused(shot, v1(shot, { keyId: 'bound', service: 'stargate' }))
    await expectRefused(shot, v2(shot, { secret: secretOf('of herald-totp') }))
    expect(await statusOf(shot, v2(shot, { keyId: 'bound' }))).toBe(200)
  })
})

describe('attack 8: authentication headers sent twice, and an encoded body', () => {
  it('is 401 with the same body, and 415', async () => {
    const shot = mail()
    for (const name of Object.keys(v2(shot))) {
      const right = v2(shot)
      const value = right[name] ?? ''
      await expectRefused(shot, { ...right, [name]: [value, value] })
    }
    expect(await statusOf(shot, { ...v2(shot), 'Content-Encoding': 'gzip' })).toBe(415)
  })
})

describe('attack 9: a stretched timestamp', () => {
  it('is 401 beyond 60 seconds in v2 and 300 in v1', async () => {
    const shot = mail()
    await expectRefused(shot, v2(shot, { offsetSeconds: -61 }))
    await expectRefused(shot, v1(shot, { offsetSeconds: -301 }))
    expect(await statusOf(shot, v2(shot, { offsetSeconds: 60 }))).toBe(200)
  })
})

describe('attack 10: a target in disguise', () => {
  it.each(['//v1/send', '/v1/%2e%2e/v1/send', '/v1\\send', '/v1/%73end', '/v1/send?a=\\'])(
    '%s is 400, also when it was signed so',
    async (target) => {
      const shot = { ...mail(), target }
      expect(await statusOf(shot, v2(shot))).toBe(400)
    },
  )
})

describe('attack 11: a flood of nonces that nobody signed', () => {
  it('takes no nonce from its owner', async () => {
    const shot = mail()
    const right = v2(shot)
    await Promise.all(
      Array.from({ length: 20 }, () => expectRefused(shot, { ...right, 'X-Signature': '0'.repeat(64) })),
    )
    expect(await statusOf(shot, right)).toBe(200)
  })
})

describe('attack 12: Redis is down', () => {
  it('is 503, and no mail leaves', async () => {
    const lost = await startRedis()
    const proxy = await createFaultProxy({ host: '127.0.0.1', port: lost.port })
    const down = await startService('herald-smtp', environment(proxy.port))
    try {
      const shot = mail()
      const before = relay.messages.length
      proxy.cut()
      await lost.stop()
      const headers = { 'Content-Type': 'application/json', ...v2(shot) }
      expect((await sendRaw(down.url, { ...shot, headers })).status).toBe(503)
      expect(relay.messages.length).toBe(before)
    } finally {
      await down.stop()
      await proxy.close()
    }
  })
})

describe('attack 13: key ids are guessed', () => {
  it('answers every refusal alike', async () => {
    const shot = mail()
    await expectRefused(shot, v2(shot, { keyId: 'unknown' }))
    await expectRefused(shot, v1(shot, { keyId: 'unknown' }))
    await expectRefused(shot, v2(shot, { secret: secretOf('another') }))
    await expectRefused(shot, { 'X-API-Key': `hk_live_${'A'.repeat(10)}_${'B'.repeat(49)}` })
  })
})

describe('a key with scopes of its own', () => {
  it('is 403 beyond them', async () => {
    const shot = mail()
    expect(await statusOf(shot, v2(shot, { keyId: 'reader' }))).toBe(403)
  })
})
