import { join } from 'node:path'
import { processCost } from './counters.ts'
import { bundleOf, commonEnv, type Laboratory, type Side } from './laboratory.ts'
import type { Mode, Shape } from './population.ts'
import { createReport, original, type Report } from './report.ts'
import { inTurn, measureStarts, runRounds, startAll, stopAll, type Case, type Running } from './rounds.ts'
import { credentials } from './totp-requests.ts'

export type TotpOptions = {
  /** Path of the original's binary. */
  peer?: string
  rounds: number
  starts: number
  subjects: number
  requests: number
  /** For the cases other than the valid verify. */
  connections: number
  verifyConnections: readonly number[]
  /** A second, in the open loop. */
  rate: number
}

/** What a herald-totp is told, ours and the original. */
export const totpEnv = {
  ...commonEnv,
  HMAC_SECRET: credentials.hmacSecret,
  HERALD_TOTP_ENCRYPTION_KEY: 'key-of-the-benchmark-0123456789!',
  RATE_LIMIT_PER_SUBJECT: '1000000000',
  RATE_LIMIT_PER_IP: '1000000000',
} as const

/** Every call on every side. */
export async function benchTotp(laboratory: Laboratory, options: TotpOptions): Promise<Report> {
  const report = createReport()
  const sides = totpSides(laboratory, options.peer)
  await measureStarts(laboratory, sides, { ...options, report })
  const running = await startAll(laboratory, sides)
  for (const { side, server } of running)
    report.note(side.name, 'RSS idle, MiB', processCost(server.pid).rssMib)
  await enrolAll(laboratory, running, { ...options, report })
  await runRounds(laboratory, running, {
    rounds: options.rounds,
    casesOf: () => casesOf(options),
    keep: report.add,
  })
  await stopAll(running, report)
  return report
}

function totpSides({ folder, redis }: Laboratory, peer?: string): Side[] {
  const ours = bundleOf('herald-totp')
  const onRedis = (db: number) => ({
    ...totpEnv,
    REDIS_ADDR: `127.0.0.1:${redis.port}`,
    REDIS_DB: String(db),
  })
  const onSqlite = { ...totpEnv, SQLITE_PATH: join(folder, 'totp.sqlite') }
  return [
    ...(peer === undefined
      ? []
      : [{ name: original, command: [peer] as [string], env: onRedis(1), onRedis: true }]),
    { name: 'Redis', command: ours, env: onRedis(0), onRedis: true },
    { name: 'SQLite', command: ours, env: onSqlite, onRedis: false },
  ]
}

async function enrolAll(
  { measure }: Laboratory,
  running: readonly Running[],
  { subjects, rounds, connections, report }: TotpOptions & { report: Report },
): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    for (const { side, server } of inTurn(running, round)) {
      const count = Math.ceil(subjects / rounds)
      const sample = await measure(server, side, { kind: 'enrol', port: server.port, count, connections })
      report.add(`enroll (start and confirm), ${connections} connections`, side.name, sample)
    }
  }
}

function casesOf({ requests, connections, verifyConnections, rate }: TotpOptions): Case[] {
  const few = Math.ceil(requests / 4)
  const half = Math.ceil(requests / 2)
  return [
    ...verifyConnections.map((each) =>
      caseOf('verify', { requests: each < 8 ? few : requests, connections: each }),
    ),
    caseOf('verify', { requests: half, connections: 64, rate }),
    ...(['wrong', 'replay', 'status'] as const).map((mode) => caseOf(mode, { requests: half, connections })),
  ]
}

function caseOf(mode: Mode, shape: Shape): Case {
  const how = shape.rate === undefined ? `${shape.connections} connections` : `open loop ${shape.rate}/s`
  return {
    title: `${mode}, ${how}`,
    prepare: ({ server }) => ({ kind: 'prepare', port: server.port, mode, shape }),
  }
}
