import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createTestCertificates } from '../packages/testing/src/index.ts'
import { bundleOf, commonEnv, type Laboratory, type Side } from './laboratory.ts'
import { createReport, original, type Report } from './report.ts'
import { measureStarts, runRounds, startAll, stopAll, type Case } from './rounds.ts'
import { startSink } from './start-sink.ts'

export type SmtpOptions = {
  /** Path of the original's binary. */
  peer?: string
  rounds: number
  starts: number
  mails: number
  connections: readonly number[]
}

const securities = ['plain', 'STARTTLS'] as const
type Security = (typeof securities)[number]
type Upstream = { security: Security; port: number; authority: string }

/** `send` in plain and with STARTTLS, in front of a mail server that takes everything. */
export async function benchSmtp(laboratory: Laboratory, options: SmtpOptions): Promise<Report> {
  const report = createReport()
  const certificates = await createTestCertificates()
  const authority = join(laboratory.folder, 'authority.pem')
  writeFileSync(authority, certificates.ca)
  for (const security of securities) {
    const tls = security === 'plain' ? 'none' : 'starttls'
    const sink = await startSink({ tls, delayMs: 0, resumes: true, ...certificates.valid })
    const sides = smtpSides(laboratory, { security, port: sink.port, authority }, options.peer)
    try {
      if (security === 'plain') await measureStarts(laboratory, sides, { ...options, report })
      await loadSides(laboratory, { security, sides, options, report })
    } finally {
      sink.stop()
    }
  }
  return report
}

async function loadSides(
  laboratory: Laboratory,
  {
    security,
    sides,
    options,
    report,
  }: { security: Security; sides: readonly Side[]; options: SmtpOptions; report: Report },
): Promise<void> {
  const running = await startAll(laboratory, sides)
  await runRounds(laboratory, running, {
    rounds: options.rounds,
    casesOf: (round) => options.connections.map((each) => caseOf(security, each, { ...options, round })),
    keep: report.add,
  })
  await stopAll(running, report)
}

function caseOf(
  security: Security,
  connections: number,
  { mails, round }: { mails: number; round: number },
): Case {
  return {
    title: `send, ${security}, ${connections} connections`,
    prepare: ({ side, server }) => ({
      kind: 'prepare mails',
      port: server.port,
      label: `${security}-${connections}-${round}-${side.name}`,
      shape: { requests: mails, connections },
    }),
  }
}

function smtpSides(
  { redis, folder }: Laboratory,
  { security, port, authority }: Upstream,
  peer?: string,
): Side[] {
  const env = {
    ...commonEnv,
    SMTP_HOST: '127.0.0.1',
    SMTP_PORT: String(port),
    SMTP_FROM: 'otp@example.com',
    SMTP_USE_STARTTLS: String(security === 'STARTTLS'),
    SSL_CERT_FILE: authority,
    NODE_EXTRA_CA_CERTS: authority,
    RATE_LIMIT_PER_RECIPIENT: '1000000000',
  }
  const onRedis = { ...env, REDIS_ADDR: `127.0.0.1:${redis.port}`, REDIS_DB: '2' }
  const onSqlite = { ...env, SQLITE_PATH: join(folder, `smtp-${security}.sqlite`) }
  const ours = bundleOf('herald-smtp')
  return [
    ...(peer === undefined ? [] : [{ name: original, command: [peer] as [string], env, onRedis: false }]),
    { name: 'Redis', command: ours, env: onRedis, onRedis: true },
    { name: 'SQLite', command: ours, env: onSqlite, onRedis: false },
  ]
}
