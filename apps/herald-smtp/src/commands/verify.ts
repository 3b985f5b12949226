import type { ProbeResult } from '../mailer/mailer.ts'
import { createSmtpMailer } from '../mailer/smtp-mailer.ts'
import type { ConfiguredUpstream } from '../upstreams.ts'
import { readJudgedSettings } from './read-judged-settings.ts'
import type { CommandWorld } from '../world.ts'

const columns = ['UPSTREAM', 'ADDRESS', 'TLS', 'AUTH', 'RESULT'] as const

/** Connects, secures and authenticates to each upstream, and sends nothing; 0 if all of them let us in, else 1. */
export async function verifyUpstreams({ env, now, print }: CommandWorld): Promise<number> {
  const settings = await readJudgedSettings(env)
  const results = await Promise.all(
    settings.upstreams.map(async (upstream) => ({ upstream, ...(await verify(upstream, now)) })),
  )
  const rows = results.map(({ upstream, probe, tookMs }) => [
    upstream.name,
    `${upstream.host}:${upstream.port}`,
    upstream.tls === 'required-starttls' ? 'starttls' : upstream.tls,
    authOf(upstream),
    probe.ok ? `ok in ${tookMs} ms` : describeFailure(probe),
  ])
  for (const line of layOut([[...columns], ...rows])) print(line)
  return results.every(({ probe }) => probe.ok) ? 0 : 1
}

async function verify(upstream: ConfiguredUpstream, now: () => number) {
  const mailer = createSmtpMailer(upstream, { now, logger: { warn() {} } })
  const startedAt = performance.now()
  const probe = await mailer.probe()
  await mailer.close()
  return { probe, tookMs: Math.round(performance.now() - startedAt) }
}

function authOf({ auth }: ConfiguredUpstream): string {
  if (auth === undefined) return 'none'
  return 'grant' in auth ? 'xoauth2' : (auth.method?.toLowerCase() ?? 'password')
}

function describeFailure({ phase, cause, code }: Extract<ProbeResult, { ok: false }>): string {
  return `failed at ${phase}: ${cause}${code === undefined ? '' : ` ${code}`}`
}

function layOut(rows: readonly string[][]): string[] {
  const widths = columns.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}
