/**
 * `npm run bench:smtp`: the built service in front of a mail server that takes everything, each a process of its own.
 * BENCH_MAILS and BENCH_ROUNDS change how much is sent; figures are medians of the rounds. The overhead of a mail is its
 * request as the caller sees it, less what the mail server notes from the arrival of MAIL to the reply to the final dot.
 */
import { generateKeyPairSync, sign } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createTestCertificates, startService, type RunningService } from '../packages/testing/src/index.ts'
import { quantile } from './figures.ts'
import { sendMails } from './smtp-load.ts'
import { startSink, type Sink } from './start-sink.ts'

const apiKey = 'a-key-of-the-benchmark-0123456789abcdef'
const mails = Number(process.env['BENCH_MAILS'] ?? 3_000)
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 3)

type Scenario = {
  name: string
  tls: 'none' | 'starttls' | 'implicit'
  messagesPerConnection?: number
  refusedShare?: number
  dkim?: boolean
  delayMs?: number
  connections?: number
}

type Figures = {
  perSecond: number
  p50: number
  p99: number
  /** Of the requests, less what each mail took at the mail server from the arrival of MAIL to the reply to the dot. */
  overheadP50: number
  overheadP99: number
  dialsPerMail: number
  cpuMsPerMail: number
  failed: number
}

const scenarios: readonly Scenario[] = [
  { name: 'plain', tls: 'none' },
  { name: 'plain, one dial per message', tls: 'none', messagesPerConnection: 1 },
  { name: 'STARTTLS', tls: 'starttls' },
  { name: 'STARTTLS, 10 % refused', tls: 'starttls', refusedShare: 0.1 },
  { name: 'STARTTLS, DKIM', tls: 'starttls', dkim: true },
  { name: 'STARTTLS, one dial per message', tls: 'starttls', messagesPerConnection: 1 },
  { name: 'STARTTLS, DKIM, one dial per message', tls: 'starttls', dkim: true, messagesPerConnection: 1 },
  { name: 'implicit TLS', tls: 'implicit' },
  { name: 'implicit TLS, one dial per message', tls: 'implicit', messagesPerConnection: 1 },
  { name: 'STARTTLS, 20 ms at the dot', tls: 'starttls', delayMs: 20 },
]

const folder = mkdtempSync(join(tmpdir(), 'herald-smtp-bench-'))
process.once('exit', () => rmSync(folder, { recursive: true }))
const certificates = await createTestCertificates()
writeFileSync(join(folder, 'ca.pem'), certificates.ca)
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const pem = privateKey.export({ type: 'pkcs8', format: 'pem' })
writeFileSync(join(folder, 'dkim.pem'), pem, { mode: 0o600 })

function environmentOf({ tls, messagesPerConnection, dkim }: Scenario, port: number): Record<string, string> {
  const upstream = {
    host: '127.0.0.1',
    port,
    tls,
    ...(tls !== 'none' && { ca_file: join(folder, 'ca.pem') }),
    ...(messagesPerConnection !== undefined && { messages_per_connection: messagesPerConnection }),
  }
  return {
    ENVIRONMENT: 'test',
    API_KEY: apiKey,
    SMTP_UPSTREAMS: JSON.stringify([upstream]),
    SMTP_FROM: 'noreply@herald.example',
    ...(dkim && { DKIM_KEY_FILE: join(folder, 'dkim.pem'), DKIM_SELECTOR: 'bench' }),
  }
}

async function counters({ url }: RunningService): Promise<{ dials: number; cpuSeconds: number }> {
  const text = await (await fetch(`${url}/metrics`)).text()
  const value = (name: string): number =>
    Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (.*)$`, 'm').exec(text)?.[1] ?? 0)
  return { dials: value('herald_smtp_dials_total'), cpuSeconds: value('process_cpu_seconds_total') }
}

async function measure(scenario: Scenario): Promise<Figures> {
  const { tls, delayMs = 0, messagesPerConnection } = scenario
  const sink = await startSink({
    tls,
    delayMs,
    resumes: messagesPerConnection === undefined,
    ...certificates.valid,
  })
  try {
    const service = await startService('herald-smtp', environmentOf(scenario, sink.port))
    try {
      return await measureService(service, sink, scenario)
    } finally {
      await service.kill()
    }
  } finally {
    sink.stop()
  }
}

async function measureService(
  service: RunningService,
  sink: Sink,
  { connections = 16, refusedShare = 0 }: Scenario,
): Promise<Figures> {
  const options = { url: service.url, apiKey, connections, refusedShare }
  await sendMails(Math.ceil(mails / 4), 'warm', options)
  await sink.look()
  const before = await counters(service)
  const load = await sendMails(mails, 'run', options)
  const after = await counters(service)
  const tookMs = [...load.tookMs.values()]
  const overheadMs = [...(await sink.look())].map(([to, ms]) => (load.tookMs.get(to) ?? Number.NaN) - ms)
  return {
    perSecond: (load.accepted + load.refused) / (load.elapsedMs / 1000),
    p50: quantile(tookMs, 0.5),
    p99: quantile(tookMs, 0.99),
    overheadP50: quantile(overheadMs, 0.5),
    overheadP99: quantile(overheadMs, 0.99),
    dialsPerMail: (after.dials - before.dials) / mails,
    cpuMsPerMail: ((after.cpuSeconds - before.cpuSeconds) * 1000) / mails,
    failed: load.failed,
  }
}

const median = (values: readonly number[]): number => quantile(values, 0.5)
const middle = (all: readonly Figures[], key: keyof Figures): number => median(all.map((each) => each[key]))

const results = new Map<string, Figures[]>()
// Round by round over all scenarios, so that what else the machine does falls on all of them alike.
for (let round = 0; round < rounds; round++) {
  for (const scenario of scenarios) {
    const figures = await measure(scenario)
    results.set(scenario.name, [...(results.get(scenario.name) ?? []), figures])
  }
}

console.log(
  `${mails} mails a round, ${rounds} rounds, 16 connections, Node ${process.version}, ${cpus().length} x ${cpus()[0]?.model}\n`,
)
console.log(
  '| herald-smtp | mails/s | spread | p50 ms | p99 ms | overhead p50 ms | overhead p99 ms | dials per mail | CPU ms per mail | failed |',
)
console.log('| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |')
for (const [name, all] of results) {
  const rates = all.map(({ perSecond }) => Math.round(perSecond))
  const cells = [
    name,
    Math.round(middle(all, 'perSecond')),
    `${Math.min(...rates)} to ${Math.max(...rates)}`,
    middle(all, 'p50').toFixed(1),
    middle(all, 'p99').toFixed(1),
    middle(all, 'overheadP50').toFixed(1),
    middle(all, 'overheadP99').toFixed(1),
    middle(all, 'dialsPerMail').toFixed(4),
    middle(all, 'cpuMsPerMail').toFixed(2),
    all.reduce((sum, { failed }) => sum + failed, 0),
  ]
  console.log(`| ${cells.join(' | ')} |`)
}

const ratio = (name: string, base: string): string =>
  median(
    (results.get(name) ?? []).map(
      ({ perSecond }, n) => perSecond / (results.get(base)?.[n]?.perSecond ?? Number.NaN),
    ),
  ).toFixed(1)
console.log('\nRate against one dial per message (median of the rounds):')
for (const [name, base] of [
  ['STARTTLS', 'STARTTLS, one dial per message'],
  ['STARTTLS, 10 % refused', 'STARTTLS, one dial per message'],
  ['STARTTLS, DKIM', 'STARTTLS, DKIM, one dial per message'],
  ['implicit TLS', 'implicit TLS, one dial per message'],
  ['plain', 'plain, one dial per message'],
] as const) {
  console.log(`- ${name}: ${ratio(name, base)}`)
}

/** CPU milliseconds of one RSA-2048 signature, which no way of sending saves. */
function signatureMs(): number {
  const signatures = 200
  const before = process.cpuUsage()
  for (let n = 0; n < signatures; n++) sign('sha256', Buffer.from('a mail'), privateKey)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000 / signatures
}

const cpuWithDkim = middle(results.get('STARTTLS, DKIM') ?? [], 'cpuMsPerMail')
console.log(
  `\nA DKIM signature alone takes ${signatureMs().toFixed(2)} ms of CPU; a mail with one ${cpuWithDkim.toFixed(2)} ms.`,
)
