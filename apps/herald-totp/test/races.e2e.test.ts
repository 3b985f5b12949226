import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openEngine, startTotp, tally, type Answer } from './service-harness.ts'

const atOnce = (times: number, call: (n: number) => Promise<Answer>) =>
  Promise.all(Array.from({ length: times }, (_, n) => call(n)))

describe.each(['sqlite', 'redis'] as const)('64 requests at once on %s', (engine) => {
  let store: Awaited<ReturnType<typeof openEngine>>
  let service: Awaited<ReturnType<typeof startTotp>>

  beforeAll(async () => {
    store = await openEngine(engine)
    service = await startTotp(store.env)
  })

  afterAll(async () => {
    await service.stop()
    await store.close()
  })

  it('accept one code once', async () => {
    const { code } = await service.caller.enrol('verifies')
    const next = code(1)
    const answers = await atOnce(64, () => service.caller.verify('verifies', next))
    expect(tally(answers)).toEqual({ 200: 1, '400 replay': 63 })
  })

  it('accept one backup code once', async () => {
    const { backupCodes } = await service.caller.enrol('backups')
    const answers = await atOnce(64, () => service.caller.verify('backups', backupCodes[0]!))
    expect(tally(answers)).toEqual({ 200: 1, '400 replay': 63 })
    expect((await service.caller.status('backups')).body['backup_codes_remaining']).toBe(9)
  })

  it('use ten different backup codes without losing one', async () => {
    const { backupCodes } = await service.caller.enrol('all-backups')
    const answers = await atOnce(10, (n) => service.caller.verify('all-backups', backupCodes[n]!))
    expect(tally(answers)).toEqual({ 200: 10 })
    expect((await service.caller.status('all-backups')).body['backup_codes_remaining']).toBe(0)
  })

  it('confirm one enrolment once, and the codes handed out are those that count', async () => {
    const { enroll_id, code } = await service.caller.start('confirms')
    const typed = code(0)
    const answers = await atOnce(64, () =>
      service.caller.post('/v1/enroll/confirm', { enroll_id, code: typed }),
    )
    expect(tally(answers)).toEqual({ 200: 1, '400 expired': 63 })
    const { body } = answers.find(({ status }) => status === 200)!
    const [first] = body['backup_codes'] as string[]
    expect((await service.caller.verify('confirms', first!)).status).toBe(200)
  })

  it('guess no more often than the budget allows, even when one of them is right', async () => {
    const { code, wrong } = await service.caller.enrol('guesses')
    const answers = await atOnce(64, (n) => service.caller.verify('guesses', wrong(n)))
    expect(tally(answers)).toEqual({ '401 invalid': 5, '429 rate_limited': 59 })
    expect(tally([await service.caller.verify('guesses', code(1))])).toEqual({ '429 rate_limited': 1 })
  })

  it('guess at an unknown subject within the same budget', async () => {
    const answers = await atOnce(64, (n) => service.caller.verify('nobody', String(100_000 + n)))
    expect(tally(answers)).toEqual({ '401 invalid': 5, '429 rate_limited': 59 })
  })

  it('guess at backup codes within their own budget', async () => {
    const { backupCodes } = await service.caller.enrol('backup-guesses')
    const answers = await atOnce(64, () => service.caller.verify('backup-guesses', 'ABCD-EFGH-JKLM-NPQR'))
    expect(tally(answers)).toEqual({ '401 invalid': 20, '429 rate_limited': 44 })
    expect((await service.caller.verify('backup-guesses', backupCodes[0]!)).status).toBe(429)
  })

  it('guess at one enrolment five times', async () => {
    const { enroll_id, code, wrong } = await service.caller.start('burned')
    const answers = await atOnce(64, (n) =>
      service.caller.post('/v1/enroll/confirm', { enroll_id, code: wrong(n) }),
    )
    expect(tally(answers)).toEqual({ '400 invalid': 5, '400 expired': 59 })
    const right = await service.caller.post('/v1/enroll/confirm', { enroll_id, code: code(0) })
    expect(tally([right])).toEqual({ '400 expired': 1 })
  })

  it('verify beside a revoke and never bring back what it removed', async () => {
    const { code } = await service.caller.enrol('revoked')
    const next = code(1)
    const [, ...answers] = await Promise.all([
      service.caller.post('/v1/revoke', { subject: 'revoked' }),
      ...Array.from({ length: 63 }, () => service.caller.verify('revoked', next)),
    ])
    expect(answers.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1)
    expect((await service.caller.status('revoked')).body['totp_enabled']).toBe(false)
    const after = await service.caller.verify('revoked', next)
    expect([401, 429]).toContain(after.status)
  })
})
