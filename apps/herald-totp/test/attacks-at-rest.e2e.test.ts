import { runService } from '@herald/testing'
import { createCipheriv, randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { subjectTag } from '../src/store/subject-tag.ts'
import { baseEnv, openEngine, startTotp } from './service-harness.ts'

let store: Awaited<ReturnType<typeof openEngine>>
let service: Awaited<ReturnType<typeof startTotp>>
let redis: Redis

beforeAll(async () => {
  store = await openEngine('redis')
  service = await startTotp(store.env)
  redis = new Redis(`redis://${store.env['REDIS_ADDR']}`)
})

afterAll(async () => {
  redis.disconnect()
  await service.stop()
  await store.close()
})

const keyOf = (subject: string) => `totp:{${subjectTag(subject)}}:subject`

/** The one credential of a subject as it lies in the store. */
async function credentialOf(subject: string) {
  const fields = await redis.hgetall(keyOf(subject))
  const field = Object.keys(fields).find((name) => name.startsWith('credential:'))!
  return { field, credential: JSON.parse(fields[field]!) as { box: string } }
}

async function putBox(subject: string, box: string) {
  const { field, credential } = await credentialOf(subject)
  await redis.hset(keyOf(subject), field, JSON.stringify({ ...credential, box }))
}

async function alarms(code: string): Promise<number> {
  const text = await (await fetch(`${service.url}/metrics`)).text()
  return Number(
    new RegExp(`^herald_totp_box_errors_total\\{code="${code}"[^ ]* (\\d+)$`, 'm').exec(text)?.[1] ?? 0,
  )
}

/** A fault of the store is neither a pass nor a wrong code; it is counted, and nothing of the box is told. */
async function expectAlarm(subject: string, typed: string, code: string) {
  const before = await alarms(code)
  const answer = await service.caller.verify(subject, typed)
  expect({ status: answer.status, reason: answer.body['reason'] }).toEqual({
    status: 500,
    reason: 'internal_error',
  })
  expect(await alarms(code)).toBe(before + 1)
  await expect.poll(() => service.output()).toContain(String(answer.body['request_id']))
}

describe('attack 14: a writer of the store moves the ciphertext of Bob to Alice', () => {
  it('is 500 and an alarm, whatever code is typed', async () => {
    const bob = await service.caller.enrol('bob-14')
    const alice = await service.caller.enrol('alice-14')
    await putBox('alice-14', (await credentialOf('bob-14')).credential.box)
    await expectAlarm('alice-14', bob.code(1), 'mismatch')
    await expectAlarm('alice-14', alice.code(1), 'mismatch')
  })

  it('is 500 and an alarm for the box of an enrolment put into a credential', async () => {
    const { code } = await service.caller.enrol('alice-14b')
    await service.caller.start('mallory-14b')
    const pending = await redis.hvals(`totp:{${subjectTag('mallory-14b')}}:enrollments`)
    await putBox('alice-14b', (JSON.parse(pending[0]!) as { box: string }).box)
    await expectAlarm('alice-14b', code(1), 'mismatch')
  })

  it('is 500 and an alarm for backup codes of another', async () => {
    const bob = await service.caller.enrol('bob-14c')
    await service.caller.enrol('alice-14c')
    await redis.hset(keyOf('alice-14c'), 'backupSet', (await redis.hget(keyOf('bob-14c'), 'backupSet'))!)
    await expectAlarm('alice-14c', bob.backupCodes[0]!, 'mismatch')
  })
})

describe('attack 15: a short tag, sloppy base64, an unknown or disabled key', () => {
  it.each<[string, (box: string) => string, string]>([
    ['four bytes of the tag', (box) => shortened(box, 12), 'mismatch'],
    ['a box that is cut off', (box) => box.slice(0, 60), 'malformed'],
    ['padding', (box) => `${box}=`, 'malformed'],
    ['the other alphabet', (box) => `${box.slice(0, -1)}+`, 'malformed'],
    ['a line break', (box) => `${box}\n`, 'malformed'],
    ['another version', (box) => box.replace('e1.', 'e2.'), 'malformed'],
    ['a key nobody has', (box) => box.replace(/^e1\.[^.]+/, 'e1.nobody'), 'unknown_key'],
  ])('is 500 and an alarm for %s, and no other key is tried', async (name, change, code) => {
    const subject = `alice-15 ${name}`
    const alice = await service.caller.enrol(subject)
    const { box } = (await credentialOf(subject)).credential
    await putBox(subject, change(box))
    await expectAlarm(subject, alice.code(1), code)
    await putBox(subject, box)
    expect((await service.caller.verify(subject, alice.code(1))).status).toBe(200)
  })
})

describe('attack 16: a blob of the original pasted into a record', () => {
  it('is 500 and an alarm', async () => {
    const alice = await service.caller.enrol('alice-16')
    const key = Buffer.from(baseEnv.HERALD_TOTP_ENCRYPTION_KEY.slice('base64:'.length), 'base64')
    const nonce = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', key, nonce)
    const sealed = Buffer.concat([
      nonce,
      cipher.update('JBSWY3DPEHPK3PXP'),
      cipher.final(),
      cipher.getAuthTag(),
    ])
    await putBox('alice-16', sealed.toString('base64'))
    await expectAlarm('alice-16', alice.code(1), 'malformed')
  })
})

describe('attack 17: an old record restored, its used step rolled back', () => {
  it('accepts no code again, because the step is kept apart from the record', async () => {
    const alice = await service.caller.enrol('alice-17')
    const before = await redis.dumpBuffer(keyOf('alice-17'))
    const code = alice.code(1)
    expect((await service.caller.verify('alice-17', code)).status).toBe(200)
    await redis.restore(keyOf('alice-17'), 0, before, 'REPLACE')
    const again = await service.caller.verify('alice-17', code)
    expect({ status: again.status, reason: again.body['reason'] }).toEqual({ status: 400, reason: 'replay' })
  })

  it('accepts no backup code again', async () => {
    const { backupCodes } = await service.caller.enrol('alice-17b')
    const before = await redis.dumpBuffer(keyOf('alice-17b'))
    expect((await service.caller.verify('alice-17b', backupCodes[0]!)).status).toBe(200)
    await redis.restore(keyOf('alice-17b'), 0, before, 'REPLACE')
    expect((await service.caller.verify('alice-17b', backupCodes[0]!)).body['reason']).toBe('replay')
  })
})

describe('attack 20: production with a sample key, without authentication, or with Redis in the clear', () => {
  const key = `hex:${randomBytes(32).toString('hex')}`
  const apiKey = randomBytes(32).toString('hex')
  const production = {
    ENVIRONMENT: 'production',
    API_KEY: apiKey,
    HERALD_TOTP_ENCRYPTION_KEY: key,
    REDIS_ADDR: '127.0.0.1:1',
  }

  it.each<[string, Record<string, string>, string]>([
    ['a sample key', { HERALD_TOTP_ENCRYPTION_KEY: '0123456789abcdef0123456789abcdef' }, 'EXAMPLE_VALUE'],
    ['a weak key', { API_KEY: 'short' }, 'WEAK_KEY'],
    ['no authentication', { API_KEY: '' }, 'NO_AUTH'],
    ['plaintext Redis in public', { REDIS_ADDR: '198.51.100.1:6379' }, 'REDIS_PLAINTEXT'],
    [
      'an unverified certificate',
      { REDIS_ADDR: '', REDIS_URL: 'rediss://127.0.0.1:1', REDIS_TLS_INSECURE_SKIP_VERIFY: 'true' },
      'TLS_VERIFY_OFF',
    ],
  ])('does not start with %s: 78, and no value is told', async (_case, env, code) => {
    const found = await runService('herald-totp', [], { ...production, ...env })
    expect(found).toMatchObject({ code: 78, output: expect.stringContaining(`"code":"${code}"`) })
    for (const secret of [key, apiKey, '0123456789abcdef0123456789abcdef'])
      expect(found.output).not.toContain(secret)
  })
})

/** The box without the last bytes of its tag. */
function shortened(box: string, bytes: number): string {
  const [version, id, payload] = box.split('.')
  return [version, id, Buffer.from(payload!, 'base64url').subarray(0, -bytes).toString('base64url')].join('.')
}
