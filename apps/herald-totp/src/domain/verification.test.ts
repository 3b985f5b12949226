import { BoxError } from '@herald/crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { enrol, openDomain, type Domain } from '../../test/domain-harness.ts'

let domain: Domain

beforeEach(async () => {
  domain = await openDomain()
})

afterEach(async () => {
  await domain.close()
})

describe('verify', () => {
  it('accepts two unused codes inside one server step, each once', async () => {
    const alice = await enrol(domain, 'alice')
    for (const code of [alice.code(0), alice.code(1)]) {
      expect(await domain.verify({ subject: 'alice', code })).toMatchObject({ ok: true, method: 'totp' })
      expect(await domain.verify({ subject: 'alice', code })).toEqual({ ok: false, reason: 'replayed' })
    }
  })

  it('accepts one code once at the server steps before, at and after its own', async () => {
    const alice = await enrol(domain, 'alice')
    const code = alice.code(1)
    const answers = []
    for (let step = 0; step < 3; step += 1) {
      answers.push((await domain.verify({ subject: 'alice', code })).ok)
      domain.clock.advance(30)
    }
    expect(answers).toEqual([true, false, false])
  })

  it('accepts no older code once a newer one was used', async () => {
    const alice = await enrol(domain, 'alice')
    expect((await domain.verify({ subject: 'alice', code: alice.code(1) })).ok).toBe(true)
    expect(await domain.verify({ subject: 'alice', code: alice.code(0) })).toEqual({
      ok: false,
      reason: 'replayed',
    })
  })

  it('does not accept the code that confirmed the enrolment', async () => {
    const alice = await enrol(domain, 'alice')
    expect(await domain.verify({ subject: 'alice', code: alice.code(-1) })).toEqual({
      ok: false,
      reason: 'replayed',
    })
  })

  it('accepts each backup code once and counts what is left', async () => {
    const { backupCodes } = await enrol(domain, 'alice')
    for (const [index, code] of backupCodes.entries()) {
      expect(await domain.verify({ subject: 'alice', code })).toEqual({
        ok: true,
        method: 'backup_code',
        backupCodesRemaining: 9 - index,
        issuedAt: domain.clock.now() / 1000,
      })
      expect(await domain.verify({ subject: 'alice', code })).toEqual({ ok: false, reason: 'replayed' })
    }
  })

  it('leaves a right code unused when its challenge was used', async () => {
    const alice = await enrol(domain, 'alice')
    const challengeId = 'c1'
    expect((await domain.verify({ subject: 'alice', code: alice.code(0), challengeId })).ok).toBe(true)
    const code = alice.code(1)
    expect(await domain.verify({ subject: 'alice', code, challengeId })).toEqual({
      ok: false,
      reason: 'replayed',
    })
    expect((await domain.verify({ subject: 'alice', code })).ok).toBe(true)
  })

  it('keeps challenges of two subjects apart', async () => {
    const [alice, bob] = [await enrol(domain, 'alice'), await enrol(domain, 'bob')]
    const challengeId = 'c1'
    expect((await domain.verify({ subject: 'alice', code: alice.code(0), challengeId })).ok).toBe(true)
    expect((await domain.verify({ subject: 'bob', code: bob.code(0), challengeId })).ok).toBe(true)
  })

  it('keeps backup codes usable while TOTP waits', async () => {
    const alice = await enrol(domain, 'alice')
    for (let n = 0; n < 5; n += 1) await domain.verify({ subject: 'alice', code: alice.wrong(n) })
    expect(await domain.verify({ subject: 'alice', code: alice.code(0) })).toMatchObject({
      reason: 'rate_limited',
      retryAfterSeconds: 30,
    })
    expect((await domain.verify({ subject: 'alice', code: alice.backupCodes[0]! })).ok).toBe(true)
  })

  it('refuses to open the credential of one subject as that of another', async () => {
    const [alice] = [await enrol(domain, 'alice'), await enrol(domain, 'bob')]
    const foreign = await domain.store.findSubject('bob')
    expect(() =>
      domain.judge(foreign, { subject: 'alice', code: alice.code(0), now: domain.clock.now() }),
    ).toThrow(BoxError)
  })
})

describe('verify of an unknown subject', () => {
  const guesses = ['123456', 'ABCD-EFGH-JKLM-NPQR', 'nonsense', '12345678', ' ', '１２３４５６']

  it('answers a sequence of guesses exactly as for a subject whose codes they are not', async () => {
    const alice = await enrol(domain, 'alice')
    const sequence = [...guesses, ...Array.from({ length: 30 }, (_, n) => alice.wrong(n))]
    for (const code of sequence) {
      const [known, unknown] = [
        await domain.verify({ subject: 'alice', code }),
        await domain.verify({ subject: 'nobody', code }),
      ]
      expect(unknown).toEqual(known)
      domain.clock.advance(7)
    }
  })

  it('answers backup guesses as for a known subject, through the end of their budget', async () => {
    await enrol(domain, 'alice')
    for (let n = 0; n < 25; n += 1) {
      const code = `ABCD-EFGH-JKLM-NP${'ABCDEFGHJKLMNPQRSTUVWXYZ2'.charAt(n)}R`
      const known = await domain.verify({ subject: 'alice', code })
      expect(await domain.verify({ subject: 'nobody', code })).toEqual(known)
      expect(known).toMatchObject({ reason: n < 20 ? 'wrong_code' : 'rate_limited' })
    }
  })

  it('opens as many boxes as for a known one', async () => {
    await enrol(domain, 'alice')
    const openedFor = async (subject: string, code: string) => {
      const before = domain.opened()
      await domain.verify({ subject, code })
      return domain.opened() - before
    }
    for (const code of guesses) expect(await openedFor('nobody', code)).toBe(await openedFor('alice', code))
    expect(await openedFor('nobody', '123456')).toBe(1)
    expect(await openedFor('nobody', 'ABCD-EFGH-JKLM-NPQR')).toBe(1)
  })
})

describe('the limit of a client address', () => {
  const address = '203.0.113.7'

  beforeEach(async () => {
    await domain.close()
    domain = await openDomain({ perAddressMinute: 3 })
  })

  it('counts wrong codes of all subjects', async () => {
    for (const subject of ['a', 'b', 'c'])
      expect(await domain.verify({ subject, code: '123456', address })).toMatchObject({
        reason: 'wrong_code',
      })
    expect(await domain.verify({ subject: 'd', code: '123456', address })).toEqual({
      ok: false,
      reason: 'rate_limited',
      retryAfterSeconds: 20,
    })
  })

  it('counts neither what is accepted nor what is replayed', async () => {
    const alice = await enrol(domain, 'alice')
    const code = alice.code(0)
    expect((await domain.verify({ subject: 'alice', code, address })).ok).toBe(true)
    for (let n = 0; n < 5; n += 1)
      expect(await domain.verify({ subject: 'alice', code, address })).toMatchObject({ reason: 'replayed' })
  })

  it('does not hold for a client nobody stated', async () => {
    for (let n = 0; n < 5; n += 1)
      expect(await domain.verify({ subject: `s${n}`, code: '123456' })).toMatchObject({
        reason: 'wrong_code',
      })
  })
})
