import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createTestCertificates, startSmtpServer, type SmtpServerOptions } from '@herald/testing'
import { describe, expect, it, onTestFinished } from 'vitest'
import { runCommand } from './run-command.ts'

async function serverFor(options: SmtpServerOptions = {}) {
  const server = await startSmtpServer(options)
  onTestFinished(() => server.stop())
  return server
}

function file(name: string, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'herald-smtp-commands-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, name)
  writeFileSync(path, text, { mode: 0o600 })
  return path
}

async function run(upstreams: object[], ...words: string[]) {
  return runWith({}, upstreams, ...words)
}

async function runWith(changes: Record<string, string>, upstreams: object[], ...words: string[]) {
  const lines: string[] = []
  const env = {
    ENVIRONMENT: 'test',
    SMTP_UPSTREAMS: JSON.stringify(upstreams),
    SMTP_FROM: 'noreply@herald.example',
    ...changes,
  }
  const print = (line: string) => void lines.push(line)
  const world = { env, now: Date.now, randomBytes, onHangup: () => {}, print }
  return { code: await runCommand(words, world), lines }
}

const plain = (name: string, { port }: { port: number }) => ({ name, host: '127.0.0.1', port, tls: 'none' })

describe('verify and send-test', () => {
  it.each([['verify'], ['send-test', 'me@example.com']])(
    'do not reach a mail server in a way in which the service would not start: %s',
    async (...words) => {
      const { valid } = await createTestCertificates()
      const server = await serverFor({ tls: 'starttls', certificate: valid })
      const unverified = { host: '127.0.0.1', port: server.port, skip_tls_verify: true }
      const run = (changes: Record<string, string>) => runWith(changes, [unverified], ...words)
      const production = { ENVIRONMENT: 'production', API_KEY: 'kTq3Zs8Wm1Vx5Rb7Yc9Nd2Lf4Hg6Jp0Q' }
      await expect(run(production)).rejects.toThrow('SMTP_UPSTREAMS')
      expect(server.connections().accepted).toBe(0)
      expect((await run({ ...production, GATE_ACCEPT: 'TLS_VERIFY_OFF' })).code).toBe(0)
    },
  )
})

describe('config check', () => {
  it('refuses a trail that others can write with 78, as a start does', async () => {
    const trail = file('audit.log', '')
    const check = () => runWith({ AUDIT_FILE: trail }, [plain('one', { port: 25 })], 'config', 'check')
    expect((await check()).code).toBe(0)
    chmodSync(trail, 0o622)
    const { code, lines } = await check()
    expect(code).toBe(78)
    expect(lines.at(-1)).toContain('refused AUDIT_FILE can be written by others')
  })
})

describe('verify', () => {
  it('prints a line for each mail server, and fails when one of them does not let us in', async () => {
    const { ca, valid } = await createTestCertificates()
    const users = { herald: 'right' }
    const secured = { certificate: valid, authMechanisms: ['PLAIN'], users }
    const starttls = await serverFor({ tls: 'starttls', ...secured })
    const implicit = await serverFor({ tls: 'implicit', ...secured })
    const trusted = { host: 'localhost', ca_file: file('ca.pem', ca) }
    const auth = (password: string) => ({ user: 'herald', password_file: file('password', password) })
    const good = { ...trusted, name: 'one', port: starttls.port, auth: auth('right\n') }
    const bad = { ...trusted, name: 'two', port: implicit.port, tls: 'implicit', auth: auth('wrong') }
    const { code, lines } = await run([good, bad], 'verify')
    expect(code).toBe(1)
    expect(lines[0]).toMatch(/^UPSTREAM +ADDRESS +TLS +AUTH +RESULT$/)
    expect(lines[1]).toMatch(/^one +localhost:\d+ +starttls +password +ok in \d+ ms$/)
    expect(lines[2]).toMatch(/^two +localhost:\d+ +implicit +password +failed at auth: reply 535$/)
    expect((await run([good], 'verify')).code).toBe(0)
    expect(starttls.messages).toHaveLength(0)
  })
})

describe('send-test', () => {
  it('sends one mail through the first server that takes it, and says which', async () => {
    const [a, b] = [await serverFor(), await serverFor()]
    a.on('greeting', 'drop')
    const { code, lines } = await run([plain('a', a), plain('b', b)], 'send-test', 'me@example.com')
    expect(lines).toEqual([
      expect.stringMatching(/^accepted by b as 4TEST1234; Message-ID \S+@herald\.example$/),
    ])
    expect(code).toBe(0)
    expect(b.messages.map(({ to }) => to)).toEqual([['me@example.com']])
  })

  it('says why a mail was not taken', async () => {
    const server = await serverFor()
    server.on('rcpt', { code: 550, text: '5.1.1 No such user' })
    const { code, lines } = await run([plain('a', server)], 'send-test', 'me@example.com')
    expect(lines).toEqual(['not_sent: invalid_destination (a, at rcpt, reply 550 5.1.1)'])
    expect(code).toBe(1)
  })

  it('takes no address that the service would not take', async () => {
    const { code, lines } = await run([plain('a', { port: 1 })], 'send-test', 'Me <me@example.com>')
    expect(lines).toEqual(['the address is not one plain e-mail address'])
    expect(code).toBe(1)
  })
})
