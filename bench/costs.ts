import { randomBytes } from 'node:crypto'
import { createBackupCodes, matchSlot } from '../apps/herald-totp/src/domain/backup-codes.ts'
import { backupContext, credentialContext } from '../apps/herald-totp/src/domain/box-context.ts'
import { matchStep } from '../apps/herald-totp/src/domain/totp.ts'
import { verifyRequest } from '../apps/herald-totp/src/routes/verify.ts'
import { createAuthenticator, createSigner } from '../packages/auth/src/index.ts'
import { createKeyring } from '../packages/crypto/src/index.ts'
import { createLogger, createMetrics, parseJson } from '../packages/service/src/index.ts'
import { spread, table } from './figures.ts'
import { credentials } from './totp-requests.ts'

type Cost = { name: string; work: () => unknown }

const repeats = 9

/** What each step of a verify costs by itself: the services' own functions in a loop, microseconds of CPU. */
export function benchCosts({ repeatMs }: { repeatMs: number }): string {
  const costs = [parsing(), signature(), sealedBox(), matching(), backupCode(), logging(), metrics()]
  return table(
    ['Step of a verify', 'CPU in microseconds'],
    costs.map(({ name, work }) => [name, spread(microseconds(work, repeatMs))]),
  )
}

function microseconds(work: () => unknown, repeatMs: number): number[] {
  const sample = (): number => {
    const until = performance.now() + repeatMs
    const cpu = process.cpuUsage()
    let count = 0
    do {
      for (let n = 0; n < 100; n += 1) work()
      count += 100
    } while (performance.now() < until)
    const { user, system } = process.cpuUsage(cpu)
    return (user + system) / count
  }
  sample()
  return Array.from({ length: repeats }, sample)
}

const body = Buffer.from(JSON.stringify({ subject: 'bench-0000001', code: '123456' }))

function parsing(): Cost {
  const context = { req: { header: contentType }, get: () => body } as unknown as Parameters<
    typeof parseJson
  >[0]
  return { name: 'parsing: UTF-8, JSON, zod', work: () => parseJson(context, verifyRequest) }
}

function contentType(name: string): string | undefined {
  return name === 'content-type' ? 'application/json' : undefined
}

function signature(): Cost {
  const { apiKey, hmacSecret, service } = credentials
  const now = () => Date.now()
  const authenticator = createAuthenticator({
    apiKey,
    hmacSecret,
    scopes: ['totp:verify'],
    adminScopes: [],
    now,
  })
  const sign = createSigner({ secret: hmacSecret, service, now })
  const headers = new Headers({ 'X-API-Key': apiKey, ...sign(body) })
  const request = {
    method: 'POST',
    path: '/v1/verify',
    query: '',
    body,
    headers: (name: string) => headers.get(name) ?? undefined,
    headerNames: () => headers.keys(),
  }
  return { name: 'signature and API key', work: () => authenticator(request) }
}

const keyring = createKeyring({
  primaryId: 'k1',
  entries: [{ id: 'k1', key: randomBytes(32), state: 'enabled' }],
  randomBytes,
})

function sealedBox(): Cost {
  const context = credentialContext('bench-0000001', 'c_bench')
  const box = keyring.seal(context, randomBytes(20))
  return { name: 'opening the sealed box of a secret', work: () => keyring.open(context, box) }
}

function matching(): Cost {
  const parameters = { algorithm: 'SHA1', digits: 6, periodSeconds: 30 } as const
  const guess = { secret: randomBytes(20), parameters, skew: 1, code: '123456' }
  return { name: 'matching a code, three steps', work: () => matchStep({ ...guess, now: Date.now() }) }
}

function backupCode(): Cost {
  const context = backupContext('bench-0000001')
  const box = keyring.seal(context, createBackupCodes(randomBytes).set)
  const symbols = 'ABCDEFGHJKLMNPQR'
  return {
    name: 'instead of both: a backup code against ten slots',
    work: () => matchSlot(keyring.open(context, box), symbols),
  }
}

function logging(): Cost {
  const logger = createLogger({ service: 'bench', level: 'info', destination: { write: () => {} } })
  const fields = {
    request_id: '0123456789abcdef0123456789abcdef',
    route: '/v1/verify',
    method: 'POST',
    status: 200,
    duration_ms: 1,
    service: 'bench',
    key_id: 'legacy',
  }
  return { name: 'logging: a line, without its share of a write', work: () => logger.info(fields, 'request') }
}

function metrics(): Cost {
  const { requestDuration } = createMetrics({ service: 'bench' })
  const labels = { route: '/v1/verify', method: 'POST', status: 200 }
  return { name: 'metrics: the duration of a request', work: () => requestDuration.observe(labels, 0.001) }
}
