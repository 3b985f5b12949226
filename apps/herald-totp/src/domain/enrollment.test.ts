import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { codeOf, openDomain, wrongCode, type Domain } from '../../test/domain-harness.ts'

let domain: Domain

beforeEach(async () => {
  domain = await openDomain()
})

afterEach(async () => {
  await domain.close()
})

async function start(subject = 'alice') {
  const started = await domain.enrollments.start({ subject, label: subject })
  if (!started.ok) throw new Error(started.reason)
  const code = (offset: number) => codeOf(started.secretBase32, domain.clock.now(), offset)
  return { ...started, code, wrong: (n = 0) => wrongCode(code, n) }
}

describe('start', () => {
  it('gives a fresh secret of 160 bits and the moment it expires', async () => {
    const [one, two] = [await start(), await start()]
    expect(one.secretBase32).toMatch(/^[A-Z2-7]{32}$/)
    expect(two.secretBase32).not.toBe(one.secretBase32)
    expect(two.enrollmentId).not.toBe(one.enrollmentId)
    expect(one.expiresAt).toBe(domain.clock.now() / 1000 + 600)
    expect(one.keyUri).toContain(`secret=${one.secretBase32}`)
  })

  it('takes a time to live that is no whole number of milliseconds', async () => {
    const odd = await openDomain({ ttlSeconds: 60.0001 })
    onTestFinished(odd.close)
    const started = await odd.enrollments.start({ subject: 'alice', label: 'alice' })
    expect(started).toMatchObject({ ok: true })
  })

  it('refuses a subject that is enrolled', async () => {
    const { enrollmentId, code } = await start()
    await domain.enrollments.confirm({ enrollmentId, code: code(0) })
    expect(await domain.enrollments.start({ subject: 'alice', label: 'alice' })).toEqual({
      ok: false,
      reason: 'already_enrolled',
    })
  })
})

describe('confirm', () => {
  it('enables nothing before a right code', async () => {
    const { enrollmentId, wrong } = await start()
    expect(await domain.enrollments.confirm({ enrollmentId, code: wrong() })).toEqual({
      ok: false,
      reason: 'wrong_confirmation',
    })
    expect(await domain.store.findSubject('alice')).toBeUndefined()
  })

  it('seals the secret anew: the box of the enrolment does not open as a credential', async () => {
    const { enrollmentId, code } = await start()
    const enrollment = await domain.store.findEnrollment(enrollmentId, domain.clock.now())
    await domain.enrollments.confirm({ enrollmentId, code: code(0) })
    const record = await domain.store.findSubject('alice')
    const [credential] = record!.credentials
    const moved = { ...record!, credentials: [{ ...credential!, box: enrollment!.box }] }
    const guess = { subject: 'alice', code: code(0), now: domain.clock.now() }
    expect(domain.judge(record, guess)).toMatchObject({ kind: 'totp' })
    expect(() => domain.judge(moved, guess)).toThrow('does not open here')
  })

  it('is expired for what is unknown, used, timed out or of another subject', async () => {
    const expired = { ok: false, reason: 'expired' }
    const { confirm } = domain.enrollments
    expect(await confirm({ enrollmentId: 'e_unknown', code: '123456' })).toEqual(expired)
    const { enrollmentId, code } = await start()
    expect(await confirm({ enrollmentId, code: code(0), subject: 'bob' })).toEqual(expired)
    expect((await confirm({ enrollmentId, code: code(0), subject: 'alice' })).ok).toBe(true)
    expect(await confirm({ enrollmentId, code: code(1) })).toEqual(expired)
    const late = await start('carol')
    domain.clock.advance(600)
    expect(await confirm({ enrollmentId: late.enrollmentId, code: late.code(0) })).toEqual(expired)
  })

  it('burns the enrolment after five wrong codes, of whatever shape', async () => {
    const { enrollmentId, code, wrong } = await start()
    for (const typed of [wrong(0), wrong(1), 'ABCD-EFGH-JKLM-NPQR', '12345', 'x'])
      expect(await domain.enrollments.confirm({ enrollmentId, code: typed })).toMatchObject({
        reason: 'wrong_confirmation',
      })
    expect(await domain.enrollments.confirm({ enrollmentId, code: code(0) })).toMatchObject({
      reason: 'expired',
    })
  })

  it('gives one set of backup codes however many confirm at once', async () => {
    const { enrollmentId, code } = await start()
    const confirmed = await Promise.all(
      Array.from({ length: 64 }, () => domain.enrollments.confirm({ enrollmentId, code: code(0) })),
    )
    expect(confirmed.filter(({ ok }) => ok)).toHaveLength(1)
  })
})
