import {
  auditRule,
  auditVariables,
  authRules,
  authVariables,
  checkSecret,
  ConfigError,
  createSecret,
  gatePolicy,
  hmacKeysVariable,
  noAuthRule,
  readVariables,
  serviceVariables,
  storeRequired,
  storeRules,
  storeSettings,
  storeVariables,
  tlsRule,
  tlsSettings,
  tlsVariables,
  variable,
  type Env,
  type GateFinding,
  type VariableRule,
} from '@herald/config'
import {
  createKeyring,
  KeyFormatError,
  parseKeyBytes,
  parseKeyringJson,
  singleKeyring,
  type KeyringSettings,
} from '@herald/crypto'
import { z } from 'zod'

const defaults = { name: 'herald-totp', port: 8084 }
const hmacKeys = 'HERALD_TOTP_HMAC_KEYS'

/** Every environment variable of the service; their descriptions are the documentation. */
export const variables = z.object({
  ...serviceVariables(defaults),
  ...tlsVariables,
  ...storeVariables,
  HERALD_TOTP_ENCRYPTION_KEY: variable
    .parsedSecret((text) => checked(singleKeyring(parseKeyBytes(text))), explainKey)
    .optional()
    .describe('The one key secrets are sealed under: base64:, hex: or exactly 32 bytes of text'),
  TOTP_KEYRING: variable
    .parsedSecret((text) => checked(parseKeyringJson(text)), explainKey)
    .optional()
    .describe('Several such keys as JSON with an explicit primary, in place of HERALD_TOTP_ENCRYPTION_KEY'),
  ...authVariables,
  [hmacKeys]: hmacKeysVariable(),
  ...auditVariables,
  TOTP_ISSUER: variable
    .text({ maxLength: 64 })
    .refine((text) => !text.includes(':') && text.isWellFormed(), 'must not contain a colon')
    .prefault('Herald')
    .describe('Issuer shown by authenticators'),
  TOTP_PERIOD: variable
    .integer({ min: 15, max: 300 })
    .prefault('30')
    .describe('Seconds a code of a new enrolment stands for'),
  TOTP_DIGITS: variable
    .integer({ min: 6, max: 8 })
    .transform((digits) => digits as 6 | 7 | 8)
    .prefault('6')
    .describe('Digits of a code of a new enrolment'),
  TOTP_SKEW: variable
    .integer({ min: 0, max: 2 })
    .prefault('1')
    .describe('Steps before and after the current one whose codes are accepted'),
  ENROLL_TTL: variable
    .duration({ minSeconds: 1, maxSeconds: 86_400 })
    .prefault('10m')
    .describe('How long a started enrolment can be confirmed'),
  EXPOSE_SECRET_IN_ENROLL: variable
    .yesOrNo()
    .prefault('true')
    .describe('Whether enroll/start also answers the secret as text beside the key URI'),
  RATE_LIMIT_PER_SUBJECT: variable
    .integer({ min: 1, max: 1_000_000_000 })
    .prefault('20')
    .describe('Starts, and failed TOTP verifies, of one subject in an hour'),
  RATE_LIMIT_PER_IP: variable
    .integer({ min: 1, max: 1_000_000_000 })
    .prefault('30')
    .describe('Starts and failed verifies of one stated client address in a minute'),
  LOCK_AFTER_FAILURES: z
    .union([z.literal('off'), variable.integer({ min: 1, max: 1_000_000 })], {
      error: 'must be off or a whole number from 1 to 1000000',
    })
    .prefault('100')
    .describe('Failures in a row that stop TOTP codes of a subject until it is unlocked, or off'),
  TRUSTED_PROXIES: variable
    .networks()
    .optional()
    .describe('Peers whose X-Client-IP and X-Forwarded-For state a client address'),
})

type Values = z.output<typeof variables>

const rules: readonly VariableRule<Values>[] = [
  storeRequired,
  ...storeRules,
  tlsRule,
  ...authRules(hmacKeys),
  auditRule,
  noAuthRule(['API_KEY', 'API_KEYS', 'HMAC_SECRET', hmacKeys]),
  ...(['HERALD_TOTP_ENCRYPTION_KEY', 'TOTP_KEYRING'] as const).map((name): VariableRule<Values> => ({
    reads: [name],
    find: ({ [name]: keyring }) => (keyring ? keyFindings(name, keyring) : []),
  })),
  {
    reads: ['EXPOSE_SECRET_IN_ENROLL'],
    find: (values) => (values.EXPOSE_SECRET_IN_ENROLL ? [exposedSecret] : []),
  },
  {
    reads: ['HERALD_TOTP_ENCRYPTION_KEY', 'TOTP_KEYRING'],
    check: ({ HERALD_TOTP_ENCRYPTION_KEY: key, TOTP_KEYRING: keyring }) => {
      if (key === undefined && keyring === undefined)
        return [{ variable: 'HERALD_TOTP_ENCRYPTION_KEY', message: 'must be set, or TOTP_KEYRING' }]
      if (key !== undefined && keyring !== undefined)
        return [
          {
            variable: 'TOTP_KEYRING',
            message: 'and HERALD_TOTP_ENCRYPTION_KEY are both set; keep one of them',
          },
        ]
      return []
    },
  },
]

/** Where the keyring is read from; undefined when it stands in a variable. */
export function keyringFile(env: Env): string | undefined {
  return env['TOTP_KEYRING_FILE'] || undefined
}

/** Reads the keyring again, as readSettings does. Throws a ConfigError. */
export async function readKeyring(env: Env): Promise<{ keyring: KeyringSettings; findings: GateFinding[] }> {
  const { values, findings } = await readVariables(variables.pick({ TOTP_KEYRING: true }), { env })
  const { TOTP_KEYRING: keyring } = values
  if (keyring === undefined) throw new ConfigError([{ variable: 'TOTP_KEYRING', message: 'must be set' }])
  return { keyring, findings: [...findings, ...keyFindings('TOTP_KEYRING', keyring)] }
}

/** The one key of the environment, as the keyring that it is. Throws a ConfigError. */
export async function readSingleKey(env: Env): Promise<KeyringSettings | undefined> {
  const { values } = await readVariables(variables.pick({ HERALD_TOTP_ENCRYPTION_KEY: true }), { env })
  return values.HERALD_TOTP_ENCRYPTION_KEY
}

/** What logs call the service, also while its configuration is still being judged. */
export function serviceName(env: Env): string {
  return env['SERVICE_NAME'] || defaults.name
}

export type Settings = Awaited<ReturnType<typeof readSettings>>['settings']

/** Reads the environment into settings and findings of the gate. Throws a ConfigError with every problem at once. */
export async function readSettings(env: Env) {
  const { values, findings } = await readVariables(variables, { env }, rules)
  const settings = Object.freeze({
    host: values.HOST,
    port: values.PORT,
    shutdownGraceMs: values.SHUTDOWN_GRACE_SECONDS * 1000,
    logLevel: values.LOG_LEVEL,
    tls: tlsSettings(values),
    gate: gatePolicy(values),
    store: storeSettings(values, defaults.name),
    keyring: keyringOf(values),
    keyringVariable: values.TOTP_KEYRING ? 'TOTP_KEYRING' : 'HERALD_TOTP_ENCRYPTION_KEY',
    auth: {
      apiKey: values.API_KEY,
      apiKeys: values.API_KEYS,
      apiKeyPeppers: values.API_KEY_PEPPERS,
      adminApiKey: values.ADMIN_API_KEY,
      hmacSecret: values.HMAC_SECRET,
      hmacKeys: values[hmacKeys],
      hmacDefaultKeyId: values.HMAC_DEFAULT_KEY_ID,
      hmacMaxDriftSeconds: values.HMAC_MAX_DRIFT,
    },
    audit: { file: values.AUDIT_FILE, key: values.AUDIT_KEY },
    limits: {
      perSubjectHour: values.RATE_LIMIT_PER_SUBJECT,
      lockAfterFailures: values.LOCK_AFTER_FAILURES,
    },
    app: {
      name: values.SERVICE_NAME,
      totp: {
        issuer: values.TOTP_ISSUER,
        periodSeconds: values.TOTP_PERIOD,
        digits: values.TOTP_DIGITS,
        skew: values.TOTP_SKEW,
        ttlSeconds: values.ENROLL_TTL,
      },
      exposeSecret: values.EXPOSE_SECRET_IN_ENROLL,
      perAddressMinute: values.RATE_LIMIT_PER_IP,
      isTrustedProxy: values.TRUSTED_PROXIES ?? (() => false),
    },
  })
  return { settings, findings }
}

function keyringOf(values: Values): KeyringSettings {
  const keyring = values.TOTP_KEYRING ?? values.HERALD_TOTP_ENCRYPTION_KEY
  if (keyring === undefined) throw new TypeError('a rule lets no start come here without a key')
  return keyring
}

/** Judges the bytes of each key, however it was spelled. */
function keyFindings(name: string, { entries }: KeyringSettings): GateFinding[] {
  return entries.flatMap(({ key }) =>
    checkSecret(name, createSecret(`hex:${key.toString('hex')}`), { minBytes: 32 }),
  )
}

const exposedSecret: GateFinding = {
  code: 'EXPOSE_SECRET',
  variable: 'EXPOSE_SECRET_IN_ENROLL',
  message: 'is on, so enroll/start answers the secret as text too',
  remedy: 'set it to false where callers use the key URI alone',
}

/** Throws KeyFormatError on what no keyring can be made of: a twin, a primary key that is not enabled. */
function checked(keyring: KeyringSettings): KeyringSettings {
  createKeyring({ ...keyring, randomBytes: (size) => Buffer.alloc(size) })
  return keyring
}

function explainKey(error: unknown): string {
  return error instanceof KeyFormatError ? error.message : 'cannot be read'
}
