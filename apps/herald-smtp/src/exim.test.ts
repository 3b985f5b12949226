import {
  createTestCertificates,
  eximUser,
  obtainExim,
  startExim,
  type EximServer,
  type TestCertificates,
} from '@herald/testing'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestedService } from './app.fixture.ts'

const binary = await obtainExim()

describe.skipIf(binary === undefined)('on a real mail server', () => {
  const folder = mkdtempSync(join(tmpdir(), 'herald-smtp-exim-'))
  let certificates: TestCertificates
  let exim: EximServer
  beforeAll(async () => {
    certificates = await createTestCertificates()
    writeFileSync(join(folder, 'ca.pem'), certificates.ca)
    exim = await startExim(String(binary), certificates.valid)
  })
  afterAll(async () => {
    await exim.stop()
    rmSync(folder, { recursive: true })
  })

  const start = (changes: Record<string, string> = {}) =>
    startTestedService({
      SMTP_PORT: String(exim.starttlsPort),
      SMTP_USE_STARTTLS: 'true',
      SMTP_CA_FILE: join(folder, 'ca.pem'),
      SMTP_USER: eximUser.user,
      SMTP_PASSWORD: eximUser.password,
      ...changes,
    })
  const mailTo = (to: string, subject = 'Login') => ({ to, subject, body: 'Code 123456' })
  const recipients = async () => (await exim.spooled()).join('\n')

  it.each([
    ['STARTTLS', () => ({})],
    ['implicit TLS', () => ({ SMTP_PORT: String(exim.implicitPort), SMTP_USE_TLS: 'true' })],
  ])('delivers over %s with AUTH and an authority of our own', async (name, changes) => {
    const service = await start(changes())
    const to = `${name.toLowerCase().replace(' ', '-')}@ex.com`
    const { status, body } = await service.send(mailTo(to))
    expect(status).toBe(200)
    expect(body['upstream_response_id']).toMatch(/^[\w-]{10,}$/)
    expect(await recipients()).toContain(to)
  })

  it.each([
    ['full@ex.com', 'Login', 422, 'invalid_destination', 'mailbox_full', '5.2.2'],
    ['nobody@ex.com', 'Login', 422, 'invalid_destination', 'invalid_destination', '5.1.1'],
    ['grey@ex.com', 'Login', 503, 'send_failed', 'greylisted', '4.2.0'],
    ['ada@elsewhere.example', 'Login', 502, 'send_failed', 'policy', undefined],
    ['ada@ex.com', 'spam', 502, 'send_failed', 'policy', '5.7.1'],
  ])(
    'reports what it says of %s (%s) by its row: %i',
    async (to, subject, status, errorCode, reason, enhanced) => {
      const service = await start()
      const refused = await service.send(mailTo(to, subject))
      expect(refused.status).toBe(status)
      expect(refused.body).toMatchObject({
        ok: false,
        error_code: errorCode,
        reason,
        outcome: 'not_sent',
        ...(enhanced && { enhanced_code: enhanced }),
      })
      expect(refused.headers.has('Retry-After')).toBe(reason === 'greylisted')
      expect((await service.send(mailTo('after@ex.com'))).status).toBe(200)
    },
  )

  it("reports a refused login as its own trouble and not as the caller's", async () => {
    const service = await start({ SMTP_PASSWORD: 'wrong' })
    expect(await service.send(mailTo('ada@ex.com'))).toMatchObject({
      status: 503,
      body: { error_code: 'provider_down', reason: 'upstream_auth', phase: 'auth', smtp_code: 535 },
    })
  })

  it('sends nothing to a server whose certificate nobody vouches for', async () => {
    const stranger = await startExim(String(binary), certificates.unknownAuthority)
    try {
      const service = await start({ SMTP_PORT: String(stranger.starttlsPort) })
      expect(await service.send(mailTo('ada@ex.com'))).toMatchObject({
        status: 503,
        body: { reason: 'upstream_down', phase: 'tls', outcome: 'not_sent' },
      })
      expect(await stranger.spooled()).toEqual([])
    } finally {
      await stranger.stop()
    }
  })

  it('goes over one connection for many mails', async () => {
    const service = await start()
    for (let n = 0; n < 20; n++) expect((await service.send(mailTo(`u${n}@ex.com`))).status).toBe(200)
    expect(await service.metrics()).toMatch(/herald_smtp_dials_total\{[^}]*\} 1\n/)
  })
})
