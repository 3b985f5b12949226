import {
  auditRule,
  auditVariables,
  authRules,
  authVariables,
  engineOf,
  gatePolicy,
  hmacKeysVariable,
  noAuthRule,
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
import { upstreamDefaults } from './mailer/mailer.ts'
import {
  configuredUpstreams,
  listedUpstreams,
  upstreamRules,
  upstreamVariables,
} from './upstream-variables.ts'
import type { ConfiguredUpstream } from './upstreams.ts'

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
  ...upstreamVariables,
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

/** One signature goes on every mail, also on one that an upstream carries from an address of its own. */
const listedSendersRule: VariableRule<Values> = {
  reads: [...dkimRule.reads, 'SMTP_UPSTREAMS', 'SMTP_MAX_CONCURRENT_SENDS'],
  check: (values) => {
    const signing = dkimSettings(values)
    return listedUpstreams(values).upstreams.flatMap(({ name, from }) =>
      signing && from && !isAtOrBelow(from.domain, signing.domain)
        ? [
            {
              variable: 'SMTP_UPSTREAMS',
              message: `has ${name} send from a domain that DKIM_DOMAIN does not speak for`,
            },
          ]
        : [],
    )
  },
}

const rulesFor = (env: Env): readonly VariableRule<Values>[] => [
  tlsRule,
  ...authRules(hmacKeys),
  auditRule,
  noAuthRule(['API_KEY', 'API_KEYS', 'HMAC_SECRET', hmacKeys, 'ALLOW_NO_AUTH_FROM']),
  ...storeRules,
  ...upstreamRules(env),
  dkimRule,
  listedSendersRule,
]

/** Without a word about a store what the service keeps ends with it, as in the service that it replaces. */
const unnamedStore: StoreSettings = { engine: 'sqlite', path: ':memory:' }

/** Known before anything is judged, so that also a refused start logs under its name. */
export function serviceName(env: Env): string {
  return env['SERVICE_NAME'] || defaults.name
}

export type Settings = Awaited<ReturnType<typeof readSettings>>['settings']

/** Reads the environment into settings and findings of the gate. Throws a ConfigError with every problem at once. */
export async function readSettings(env: Env) {
  const { values, findings } = await readVariables(variables, { env }, rulesFor(env))
  return { settings: settingsFrom(values, configuredUpstreams(values, env)), findings }
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
    store: engineOf(values) ? storeSettings(values, defaults.name) : unnamedStore,
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
