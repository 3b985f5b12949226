/** `half_open` follows a probe that passed: one send is let through, and decides. */
export type BreakerState = 'closed' | 'open' | 'half_open'

/** What a send said of its upstream: that it works, that it fails, that it will not take us in at all, or nothing. */
export type Verdict = 'up' | 'down' | 'refused' | 'nothing'

/** The right to one send; `settle` is called once, when its outcome is known. */
export type Permit = { settle(verdict: Verdict): void }

/** Keeps sends away from an upstream that fails. */
export type Breaker = {
  /** Undefined while the upstream is to be left alone. */
  admit(): Permit | undefined
  state(): BreakerState
  /** Milliseconds until the next probe. */
  retryAfterMs(): number
  /** Ends the probing. */
  close(): void
}

export type BreakerOptions = {
  /** So many failures in a row open it. */
  failuresMax: number
  /** The first pause before a probe; each one that fails doubles it. */
  openMsMin: number
  openMsMax: number
}

export const breakerDefaults: BreakerOptions = { failuresMax: 5, openMsMin: 1_000, openMsMax: 30_000 }

/**
 * Opens after failures in a row, or at once when the upstream refuses our credentials. A probe of its own, not
 * somebody's mail, finds out when the upstream is back; one send then shows that it takes mail too.
 */
export function createBreaker(
  deps: { probe: () => Promise<boolean>; now: () => number; onChange?: (state: BreakerState) => void },
  options: BreakerOptions = breakerDefaults,
): Breaker {
  const { probe, now, onChange } = deps
  let state: BreakerState = 'closed'
  let failures = 0
  let openings = 0
  let isTrying = false
  let probeAt = 0
  let timer: NodeJS.Timeout | undefined
  let stopped = false
  /** Verdicts of sends that began in an earlier state say nothing of this one. */
  let period = 0

  function enter(next: BreakerState): void {
    state = next
    failures = 0
    isTrying = false
    period += 1
    onChange?.(next)
  }

  function open(): void {
    const pauseMs = Math.min(options.openMsMin * 2 ** openings, options.openMsMax)
    openings += 1
    probeAt = now() + pauseMs
    if (!stopped) timer = setTimeout(() => void look(), pauseMs).unref()
    enter('open')
  }

  async function look(): Promise<void> {
    const isUp = await probe().catch(() => false)
    if (stopped) return
    if (isUp) enter('half_open')
    else open()
  }

  function fail(): void {
    failures += 1
    if (state === 'half_open' || failures >= options.failuresMax) open()
  }

  function succeed(): void {
    failures = 0
    openings = 0
    if (state === 'half_open') enter('closed')
  }

  const consequences: Readonly<Record<Verdict, () => void>> = {
    up: succeed,
    down: fail,
    refused: open,
    nothing: () => (isTrying = false),
  }

  return {
    admit() {
      if (state === 'open' || isTrying) return undefined
      isTrying = state === 'half_open'
      const begun = period
      return { settle: (verdict) => void (begun === period && consequences[verdict]()) }
    },
    state: () => state,
    retryAfterMs: () => (state === 'open' ? Math.max(probeAt - now(), 0) : 0),
    close() {
      stopped = true
      clearTimeout(timer)
    },
  }
}
