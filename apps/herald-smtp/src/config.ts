import {
  auditRule,
  auditVariables,
  authRules,
  authVariables,
  checkSecret,
  engineOf,
  gatePolicy,
  hmacKeysVariable,
  noAuthRule,
  plaintextFindings,
  readConfigFile,
  readVariables,
  serviceVariables,
  storeRules,
  storeSettings,
  storeVariables,
  tlsRule,
  tlsSettings,
  tlsVariables,
  variable,
  type Env,
  type GateFinding,
  type Secret,
  type VariableRule,
} from '@herald/config'
import type { StoreSettings } from '@herald/storage'
import { z } from 'zod'
import { dkimRule, dkimSettings, dkimVariables, isAtOrBelow } from './dkim-settings.ts'
import type { Brand } from './domain/content.ts'
import type { Sender } from './domain/message.ts'
import type { Origin } from './domain/sending.ts'
import { parseRecipient, type Recipient } from './domain/recipient.ts'
import { defaultLayout } from './domain/templates/default-layout.ts'
import { compileLayout, type LayoutError } from './domain/templates/layout.ts'
import { upstreamDefaults, type UpstreamAuth, type UpstreamSettings } from './mailer/mailer.ts'
import { createFileSecret, readUpstreams, type ConfiguredUpstream } from './upstreams.ts'

const defaults = { name: 'herald-smtp', port: 8085 }
const hmacKeys = 'HERALD_SMTP_HMAC_KEYS'

const address = () =>
  variable.text({ maxLength: 254 }).transform((text, context): Recipient => {
    const parsed = parseRecipient(text)
    if (parsed && !parsed.smtpUtf8) return parsed
    context.addIssue({
      code: 'custom',
      message: 'must be one plain e-mail address, like noreply@example.com',
    })
    return z.NEVER
  })

const color = () => z.string().regex(/^#[0-9a-f]{6}$/i, { error: 'must be a colour such as #2563eb' })

const sendsPerHour = () =>
  z.union([z.literal('off').transform(() => undefined), variable.integer({ min: 1, max: 1_000_000_000 })], {
    error: 'must be a whole number from 1 to 1000000000, or off',
  })

/** Every environment variable of herald-smtp. */
export const variables = z.object({
  ...serviceVariables(defaults),
  ...tlsVariables,
  ...authVariables,
  [hmacKeys]: hmacKeysVariable(),
  ...auditVariables,
  ALLOW_NO_AUTH_FROM: variable
    .confinedNetworks()
    .optional()
    .describe(
      'Networks (loopback, private CIDRs no wider than /16) whose requests to /v1/send need no credential; do not publish the port',
    ),
  ...storeVariables,

  SMTP_UPSTREAMS: z
    .string()
    .optional()
    .describe(
      'Mail servers in the order in which they are tried, as a JSON list, in place of SMTP_HOST to SMTP_SKIP_TLS_VERIFY; see docs/operations/mail-servers.md',
    ),
  SMTP_HOST: variable.text({ maxLength: 255 }).optional().describe('The one mail server to send through'),
  SMTP_PORT: variable
    .integer({ min: 1, max: 65_535 })
    .prefault('587')
    .describe('Its port; 465 means implicit TLS'),
  SMTP_USER: variable.text({ maxLength: 320 }).optional().describe('User to authenticate as'),
  SMTP_PASSWORD: variable.secret().optional().describe('Password of SMTP_USER'),
  SMTP_USE_STARTTLS: variable
    .bool()
    .prefault('true')
    .describe('Require STARTTLS; false sends without TLS unless it is implicit'),
  SMTP_USE_TLS: variable
    .bool()
    .prefault('false')
    .describe('Implicit TLS: the connection begins with the handshake'),
  SMTP_CA_FILE: variable
    .certificateFile()
    .optional()
    .describe(
      "PEM file of the authorities for the mail server's certificate; unset means those that Node.js trusts",
    ),
  SMTP_SKIP_TLS_VERIFY: variable
    .bool()
    .prefault('false')
    .describe("Do not verify the mail server's certificate; refused in production"),
  SMTP_FROM: address().describe('Address in the From header'),
  SMTP_FROM_NAME: variable.text({ maxLength: 100 }).optional().describe('Display name before it'),
  SMTP_ENVELOPE_FROM: address().optional().describe('Where bounces go; unset means SMTP_FROM'),
  SMTP_REPLY_TO: address().optional().describe('Address in the Reply-To header'),
  SMTP_MAX_CONCURRENT_SENDS: variable
    .integer({ min: 1, max: 1_000 })
    .prefault(String(upstreamDefaults.connectionsMax))
    .describe('Connections to the mail server at most'),
  SMTP_TIMEOUT_SECONDS: variable
    .integer({ min: 1, max: 300 })
    .optional()
    .describe('Lowers SEND_DEADLINE; a higher value changes nothing'),
  SEND_DEADLINE: variable
    .duration({ minSeconds: 0.5, maxSeconds: 60 })
    .prefault('4.5s')
    .describe('Longest time from a request to its answer'),

  MAIL_BRAND_NAME: variable
    .text({ maxLength: 60 })
    .optional()
    .describe('Name at the head of a mail; unset means SMTP_FROM_NAME, or else the domain of SMTP_FROM'),
  MAIL_LOGO_TEXT: variable
    .text({ maxLength: 12 })
    .optional()
    .describe(
      'Short text on colour beside it, in place of a picture; unset means the first letter of the name',
    ),
  MAIL_BRAND_COLOR: color().prefault('#2563eb').describe('That colour, as #rrggbb'),
  MAIL_LAYOUT_FILE: variable
    .parsedFile(compileLayout, (error) => error as LayoutError)
    .optional()
    .describe('HTML file in place of the built-in layout; see docs/decisions/0015'),
  ...dkimVariables,

  IDEMPOTENCY_TTL_SECONDS: variable
    .integer({ min: 1, max: 86_400 })
    .prefault('300')
    .describe('How long a key answers with the mail that it sent'),
  MESSAGE_TTL: variable
    .duration({ minSeconds: 1, maxSeconds: 30 * 86_400 })
    .prefault('1h')
    .describe('How long GET /v1/messages tells what became of a mail'),
  IDEMPOTENCY_MAX_ENTRIES: variable
    .integer({ min: 0, max: 1_000_000_000 })
    .optional()
    .describe('Accepted and without effect: keys leave the store when their time is over, never earlier'),
  RATE_LIMIT_PER_RECIPIENT: sendsPerHour().prefault('10').describe('Mails to one address per hour, or off'),
  RATE_LIMIT_PER_CALLER: sendsPerHour().prefault('off').describe('Mails of one caller per hour, or off'),
  RATE_LIMIT_PER_DOMAIN: sendsPerHour().prefault('off').describe('Mails to one domain per hour, or off'),
  HTTP_BODY_LIMIT_BYTES: variable
    .integer({ min: 1_024, max: 10_485_760 })
    .prefault('262144')
    .describe('Largest request body'),
  SHUTDOWN_TIMEOUT_SECONDS: variable
    .integer({ min: 1, max: 300 })
    .prefault('10')
    .describe('How long a stopping service waits for what is in flight'),
})

type Values = z.output<typeof variables>

const smtpUserRule: VariableRule<Values> = {
  reads: ['SMTP_USER', 'SMTP_PASSWORD'],
  check: ({ SMTP_USER: user, SMTP_PASSWORD: password }) => {
    if ((user === undefined) === (password === undefined)) return []
    return user === undefined
      ? [{ variable: 'SMTP_USER', message: 'must be set together with SMTP_PASSWORD' }]
      : [{ variable: 'SMTP_PASSWORD', message: 'must be set together with SMTP_USER' }]
  },
}

const list = 'SMTP_UPSTREAMS'

const shortFormNames = [
  'SMTP_HOST',
  'SMTP_PORT',
  'SMTP_USER',
  'SMTP_PASSWORD',
  'SMTP_USE_STARTTLS',
  'SMTP_USE_TLS',
  'SMTP_CA_FILE',
  'SMTP_SKIP_TLS_VERIFY',
] as const

/** Asks the environment itself: beside the list also a short form that says the default would be disregarded. */
const listRule = (env: Env): VariableRule<Values> => ({
  reads: [list, 'SMTP_HOST', 'SMTP_MAX_CONCURRENT_SENDS'],
  check: (values) => {
    if (values[list] === undefined) {
      return values.SMTP_HOST === undefined
        ? [{ variable: 'SMTP_HOST', message: `must be set, or ${list}` }]
        : []
    }
    return [
      ...shortFormNames
        .filter((name) => env[name] || env[`${name}_FILE`])
        .map((variable) => ({ variable, message: `and ${list} are both set; keep one of them` })),
      ...listedUpstreams(values).problems.map((message) => ({ variable: list, message })),
    ]
  },
  find: async (values) => {
    const { upstreams, findings } = listedUpstreams(values)
    return [...findings, ...(await Promise.all(upstreams.map(listFindings))).flat()]
  },
})

/** One signature goes on every mail, also on one that an upstream carries from an address of its own. */
const listedSendersRule: VariableRule<Values> = {
  reads: [...dkimRule.reads, list, 'SMTP_MAX_CONCURRENT_SENDS'],
  check: (values) => {
    const signing = dkimSettings(values)
    return listedUpstreams(values).upstreams.flatMap(({ name, from }) =>
      signing && from && !isAtOrBelow(from.domain, signing.domain)
        ? [{ variable: list, message: `has ${name} send from a domain that DKIM_DOMAIN does not speak for` }]
        : [],
    )
  },
}

function listedUpstreams({ [list]: json, SMTP_MAX_CONCURRENT_SENDS: connectionsMax }: Values) {
  if (json === undefined) return { upstreams: [], problems: [], findings: [] }
  return readUpstreams(json, { readFile: readConfigFile, connectionsMax })
}

async function listFindings({
  host,
  tls,
  rejectUnauthorized,
  auth,
}: UpstreamSettings): Promise<GateFinding[]> {
  const secret = auth && chosenSecretOf(auth)
  return [
    ...(secret ? exampleFindings(list, secret) : []),
    ...(tls === 'none'
      ? await plaintextFindings('SMTP_PLAINTEXT', list, [host], 'set its tls to starttls or implicit')
      : []),
    ...(tls === 'none' || rejectUnauthorized ? [] : [unverified(list, 'its ca_file')]),
  ]
}

/** What an operator types in; the key of a service account is generated. */
function chosenSecretOf(auth: UpstreamAuth): Secret | undefined {
  if ('password' in auth) return auth.password
  return auth.grant.type === 'client_credentials' ? auth.grant.clientSecret : undefined
}

/** The operator of the relay chose it, so only what nobody chose is a finding. */
function exampleFindings(variable: string, secret: Secret): GateFinding[] {
  return checkSecret(variable, secret, { minBytes: 1 }).filter(({ code }) => code === 'EXAMPLE_VALUE')
}

const tlsModeVariables = ['SMTP_PORT', 'SMTP_USE_TLS', 'SMTP_USE_STARTTLS'] as const

const upstreamRules: readonly VariableRule<Values>[] = [
  {
    reads: ['SMTP_PASSWORD'],
    find: ({ SMTP_PASSWORD: password }) => (password ? exampleFindings('SMTP_PASSWORD', password) : []),
  },
  {
    reads: ['SMTP_HOST', ...tlsModeVariables],
    find: (values) => {
      const remedy = 'set SMTP_USE_STARTTLS=true, or SMTP_USE_TLS=true'
      const { SMTP_HOST: host } = values
      return host !== undefined && tlsMode(values) === 'none'
        ? plaintextFindings('SMTP_PLAINTEXT', 'SMTP_USE_STARTTLS', [host], remedy)
        : []
    },
  },
  {
    reads: ['SMTP_SKIP_TLS_VERIFY', ...tlsModeVariables],
    find: (values) =>
      values.SMTP_SKIP_TLS_VERIFY && tlsMode(values) !== 'none'
        ? [unverified('SMTP_SKIP_TLS_VERIFY', 'SMTP_CA_FILE')]
        : [],
  },
]

const rulesFor = (env: Env): readonly VariableRule<Values>[] => [
  tlsRule,
  ...authRules(hmacKeys),
  auditRule,
  noAuthRule(['API_KEY', 'API_KEYS', 'HMAC_SECRET', hmacKeys, 'ALLOW_NO_AUTH_FROM']),
  ...storeRules,
  smtpUserRule,
  ...upstreamRules,
  listRule(env),
  dkimRule,
  listedSendersRule,
]

/** Without a word about a store the service keeps its state in memory, as the service it replaces does. */
const inMemory: StoreSettings = { engine: 'sqlite', path: ':memory:' }

/** Known before anything is judged, so that also a refused start logs under its name. */
export function serviceName(env: Env): string {
  return env['SERVICE_NAME'] || defaults.name
}

export type Settings = Awaited<ReturnType<typeof readSettings>>['settings']

/** Reads the environment into settings and findings of the gate. Throws a ConfigError with every problem at once. */
export async function readSettings(env: Env) {
  const { values, findings } = await readVariables(variables, { env }, rulesFor(env))
  const listed = listedUpstreams(values).upstreams
  const upstreams = listed.length > 0 ? listed : [shortForm(values, env)]
  return { settings: settingsFrom(values, upstreams), findings }
}

function settingsFrom(values: Values, upstreams: readonly ConfiguredUpstream[]) {
  return Object.freeze({
    name: values.SERVICE_NAME,
    gate: gatePolicy(values),
    logLevel: values.LOG_LEVEL,
    host: values.HOST,
    port: values.PORT,
    shutdownGraceMs: values.SHUTDOWN_GRACE_SECONDS * 1000,
    tls: tlsSettings(values),
    auth: {
      apiKey: values.API_KEY,
      apiKeys: values.API_KEYS,
      apiKeyPeppers: values.API_KEY_PEPPERS,
      adminApiKey: values.ADMIN_API_KEY,
      hmacSecret: values.HMAC_SECRET,
      hmacKeys: values[hmacKeys],
      hmacDefaultKeyId: values.HMAC_DEFAULT_KEY_ID,
      hmacMaxDriftSeconds: values.HMAC_MAX_DRIFT,
      allowNoAuthFrom: values.ALLOW_NO_AUTH_FROM,
    },
    audit: { file: values.AUDIT_FILE, key: values.AUDIT_KEY },
    store: engineOf(values) ? storeSettings(values, defaults.name) : inMemory,
    upstreams,
    sender: senderFrom(values),
    brand: brandFrom(values),
    dkim: dkimSettings(values),
    layout: values.MAIL_LAYOUT_FILE ?? compileLayout(defaultLayout),
    envelopeFrom: (values.SMTP_ENVELOPE_FROM ?? values.SMTP_FROM).address,
    // The stores keep whole milliseconds and refuse a part of one.
    sendDeadlineMs: Math.floor(
      1000 * Math.min(values.SEND_DEADLINE, values.SMTP_TIMEOUT_SECONDS ?? Infinity),
    ),
    idempotencyTtlMs: values.IDEMPOTENCY_TTL_SECONDS * 1000,
    messageTtlMs: values.MESSAGE_TTL * 1000,
    limits: {
      perRecipient: values.RATE_LIMIT_PER_RECIPIENT,
      perCaller: values.RATE_LIMIT_PER_CALLER,
      perDomain: values.RATE_LIMIT_PER_DOMAIN,
    },
    bodyBytesMax: values.HTTP_BODY_LIMIT_BYTES,
    shutdownTimeoutMs: values.SHUTDOWN_TIMEOUT_SECONDS * 1000,
  })
}

function shortForm(values: Values, env: Env): UpstreamSettings {
  const { SMTP_USER: user, SMTP_CA_FILE: ca, SMTP_PORT: port, SMTP_HOST: host = '' } = values
  const { SMTP_PASSWORD: given } = values
  const file = env['SMTP_PASSWORD_FILE']
  const password = given && file ? createFileSecret(file, given.reveal(), readConfigFile) : given
  return {
    ...upstreamDefaults,
    name: `${host}:${port}`,
    host,
    port,
    tls: tlsMode(values),
    ...(ca !== undefined && { ca }),
    rejectUnauthorized: !values.SMTP_SKIP_TLS_VERIFY,
    ...(user !== undefined && password && { auth: { user, password } }),
    connectionsMax: values.SMTP_MAX_CONCURRENT_SENDS,
  }
}

function tlsMode(values: Values): UpstreamSettings['tls'] {
  if (values.SMTP_USE_TLS || values.SMTP_PORT === 465) return 'implicit'
  return values.SMTP_USE_STARTTLS ? 'required-starttls' : 'none'
}

function senderFrom({ SMTP_FROM, SMTP_FROM_NAME: name, SMTP_REPLY_TO: replyTo }: Values): Sender {
  return {
    address: SMTP_FROM.address,
    domain: SMTP_FROM.domain,
    ...(name !== undefined && { name }),
    ...(replyTo && { replyTo: replyTo.address }),
  }
}

function brandFrom(values: Values): Brand {
  const name = values.MAIL_BRAND_NAME ?? values.SMTP_FROM_NAME ?? values.SMTP_FROM.domain
  const [first] = new Intl.Segmenter().segment(name)
  return {
    name,
    logo: values.MAIL_LOGO_TEXT ?? first?.segment.toLocaleUpperCase() ?? '',
    color: values.MAIL_BRAND_COLOR,
  }
}

const unverified = (variable: string, authority: string): GateFinding => ({
  code: 'TLS_VERIFY_OFF',
  variable,
  message: "turns off the verification of the mail server's certificate",
  remedy: `set ${authority} to the authority of that certificate instead`,
})

/** Who mail through each upstream is from: its own address, else SMTP_FROM. */
export function createOrigins({
  upstreams,
  sender,
  envelopeFrom,
}: Pick<Settings, 'upstreams' | 'sender' | 'envelopeFrom'>): (upstream: string) => Origin {
  const own = new Map(upstreams.flatMap(({ name, from }) => (from ? [[name, from] as const] : [])))
  return (upstream) => {
    const from = own.get(upstream)
    if (from === undefined) return { sender, envelopeFrom }
    return { sender: { ...sender, address: from.address, domain: from.domain }, envelopeFrom: from.address }
  }
}
