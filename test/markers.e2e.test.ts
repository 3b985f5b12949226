import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createSigner, digestApiKey, formatHash, generateApiKey } from '../packages/auth/src/index.ts'
import {
  runService,
  startRedis,
  startService,
  startSmtpServer,
  type RunningService,
  type ServiceName,
} from '../packages/testing/src/index.ts'

/** Throws in the middle of the service when it is told to, as a mistake of ours would. */
const crashOnSignal = `data:text/javascript,${encodeURIComponent("process.on('SIGUSR2',()=>{throw new Error('induced')})")}`

/** 32 characters that stand nowhere else. */
const marker = () => `M${randomBytes(16).toString('hex').slice(1)}`

/** What a marker may look like where it leaked. */
const formsOf = (text: string) => [
  text,
  Buffer.from(text).toString('base64').replace(/=+$/, '').slice(0, -1),
  Buffer.from(text).toString('hex'),
  encodeURIComponent(text),
]

function inFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'herald-markers-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const pem = { type: 'pkcs8', format: 'pem' } as const

/** A line in the middle of a private key, which no public part of it holds. */
const privateLineOf = (key: string) => key.split('\n').slice(8, 9)

/** One key of a kind, or several by id: of what encrypts and of what signs. */
type Form = 'single' | 'several'

/** Every secret a service can be given in that form, each a marker in a file of its own. */
function configure(service: ServiceName, redisPassword: string, form: Form) {
  const folder = inFolder()
  const [pepper, hmacKey, apiKey, key, nextKey] = [marker(), marker(), marker(), marker(), marker()]
  const dkimKey = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export(pem)
  const issued = generateApiKey({ environment: 'live', randomBytes })
  const hash = formatHash('p1', digestApiKey(issued.text, pepper))
  const keyring = {
    primary: 'k2',
    keys: [
      { id: 'k1', key, state: 'pending' },
      { id: 'k2', key: nextKey, state: 'enabled' },
    ],
  }
  const secrets: Record<string, string> = {
    API_KEY: apiKey,
    ADMIN_API_KEY: marker(),
    AUDIT_KEY: marker(),
    REDIS_PASSWORD: redisPassword,
    API_KEY_PEPPERS: JSON.stringify({ p1: pepper }),
    API_KEYS: JSON.stringify([{ id: issued.id, hash, scopes: [`${service.slice(7)}:admin`] }]),
    ...(form === 'single'
      ? { HMAC_SECRET: hmacKey }
      : { [`${service.toUpperCase().replace('-', '_')}_HMAC_KEYS`]: JSON.stringify({ k1: hmacKey }) }),
    ...(service === 'herald-smtp' && { SMTP_PASSWORD: marker(), DKIM_KEY: dkimKey }),
    ...(service === 'herald-totp' &&
      (form === 'single' ? { HERALD_TOTP_ENCRYPTION_KEY: key } : { TOTP_KEYRING: JSON.stringify(keyring) })),
  }
  const files = Object.entries(secrets).map(([name, text]) => {
    const path = join(folder, name)
    writeFileSync(path, text, { mode: 0o600 })
    return [`${name}_FILE`, path]
  })
  const configured = Object.values(secrets)
  const markers = [
    ...configured.filter((text) => text.startsWith('M')),
    ...[pepper, hmacKey, key, nextKey].filter((one) => configured.some((text) => text.includes(`"${one}"`))),
    ...(service === 'herald-smtp' ? privateLineOf(dkimKey) : []),
    issued.text,
  ]
  const env = Object.fromEntries(files) as Record<string, string>
  return { folder, secrets, env, markers, hmacKey, issuedKey: issued.text }
}

/** Calls of every kind, right and wrong; all that was answered. */
async function callAll(url: string, paths: readonly string[], keys: Configured, bodies: readonly unknown[]) {
  const answers: string[] = []
  const signers = [
    createSigner({ secret: keys.hmacKey, service: 'stargate', keyId: 'k1', now: Date.now }),
    createSigner({ secret: 'another', service: 'stargate', keyId: 'k1', now: Date.now }),
  ]
  for (const path of paths) {
    for (const body of bodies) {
      const text = typeof body === 'string' ? body : JSON.stringify(body)
      const headers = [
        { 'X-API-Key': keys.secrets['API_KEY'] ?? '' },
        { 'X-API-Key': keys.secrets['ADMIN_API_KEY'] ?? '' },
        { 'X-API-Key': keys.issuedKey },
        { 'X-API-Key': 'wrong' },
        {},
        ...signers.map((sign) => sign(Buffer.from(text))),
        { 'X-API-Key': keys.secrets['API_KEY'] ?? '', 'Content-Encoding': 'gzip' },
      ]
      for (const credentials of headers) {
        const answer = await fetch(url + path, {
          method: 'POST',
          headers: { 'Content-Type': 'application/json', ...credentials },
          body: text,
        }).catch((error: unknown) => error as Error)
        answers.push(answer instanceof Error ? answer.message : await describeAnswer(answer))
      }
    }
  }
  return answers
}

type Configured = ReturnType<typeof configure>

async function describeAnswer(answer: Response): Promise<string> {
  return `${answer.status} ${JSON.stringify([...answer.headers])} ${await answer.text()}`
}

/** What others on the machine, and whoever collects crash reports, can see of a process. */
function visible({ pid }: RunningService): string {
  if (process.platform !== 'linux') return ''
  return ['cmdline', 'environ'].map((name) => readFileSync(`/proc/${pid}/${name}`, 'utf8')).join('\n')
}

async function readyAnd(url: string): Promise<string> {
  const texts = ['/livez', '/readyz', '/healthz', '/metrics', '/nowhere'].map(async (path) =>
    describeAnswer(await fetch(url + path)),
  )
  return (await Promise.all(texts)).join('\n')
}

const cases = {
  'herald-totp': {
    paths: ['/v1/enroll/start', '/v1/enroll/confirm', '/v1/verify', '/v1/revoke', '/v1/unlock'],
    bodies: [
      { subject: 'alice' },
      { subject: 'alice', code: '123456' },
      { enroll_id: 'e_x', code: '123456' },
      '{"subject":',
      '[]',
    ],
    commands: [
      ['config', 'check'],
      ['unlock', 'alice'],
      ['keys', 'list'],
      ['keys', 'status'],
      ['rekey', '--dry-run', '--json'],
      ['api-keys', 'list'],
      ['store', 'confirm'],
      ['nonsense'],
      ['--help'],
    ],
  },
  'herald-smtp': {
    paths: ['/v1/send'],
    bodies: [
      { to: 'u@x.example', subject: 'Login', body: 'Your code' },
      { to: 'v@x.example', subject: 'Login', body: 'Your code', idempotency_key: 'k' },
      { to: 'nobody' },
      '{"to":',
    ],
    commands: [['config', 'check'], ['api-keys', 'list'], ['store', 'confirm'], ['nonsense'], ['--help']],
  },
} as const

describe.each([
  ['herald-totp', 'single'],
  ['herald-totp', 'several'],
  ['herald-smtp', 'single'],
  ['herald-smtp', 'several'],
] as const)('the secrets of %s, %s', (name, form) => {
  it('show in no log, answer, metric, audit line, command, crash report or process argument', async () => {
    const password = marker()
    const redis = await startRedis({ args: ['--requirepass', password] })
    onTestFinished(() => redis.stop())
    const keys = configure(name, password, form)
    const smtp = await startSmtpServer({
      authMechanisms: ['PLAIN'],
      users: { herald: keys.secrets['SMTP_PASSWORD'] ?? '' },
    })
    onTestFinished(() => smtp.stop())
    const reports = inFolder()
    const env = {
      ENVIRONMENT: 'test',
      LOG_LEVEL: 'trace',
      REDIS_ADDR: `127.0.0.1:${redis.port}`,
      AUDIT_FILE: join(keys.folder, 'audit.log'),
      NODE_OPTIONS: `--import=${crashOnSignal} --report-on-signal --report-signal=SIGWINCH --report-directory=${reports}`,
      ...(name === 'herald-smtp' && {
        SMTP_HOST: '127.0.0.1',
        SMTP_PORT: String(smtp.port),
        SMTP_USE_STARTTLS: 'false',
        SMTP_FROM: 'noreply@herald.example',
        DKIM_SELECTOR: 'herald',
        SMTP_USER: 'herald',
        SEND_DEADLINE: '1s',
      }),
      ...keys.env,
    }
    const { paths, bodies, commands } = cases[name]
    const seen: string[] = []

    const service = await startService(name, env)
    onTestFinished(() => service.kill())
    seen.push(visible(service))
    seen.push(...(await callAll(service.url, paths, keys, bodies)), await readyAnd(service.url))
    // The mail server, then the store, fails; one of the mail server's replies repeats what it was given.
    smtp.on('auth', { code: 535, text: `5.7.8 no ${keys.secrets['SMTP_PASSWORD'] ?? ''}` })
    smtp.cut()
    seen.push(...(await callAll(service.url, paths, keys, bodies.slice(0, 1))))
    await redis.kill()
    seen.push(...(await callAll(service.url, paths, keys, bodies.slice(0, 1))), await readyAnd(service.url))
    await redis.restart()
    for (const words of commands) seen.push((await runService(name, words, env)).output)
    seen.push((await runService(name, [], { ...env, PORT: String(service.port) })).output)
    seen.push((await runService(name, [], { ...env, API_KEY: keys.secrets['API_KEY'] ?? '' })).output)

    process.kill(service.pid, 'SIGWINCH')
    await expect.poll(() => readdirSync(reports).length, { timeout: 10_000 }).toBeGreaterThan(0)
    process.kill(service.pid, 'SIGUSR2')
    await expect.poll(service.output, { timeout: 10_000 }).toContain('induced')
    seen.push(service.output(), readFileSync(env.AUDIT_FILE, 'utf8'))
    seen.push(...readdirSync(reports).map((file) => readFileSync(join(reports, file), 'utf8')))

    const everything = seen.join('\n')
    expect(everything).toContain('"event":"auth_refused"')
    expect(everything).toContain('javascriptStack')
    for (const status of [200, 400, 401, 415, 503]) expect(everything).toContain(`\n${status} [[`)
    const leaksIn = (text: string) =>
      keys.markers.filter((secret) => formsOf(secret).some((spelt) => text.includes(spelt)))
    expect(leaksIn([...Object.values(keys.secrets), keys.issuedKey].join('\n'))).toEqual(keys.markers)
    expect(leaksIn(everything)).toEqual([])
  }, 120_000)
})
