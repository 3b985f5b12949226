import {
  checkSecret,
  plaintextFindings,
  readConfigFile,
  variable,
  type Env,
  type GateFinding,
  type Secret,
  type VariableRule,
} from '@herald/config'
import { z } from 'zod'
import { upstreamDefaults, type UpstreamAuth, type UpstreamSettings } from './mailer/mailer.ts'
import { createFileSecret, readUpstreams, type ConfiguredUpstream } from './upstreams.ts'

const list = 'SMTP_UPSTREAMS'

/** The mail servers: one by variables of its own, or a list of them. */
export const upstreamVariables = {
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
}

type UpstreamValues = z.output<z.ZodObject<typeof upstreamVariables>> & { SMTP_MAX_CONCURRENT_SENDS: number }

/** What contradicts itself, and what the gate is to judge; asks `env` whether a variable that has a default was given. */
export function upstreamRules(env: Env): readonly VariableRule<UpstreamValues>[] {
  return [smtpUserRule, ...shortFormRules, listRule(env)]
}

/** In the order in which they are tried; of values that the rules have let pass. */
export function configuredUpstreams(values: UpstreamValues, env: Env): readonly ConfiguredUpstream[] {
  const listed = listedUpstreams(values).upstreams
  return listed.length > 0 ? listed : [shortForm(values, env)]
}

const smtpUserRule: VariableRule<UpstreamValues> = {
  reads: ['SMTP_USER', 'SMTP_PASSWORD'],
  check: ({ SMTP_USER: user, SMTP_PASSWORD: password }) => {
    if ((user === undefined) === (password === undefined)) return []
    return user === undefined
      ? [{ variable: 'SMTP_USER', message: 'must be set together with SMTP_PASSWORD' }]
      : [{ variable: 'SMTP_PASSWORD', message: 'must be set together with SMTP_USER' }]
  },
}

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
const listRule = (env: Env): VariableRule<UpstreamValues> => ({
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

/** What SMTP_UPSTREAMS says, and what is wrong with it; nothing where it is unset. */
export function listedUpstreams({ [list]: json, SMTP_MAX_CONCURRENT_SENDS: connectionsMax }: UpstreamValues) {
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

const shortFormRules: readonly VariableRule<UpstreamValues>[] = [
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

function shortForm(values: UpstreamValues, env: Env): UpstreamSettings {
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

function tlsMode(values: UpstreamValues): UpstreamSettings['tls'] {
  if (values.SMTP_USE_TLS || values.SMTP_PORT === 465) return 'implicit'
  return values.SMTP_USE_STARTTLS ? 'required-starttls' : 'none'
}

const unverified = (variable: string, authority: string): GateFinding => ({
  code: 'TLS_VERIFY_OFF',
  variable,
  message: "turns off the verification of the mail server's certificate",
  remedy: `set ${authority} to the authority of that certificate instead`,
})
