import type { Readiness } from '@herald/service'
import type { Mailer, ProbeResult } from './mailer/mailer.ts'

/** How old the last look at the upstreams may be before the next one is taken. */
const probeEveryMs = 10_000

export type ReadinessCheck = {
  /** Ready means that the store can be written to and that each upstream was looked at; a down upstream is told, not judged. */
  ready: () => Promise<Readiness>
  /** Looks at the upstreams; never rejects. */
  probe: () => Promise<void>
}

/** Readiness probes are what keeps the view of the upstreams fresh; none of them waits for it. */
export function createReadiness(deps: {
  upstreams: readonly { name: string; mailer: Pick<Mailer, 'probe'> }[]
  /** Rejects when the store does not answer or refuses to be written to. */
  pingStore: () => Promise<void>
  now: () => number
}): ReadinessCheck {
  const { upstreams, pingStore, now } = deps
  const seen = new Map<string, ProbeResult>()
  let probedAt = -Infinity

  async function probe(): Promise<void> {
    probedAt = now()
    await Promise.all(upstreams.map(async ({ name, mailer }) => seen.set(name, await mailer.probe())))
  }

  async function ready(): Promise<Readiness> {
    if (now() - probedAt >= probeEveryMs) void probe()
    const isStoreUp = await pingStore().then(
      () => true,
      () => false,
    )
    const results = upstreams.map(({ name }) => seen.get(name))
    // Mail goes out as long as one of them takes it.
    const best = results.find((result) => result?.ok) ?? results[0]
    const each = Object.fromEntries(upstreams.map(({ name }) => [name, describe(seen.get(name))]))
    return {
      ok: isStoreUp && seen.size === upstreams.length,
      checks: {
        store: { status: isStoreUp ? 'ok' : 'down' },
        upstream: describe(best),
        ...(upstreams.length > 1 && { upstreams: each }),
      },
    }
  }

  return { ready, probe }
}

function describe(upstream: ProbeResult | undefined): Record<string, unknown> {
  if (upstream === undefined) return { status: 'unknown' }
  if (upstream.ok) return { status: 'ok' }
  return { status: 'down', phase: upstream.phase, cause: upstream.cause, smtp_code: upstream.code }
}
