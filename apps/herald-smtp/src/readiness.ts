import type { Readiness } from '@herald/service'
import type { Mailer, ProbeResult } from './mailer/mailer.ts'

/** How old the last look at the upstream may be before the next one is taken. */
const probeEveryMs = 10_000

export type ReadinessCheck = {
  /** Ready means that the store answers and that the upstream was looked at; a down upstream is told, not judged. */
  ready: () => Promise<Readiness>
  /** Looks at the upstream; never rejects. */
  probe: () => Promise<void>
}

/** Readiness probes are what keeps the view of the upstream fresh; none of them waits for it. */
export function createReadiness(deps: {
  mailer: Pick<Mailer, 'probe'>
  pingStore: () => Promise<void>
  now: () => number
}): ReadinessCheck {
  const { mailer, pingStore, now } = deps
  let upstream: ProbeResult | undefined
  let probedAt = -Infinity

  async function probe(): Promise<void> {
    probedAt = now()
    upstream = await mailer.probe()
  }

  async function ready(): Promise<Readiness> {
    if (now() - probedAt >= probeEveryMs) void probe()
    const isStoreUp = await pingStore().then(
      () => true,
      () => false,
    )
    return {
      ok: isStoreUp && upstream !== undefined,
      checks: { store: { status: isStoreUp ? 'ok' : 'down' }, upstream: describe(upstream) },
    }
  }

  return { ready, probe }
}

function describe(upstream: ProbeResult | undefined): Record<string, unknown> {
  if (upstream === undefined) return { status: 'unknown' }
  if (upstream.ok) return { status: 'ok' }
  return { status: 'down', phase: upstream.phase, cause: upstream.cause, smtp_code: upstream.code }
}
