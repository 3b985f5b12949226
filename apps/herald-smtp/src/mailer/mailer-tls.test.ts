import { createSecret } from '@herald/config'
import { createTestCertificates, type SmtpServerOptions } from '@herald/testing'
import { beforeAll, describe, expect, it } from 'vitest'

import { mailerFor, messageTo, serverFor, within, type MailerChanges } from './mailer.fixture.ts'

const message = messageTo('ada@example.com')
const password = 'correct horse battery staple'
const auth = { user: 'mailer', password: createSecret(password) }
const users = { mailer: password }

let certificates: Awaited<ReturnType<typeof createTestCertificates>>
beforeAll(async () => {
  certificates = await createTestCertificates()
})

async function sendSecurely(server: SmtpServerOptions, mailer: MailerChanges = {}) {
  const started = await serverFor({ tls: 'starttls', certificate: certificates.valid, ...server })
  const sender = mailerFor(started, { tls: 'required-starttls', ca: certificates.ca, ...mailer })
  const attempt = await sender.send(message, within(1_000))
  return { server: started, attempt, logged: sender.logged }
}

describe('TLS', () => {
  it.each(['starttls', 'implicit'] as const)('carries credentials and message, %s', async (tls) => {
    const { server, attempt } = await sendSecurely(
      { tls, authMechanisms: ['PLAIN'], users },
      { tls: tls === 'implicit' ? 'implicit' : 'required-starttls', auth, host: 'localhost' },
    )
    expect(attempt.outcome).toBe('accepted')
    expect(server.messages[0]).toMatchObject({ secure: true, user: 'mailer' })
    const inClear = server.record.commands
      .filter(({ secure }) => !secure)
      .map(({ line }) => line.split(' ')[0])
    expect(inClear).toEqual(tls === 'implicit' ? [] : ['EHLO', 'STARTTLS'])
  })

  it('sends nothing in clear when STARTTLS is stripped from the offer and refused', async () => {
    const { server, attempt } = await sendSecurely(
      { tls: 'none', authMechanisms: ['PLAIN'], users },
      { auth },
    )
    expect(attempt).toMatchObject({ outcome: 'not_sent', phase: 'tls', cause: 'tls' })
    expect(server.record.commands.map(({ line }) => line.split(' ')[0])).toEqual(['EHLO', 'STARTTLS'])
    expect(server.messages).toHaveLength(0)
  })

  it('is used although STARTTLS is stripped from the offer, if the server does it', async () => {
    const { server, attempt } = await sendSecurely({ hideStarttls: true })
    expect(attempt.outcome).toBe('accepted')
    expect(server.messages[0]?.secure).toBe(true)
  })

  it('is left alone only where the settings say so', async () => {
    const { server, attempt } = await sendSecurely({}, { tls: 'none' })
    expect(attempt.outcome).toBe('accepted')
    expect(server.count('STARTTLS')).toBe(0)
  })

  it('is not replaced by HELO in clear when EHLO is refused', async () => {
    const server = await serverFor({ tls: 'starttls', certificate: certificates.valid })
    server.on('ehlo', { code: 502, text: 'No' }, { times: 1 })
    const mailer = mailerFor(server, { tls: 'required-starttls', ca: certificates.ca })
    expect(await mailer.send(message, within(1_000))).toMatchObject({
      outcome: 'not_sent',
      phase: 'connect',
      code: 502,
    })
    expect(server.count('HELO')).toBe(0)
  })

  it.each([
    ['unknownAuthority', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    ['wrongName', 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ['expired', 'CERT_HAS_EXPIRED'],
  ] as const)('refuses a certificate that is bad: %s', async (kind, detail) => {
    for (const tls of ['starttls', 'implicit'] as const) {
      const { server, attempt, logged } = await sendSecurely(
        { certificate: certificates[kind], tls, authMechanisms: ['PLAIN'], users },
        { auth, tls: tls === 'implicit' ? tls : 'required-starttls' },
      )
      expect(attempt).toEqual({ upstream: 'primary', outcome: 'not_sent', phase: 'tls', cause: 'tls' })
      expect(logged).toEqual([{ upstream: 'primary', phase: 'tls', cause: 'tls', detail }])
      expect(server.count('AUTH') + server.count('MAIL')).toBe(0)
    }
  })

  it('takes a bad certificate only when verification is switched off', async () => {
    const { attempt } = await sendSecurely(
      { certificate: certificates.expired },
      { rejectUnauthorized: false },
    )
    expect(attempt.outcome).toBe('accepted')
  })

  it('refuses TLS 1.1', async () => {
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const
    const { attempt } = await sendSecurely({ certificate: { ...certificates.valid, ...old } })
    expect(attempt).toMatchObject({ outcome: 'not_sent', phase: 'tls', cause: 'tls' })
  })

  it.each([
    ['TLSv1.2', 'starttls'],
    ['TLSv1.3', 'starttls'],
    ['TLSv1.3', 'implicit'],
  ] as const)('resumes its session on redial, %s %s', async (version, tls) => {
    const server = await serverFor({
      tls,
      certificate: { ...certificates.valid, minVersion: version, maxVersion: version },
    })
    const mailer = mailerFor(server, {
      tls: tls === 'implicit' ? tls : 'required-starttls',
      ca: certificates.ca,
      messagesPerConnection: 1,
    })
    for (let sent = 0; sent < 3; sent += 1) {
      expect((await mailer.send(message, within(1_000))).outcome).toBe('accepted')
    }
    expect(server.connections().accepted).toBe(3)
    expect(server.record.resumedHandshakes).toBe(2)
    expect(mailer.stats().resumedSessions).toBe(2)
  })
})

describe('AUTH', () => {
  it.each(['PLAIN', 'LOGIN'])('proves who sends, %s', async (mechanism) => {
    const { server, attempt } = await sendSecurely({ authMechanisms: [mechanism], users }, { auth })
    expect(attempt.outcome).toBe('accepted')
    expect(server.messages[0]?.user).toBe('mailer')
  })

  it.each([
    ['nothing', []],
    ['only what we do not speak', ['GSSAPI', 'CRAM-MD5']],
  ])('fails and sends nothing when %s is offered', async (_, authMechanisms) => {
    const { server, attempt } = await sendSecurely({ authMechanisms }, { auth })
    expect(attempt).toEqual({ upstream: 'primary', outcome: 'not_sent', phase: 'auth', cause: 'auth' })
    expect(server.count('AUTH') + server.count('MAIL')).toBe(0)
  })

  it('fails where only HELO is known, which offers nothing', async () => {
    const server = await serverFor({ authMechanisms: ['PLAIN'], users })
    server.on('ehlo', { code: 502, text: 'No' }, { times: 1 })
    const attempt = await mailerFor(server, { auth }).send(message, within(1_000))
    expect(attempt).toMatchObject({ outcome: 'not_sent', phase: 'auth', cause: 'auth' })
    expect(server.count('AUTH')).toBe(0)
  })

  it('shows its password in no outcome and no log line', async () => {
    const wrong = { user: 'mailer', password: createSecret('secret-marker') }
    const { server, attempt, logged } = await sendSecurely(
      { authMechanisms: ['PLAIN'], users },
      { auth: wrong },
    )
    expect(attempt).toMatchObject({ phase: 'auth', cause: 'reply', code: 535, enhancedCode: '5.7.8' })
    expect(server.count('AUTH')).toBe(1)
    const shown = JSON.stringify([attempt, logged])
    expect(logged).toHaveLength(1)
    expect(shown).not.toContain('secret-marker')
    expect(shown).not.toContain(Buffer.from('\0mailer\0secret-marker').toString('base64'))
  })
})

describe('probe', () => {
  it('says yes after connection, TLS and AUTH, and leaves by QUIT', async () => {
    const server = await serverFor({
      tls: 'starttls',
      certificate: certificates.valid,
      authMechanisms: ['PLAIN'],
      users,
    })
    const mailer = mailerFor(server, { tls: 'required-starttls', ca: certificates.ca, auth })
    expect(await mailer.probe()).toEqual({ ok: true })
    expect([server.count('AUTH'), server.count('QUIT'), server.count('MAIL')]).toEqual([1, 1, 0])
    await expect.poll(() => server.connections().open).toBe(0)
  })

  it('names the phase that failed', async () => {
    const server = await serverFor({ authMechanisms: ['PLAIN'], users: { mailer: 'other' } })
    expect(await mailerFor(server, { auth }).probe()).toEqual({
      ok: false,
      phase: 'auth',
      cause: 'reply',
      code: 535,
      enhancedCode: '5.7.8',
    })
  })

  it('ends in its own time when the server hangs', async () => {
    const server = await serverFor()
    server.on('ehlo', 'silence')
    const mailer = mailerFor(server, { timeouts: { probeMs: 50 } })
    expect(await mailer.probe()).toEqual({ ok: false, phase: 'connect', cause: 'timeout' })
  })
})
