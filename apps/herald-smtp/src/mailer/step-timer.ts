/** Calls back when a time is over that can be put off. */
export type StepTimer = {
  /** Milliseconds since the timer was made; not earlier than what was said before. */
  putOff(ms: number): void
  stop(): void
}

/** A time that is put off costs nothing: the timer looks again when it fires. */
export function createStepTimer(ms: number, onExpired: () => void): StepTimer {
  const since = performance.now()
  let dueMs = ms
  let timer = setTimeout(look, ms)

  function look(): void {
    const leftMs = dueMs - (performance.now() - since)
    if (leftMs <= 0) onExpired()
    else timer = setTimeout(look, leftMs)
  }

  return { putOff: (later) => void (dueMs = later), stop: () => clearTimeout(timer) }
}
