import { X509Certificate, createPrivateKey } from 'node:crypto'
import { createSecret, type GateFinding, type ReadFile, type Secret } from '@herald/config'
import { z } from 'zod'
import { parseRecipient, type Recipient } from './domain/recipient.ts'
import type { ServiceAccount, TokenGrant } from './mailer/access-tokens.ts'
import { upstreamDefaults, type UpstreamAuth, type UpstreamSettings } from './mailer/mailer.ts'

const path = z.string().min(1).max(4_096)
const printable = z.string().regex(/^\P{Cc}+$/u, 'must be text without control characters')
const user = printable.max(320)

const tokenUrl = z.url({ protocol: /^https?$/ }).refine((text) => {
  const { protocol, hostname } = new URL(text)
  return protocol === 'https:' || ['127.0.0.1', 'localhost', '[::1]'].includes(hostname)
}, 'must begin with https://')

const passwordAuth = z.strictObject({
  method: z.enum(['plain', 'login']).optional(),
  user,
  password_file: path,
})

const clientCredentialsAuth = z.strictObject({
  method: z.literal('xoauth2'),
  user,
  token_url: tokenUrl,
  client_id: z.string().min(1).max(256),
  client_secret_file: path,
  scope: z.string().min(1).max(1_024).default('https://outlook.office365.com/.default'),
})

const serviceAccountAuth = z.strictObject({
  method: z.literal('xoauth2'),
  user,
  service_account_file: path,
  scope: z.string().min(1).max(1_024).default('https://mail.google.com/'),
})

/** The key file of a Google service account, as far as it is needed here. */
const accountFile = z.object({
  client_email: z.string().min(1),
  private_key: z.string().min(1),
  private_key_id: z.string().optional(),
  token_uri: tokenUrl.default('https://oauth2.googleapis.com/token'),
})

const upstream = z.strictObject({
  name: z
    .string()
    .regex(/^[\w.:-]{1,64}$/)
    .optional(),
  host: printable.max(255),
  port: z.int().min(1).max(65_535).default(587),
  tls: z.enum(['starttls', 'implicit', 'none']).optional(),
  ca_file: path.optional(),
  skip_tls_verify: z.boolean().default(false),
  auth: z.union([passwordAuth, clientCredentialsAuth, serviceAccountAuth]).optional(),
  from: z.string().max(254).optional(),
  connections: z.int().min(1).max(1_000).optional(),
  messages_per_connection: z.int().min(1).max(1_000_000).default(upstreamDefaults.messagesPerConnection),
})

const upstreamList = z.array(upstream).min(1).max(8)

type Entry = z.output<typeof upstream>

/** A relay, and the address that mail through it is from when that is not SMTP_FROM. */
export type ConfiguredUpstream = UpstreamSettings & { from?: Recipient }

export type UpstreamsRead = {
  upstreams: readonly ConfiguredUpstream[]
  /** Messages that read on after the name of the variable. */
  problems: readonly string[]
  findings: readonly GateFinding[]
}

/** A secret in a file, read again each time it is revealed: exchanged by replacing the file. One that cannot be read keeps its last text. */
export function createFileSecret(file: string, first: string, readFile: ReadFile): Secret {
  let text = first
  function reveal(): string {
    const reading = readFile(file)
    if (reading.ok) text = withoutLineEnd(reading.text) || text
    return text
  }
  return Object.freeze({ ...createSecret(''), reveal })
}

/** Reads the JSON of SMTP_UPSTREAMS together with the files that it names. */
export function readUpstreams(
  json: string,
  options: { readFile: ReadFile; connectionsMax: number },
): UpstreamsRead {
  let parsed: unknown
  try {
    parsed = JSON.parse(json)
  } catch {
    return { upstreams: [], problems: ['must be a JSON list'], findings: [] }
  }
  const list = upstreamList.safeParse(parsed)
  if (!list.success) return { upstreams: [], problems: list.error.issues.map(describeIssue), findings: [] }
  const files = createFiles(options.readFile)
  const upstreams = list.data.map((entry, index) => upstreamFrom(entry, `[${index}]`, files, options))
  const names = upstreams.map(({ name }) => name)
  const twice = names.filter((name, index) => names.indexOf(name) !== index)
  const problems = [...files.problems, ...twice.map((name) => `holds two upstreams named ${name}`)]
  return { upstreams, problems, findings: files.findings }
}

function describeIssue({ path: at, message }: z.core.$ZodIssue): string {
  const place = at.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('')
  return `is wrong at ${place || 'its top'}: ${message}`
}

type Files = ReturnType<typeof createFiles>

function createFiles(readFile: ReadFile) {
  const problems: string[] = []
  const findings: GateFinding[] = []

  function read(file: string, place: string, isSecret: boolean): string {
    const reading = readFile(file)
    if (!reading.ok) {
      problems.push(`${place} ${reading.message}`)
      return ''
    }
    if (reading.writableByOthers || (isSecret && reading.readableByOthers)) findings.push(openTo(place))
    const text = withoutLineEnd(reading.text)
    if (text === '') problems.push(`${place} names an empty file`)
    return text
  }

  return {
    problems,
    findings,
    text: (file: string, place: string) => read(file, place, false),
    secret: (file: string, place: string) => createFileSecret(file, read(file, place, true), readFile),
  }
}

function openTo(place: string): GateFinding {
  return {
    code: 'FILE_PERMS',
    variable: 'SMTP_UPSTREAMS',
    message: `${place} names a file that is open to other users`,
    remedy: 'chmod 600 that file, owned by the user of the service',
  }
}

function upstreamFrom(
  entry: Entry,
  place: string,
  files: Files,
  { connectionsMax }: { connectionsMax: number },
): ConfiguredUpstream {
  const { host, port, ca_file: caFile, auth, from } = entry
  const ca = caFile === undefined ? undefined : files.text(caFile, `${place}.ca_file`)
  if (ca && !isCertificate(ca)) files.problems.push(`${place}.ca_file must name a PEM file of certificates`)
  const sender = from === undefined ? undefined : parseRecipient(from)
  if (from !== undefined && (!sender || sender.smtpUtf8)) {
    files.problems.push(`${place}.from must be one plain e-mail address`)
  }
  return {
    ...upstreamDefaults,
    name: entry.name ?? `${host}:${port}`,
    host,
    port,
    tls: tlsModes[entry.tls ?? (port === 465 ? 'implicit' : 'starttls')],
    rejectUnauthorized: !entry.skip_tls_verify,
    connectionsMax: entry.connections ?? connectionsMax,
    messagesPerConnection: entry.messages_per_connection,
    ...(ca && { ca }),
    ...(auth && { auth: authFrom(auth, `${place}.auth`, files) }),
    ...(sender && { from: sender }),
  }
}

const tlsModes = { starttls: 'required-starttls', implicit: 'implicit', none: 'none' } as const

function authFrom(auth: NonNullable<Entry['auth']>, place: string, files: Files): UpstreamAuth {
  if ('password_file' in auth) {
    const password = files.secret(auth.password_file, `${place}.password_file`)
    const method = auth.method && ({ plain: 'PLAIN', login: 'LOGIN' } as const)[auth.method]
    return { user: auth.user, password, ...(method && { method }) }
  }
  return { user: auth.user, grant: grantFrom(auth, place, files) }
}

function grantFrom(
  auth: Exclude<NonNullable<Entry['auth']>, { password_file: string }>,
  place: string,
  files: Files,
): TokenGrant {
  if ('client_id' in auth) {
    const clientSecret = files.secret(auth.client_secret_file, `${place}.client_secret_file`)
    const { token_url: url, scope, client_id: clientId } = auth
    return { type: 'client_credentials', tokenUrl: url, scope, clientId, clientSecret }
  }
  const at = `${place}.service_account_file`
  const file = files.secret(auth.service_account_file, at)
  const first = readServiceAccount(file.reveal())
  if (!first) files.problems.push(`${at} must name the JSON key file of a service account`)
  let last = first?.account ?? { issuer: '', privateKey: createSecret('') }
  return {
    type: 'jwt_bearer',
    tokenUrl: first?.tokenUrl ?? '',
    scope: auth.scope,
    subject: auth.user,
    account: () => (last = readServiceAccount(file.reveal())?.account ?? last),
  }
}

function readServiceAccount(text: string): { tokenUrl: string; account: ServiceAccount } | undefined {
  try {
    const {
      client_email: issuer,
      private_key: pem,
      private_key_id: keyId,
      token_uri: tokenUrl,
    } = accountFile.parse(JSON.parse(text))
    if (createPrivateKey(pem).asymmetricKeyType !== 'rsa') return undefined
    const account = { issuer, privateKey: createSecret(pem), ...(keyId !== undefined && { keyId }) }
    return { tokenUrl, account }
  } catch {
    return undefined
  }
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).subject !== ''
  } catch {
    return false
  }
}

function withoutLineEnd(text: string): string {
  return text.replace(/\r?\n$/, '')
}
