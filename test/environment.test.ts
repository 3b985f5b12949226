import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import * as smtp from '../apps/herald-smtp/src/config.ts'
import * as totp from '../apps/herald-totp/src/config.ts'
import {
  ConfigError,
  describeVariables,
  judge,
  type GateFinding,
  type GatePolicy,
} from '../packages/config/src/index.ts'

const root = join(import.meta.dirname, '..')
const read = (file: string) => readFileSync(join(root, file), 'utf8')

type Environment = Record<string, string>
type Reading = { settings: { gate: GatePolicy }; findings: readonly GateFinding[] }

const services = [
  { app: 'herald-totp', variables: totp.variables, readSettings: totp.readSettings, others: {} },
  {
    app: 'herald-smtp',
    variables: smtp.variables,
    readSettings: smtp.readSettings,
    others: { SMTP_HOST: '127.0.0.1', SMTP_FROM: 'noreply@herald.test' },
  },
] as const

/** `NAME=value` lines; with `defaults`, also those that stand behind a #. */
function linesOf(text: string, defaults = false): Environment {
  const pattern = defaults ? /^#?([A-Z][A-Z0-9_]*)=(.*)$/gm : /^([A-Z][A-Z0-9_]*)=(.*)$/gm
  return Object.fromEntries([...text.matchAll(pattern)].map(([, name, value]) => [name ?? '', value ?? '']))
}

function filled(template: string): Environment {
  return linesOf(execFileSync(join(root, 'infra/env/fill.sh'), [join(root, template)], { encoding: 'utf8' }))
}

async function refusedBy(reading: Promise<Reading>): Promise<string[]> {
  const { settings, findings } = await reading
  return judge(findings, settings.gate).refused.map(({ code, variable }) => `${code} ${variable}`)
}

describe.each(services)('infra/env/$app.env.example', ({ app, variables, readSettings, others }) => {
  const file = `infra/env/${app}.env.example`
  const described = describeVariables(variables)
  const template = linesOf(read(file), true)

  it('names every variable of the schema and no other', () => {
    expect(Object.keys(template).toSorted()).toEqual(described.map(({ name }) => name).toSorted())
  })

  it('sets every required variable, if only to fill it in', () => {
    const required = described.filter((variable) => variable.required).map(({ name }) => name)
    expect(Object.keys(linesOf(read(file)))).toEqual(expect.arrayContaining(required))
  })

  it('shows the default of the schema behind each #', () => {
    const set = linesOf(read(file))
    const shown = Object.entries(template).filter(([name]) => !(name in set))
    expect(Object.fromEntries(shown)).toEqual(
      Object.fromEntries(
        shown.map(([name]) => [name, described.find((variable) => variable.name === name)?.default ?? '']),
      ),
    )
  })

  it('holds no value of a secret', () => {
    const secrets = described.filter(({ secret }) => secret).map(({ name }) => name)
    expect(secrets.filter((name) => template[name] !== '')).toEqual([])
  })

  it('starts nothing as it is', async () => {
    await expect(readSettings(linesOf(read(file)))).rejects.toThrow(ConfigError)
  })

  it('passes the gate of production once it is filled in', async () => {
    expect(await refusedBy(readSettings({ ...filled(file), ...others }))).toEqual([])
  })
})

describe.each(services)('the environment of $app', ({ readSettings }) => {
  it('is refused for what is malformed and for what the gate refuses in one round, values never', async () => {
    const marker = 'marker-of-a-key'
    const environment = {
      LOG_LEVEL: marker,
      API_KEY: marker,
      REDIS_URL: `redis://:${marker}@192.0.2.1`,
      REDIS_DB: marker,
      TLS_CLIENT_CA_FILE: marker,
    }
    const error: unknown = await readSettings(environment).catch((thrown: unknown) => thrown)
    if (!(error instanceof ConfigError)) throw error
    expect(error.problems.map(({ variable, code = '' }) => `${variable} ${code}`.trim())).toEqual(
      expect.arrayContaining([
        'LOG_LEVEL',
        'REDIS_DB',
        'TLS_CLIENT_CA_FILE',
        'API_KEY WEAK_KEY',
        'REDIS_URL REDIS_PLAINTEXT',
      ]),
    )
    expect(JSON.stringify(error.problems) + error.message).not.toContain(marker)
  })
})

describe('infra/env/compose.env.example', () => {
  const compose = read('docker-compose.yml')
  const names = new Set(
    [...`${compose}${read('infra/compose/relay.yml')}`.matchAll(/(?<!\$)\$\{(\w+)/g)].map(
      (match) => match[1] ?? '',
    ),
  )

  it('names every variable that the compose files read and no other', () => {
    expect(Object.keys(linesOf(read('infra/env/compose.env.example'))).toSorted()).toEqual(
      [...names].toSorted(),
    )
  })

  it.each(services)(
    'lets $app pass the gate of production once it is filled in',
    async ({ app, variables, readSettings }) => {
      const environment = composed(app, filled('infra/env/compose.env.example'))
      expect(Object.keys(variables.shape)).toEqual(expect.arrayContaining(Object.keys(environment)))
      // The names of the compose network do not resolve here.
      const here = { REDIS_ADDR: '127.0.0.1:6379', ...(app === 'herald-smtp' && { SMTP_HOST: '127.0.0.1' }) }
      expect(await refusedBy(readSettings({ ...environment, ...here }))).toEqual([])
    },
  )

  /** What Compose would hand to a service. */
  function composed(app: string, values: Environment): Environment {
    const service = new RegExp(`^  ${app}:\n(?: {4}.*\n)*`, 'm').exec(compose)?.[0] ?? ''
    const block = / {4}environment:\n((?: {6}.*\n)*)/.exec(service)?.[1] ?? ''
    return Object.fromEntries(
      [...block.matchAll(/^ {6}([A-Z_]+): (.*)$/gm)].map(([, name, text]) => [
        name ?? '',
        (text ?? '')
          .replaceAll("'", '')
          .replaceAll(
            /\$\{(\w+):[-?]([^}]*)\}/g,
            (_, key: string, fallback: string) => values[key] || fallback,
          ),
      ]),
    )
  }
})

describe('the environment that the compose files of the suite hand over', () => {
  const key = 'J7gkP2mZ9sQ4vR1tXw8yB6nC3dF5hL0a'

  it('starts herald-totp on Redis, empty variables and all', async () => {
    const environment = {
      PORT: ':8084',
      REDIS_ADDR: '127.0.0.1:6379',
      REDIS_PASSWORD: key,
      REDIS_DB: '0',
      HERALD_TOTP_ENCRYPTION_KEY: key,
      EXPOSE_SECRET_IN_ENROLL: 'true',
      API_KEY: key,
      LOG_LEVEL: 'info',
      TOTP_ISSUER: 'Herald',
      TOTP_PERIOD: '30',
      TOTP_DIGITS: '6',
      TOTP_SKEW: '1',
      ENROLL_TTL: '10m',
      HMAC_SECRET: '',
      HERALD_TOTP_HMAC_KEYS: '',
      SERVICE_NAME: 'herald-totp',
      RATE_LIMIT_PER_SUBJECT: '20',
      RATE_LIMIT_PER_IP: '30',
    }
    expect(await refusedBy(totp.readSettings(environment))).toEqual([])
  })

  it('starts herald-smtp without a word about a store', async () => {
    const environment = {
      PORT: ':8085',
      LOG_LEVEL: 'info',
      API_KEY: key,
      SMTP_HOST: '127.0.0.1',
      SMTP_PORT: '587',
      SMTP_USER: '',
      SMTP_PASSWORD: '',
      SMTP_FROM: 'noreply@herald.test',
      SMTP_USE_STARTTLS: 'true',
      IDEMPOTENCY_TTL_SECONDS: '300',
    }
    expect(await refusedBy(smtp.readSettings(environment))).toEqual([])
  })
})
