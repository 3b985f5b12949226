import { generateKeyPairSync } from 'node:crypto'
import type { FileReading } from '@herald/config'
import { inspect } from 'node:util'
import { startSmtpServer } from '@herald/testing'
import { describe, expect, it, onTestFinished } from 'vitest'
import { mailerFor, messageTo, within } from './mailer/mailer.fixture.ts'
import { createFileSecret, readUpstreams } from './upstreams.ts'

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const serviceAccount = JSON.stringify({
  client_email: 'sender@project.example',
  private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  private_key_id: 'key-1',
})

const files: Record<string, string> = {
  '/password': 'right\n',
  '/empty': '',
  '/account.json': serviceAccount,
}
function readFile(path: string): FileReading {
  const text = files[path]
  if (text === undefined) return { ok: false, message: 'names a file that does not exist' }
  return { ok: true, text, writableByOthers: false, readableByOthers: path === '/open' }
}

const read = (list: unknown) =>
  readUpstreams(typeof list === 'string' ? list : JSON.stringify(list), { readFile, connectionsMax: 16 })

describe('SMTP_UPSTREAMS', () => {
  it('takes a host alone, and then requires STARTTLS', () => {
    expect(read([{ host: 'mail.example.com' }])).toMatchObject({
      problems: [],
      upstreams: [
        {
          name: 'mail.example.com:587',
          port: 587,
          tls: 'required-starttls',
          rejectUnauthorized: true,
          connectionsMax: 16,
        },
      ],
    })
  })

  it('takes what each server needs', () => {
    const { problems, upstreams } = read([
      { host: 'a.example', port: 465, auth: { user: 'u', password_file: '/password', method: 'login' } },
      { host: 'b.example', tls: 'none', from: 'codes@B.example', connections: 2, name: 'b' },
      {
        host: 'c.example',
        auth: { method: 'xoauth2', user: 'u@c.example', service_account_file: '/account.json' },
      },
    ])
    expect(problems).toEqual([])
    expect(upstreams).toMatchObject([
      { tls: 'implicit', auth: { user: 'u', method: 'LOGIN' } },
      { name: 'b', tls: 'none', from: { address: 'codes@b.example' }, connectionsMax: 2 },
      {
        auth: {
          grant: {
            type: 'jwt_bearer',
            subject: 'u@c.example',
          },
        },
      },
    ])
  })

  const auth = { user: 'u', password_file: '/password' }
  const oauth = { method: 'xoauth2', user: 'u', client_id: 'c', client_secret_file: '/password' }
  it.each([
    ['text that is no JSON', '{', 'must be a JSON list'],
    ['an empty list', [], 'is wrong at its top'],
    ['an unknown field', [{ host: 'a', hots: 'b' }], 'is wrong at [0]'],
    ['a host that is none', [{ host: 'a\0b' }], 'is wrong at [0].host'],
    [
      'a user that would end its field',
      [{ host: 'a', auth: { ...auth, user: 'u\x01auth=' } }],
      'is wrong at [0].auth',
    ],
    ['a server without a host', [{ port: 25 }], 'is wrong at [0].host'],
    [
      'a password in the list itself',
      [{ host: 'a', auth: { user: 'u', password: 'x' } }],
      'is wrong at [0].auth',
    ],
    [
      'a missing file',
      [{ host: 'a', auth: { ...auth, password_file: '/none' } }],
      '[0].auth.password_file names',
    ],
    [
      'an empty file',
      [{ host: 'a', auth: { ...auth, password_file: '/empty' } }],
      '[0].auth.password_file names',
    ],
    ['a CA that is none', [{ host: 'a', ca_file: '/password' }], '[0].ca_file must name'],
    [
      'a token URL in clear',
      [{ host: 'a', auth: { ...oauth, token_url: 'http://x.example' } }],
      'is wrong at',
    ],
    ['two of one name', [{ host: 'a' }, { host: 'a' }], 'holds two upstreams named a:587'],
    ['a sender that is none', [{ host: 'a', from: 'A <a@b.example>' }], '[0].from must be'],
  ])('refuses %s', (_, list, problem) => {
    expect(read(list).problems.join('\n')).toContain(problem)
  })

  it('never repeats what stands in it', () => {
    const { problems } = read([{ host: 'a', auth: { user: 'u', password: 'hunter2-hunter2' } }])
    expect(problems.join()).not.toContain('hunter2')
  })
})

describe('the key file of a service account', () => {
  it('is exchanged without a restart, and stays what it was while the file holds none', () => {
    const exchanged = { ...files }
    const auth = { method: 'xoauth2', user: 'u@c.example', service_account_file: '/account.json' }
    const { upstreams } = readUpstreams(JSON.stringify([{ host: 'c.example', auth }]), {
      readFile: (path) => ({ ...readFile(path), ok: true, text: exchanged[path] ?? '' }) as FileReading,
      connectionsMax: 16,
    })
    const accounts = upstreams.map((upstream) => (upstream.auth as { grant: { account(): unknown } }).grant)
    const account = () => accounts[0]?.account()
    expect(account()).toMatchObject({ issuer: 'sender@project.example', keyId: 'key-1' })
    exchanged['/account.json'] = serviceAccount.replace('key-1', 'key-2')
    expect(account()).toMatchObject({ keyId: 'key-2' })
    exchanged['/account.json'] = '{"half": '
    expect(account()).toMatchObject({ keyId: 'key-2' })
  })
})

describe('a password in a file', () => {
  it('is exchanged without a restart: the next connection uses the new one', async () => {
    const users = { herald: 'old' }
    const server = await startSmtpServer({ authMechanisms: ['PLAIN'], users })
    onTestFinished(() => server.stop())
    const content = { '/secret': 'old\n' }
    const password = createFileSecret('/secret', 'old', () => ({
      ok: true,
      text: content['/secret'],
      writableByOthers: false,
      readableByOthers: false,
    }))
    const mailer = mailerFor(server, { auth: { user: 'herald', password } })
    const send = () => mailer.send(messageTo('ada@example.com'), within(2_000))
    expect(await send()).toMatchObject({ outcome: 'accepted' })
    users.herald = 'new'
    server.cut()
    await expect.poll(() => mailer.stats().idle).toBe(0)
    expect(await send()).toMatchObject({ outcome: 'not_sent', phase: 'auth', code: 535 })
    content['/secret'] = 'new\n'
    expect(await send()).toMatchObject({ outcome: 'accepted' })
  })

  it('stays what it was while its file cannot be read, and shows itself nowhere', () => {
    const secret = createFileSecret('/gone', 'kept', readFile)
    expect(secret.reveal()).toBe('kept')
    expect(`${inspect(secret)} ${JSON.stringify({ secret })}`).not.toContain('kept')
  })
})
