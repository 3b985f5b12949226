const validMs = 1000

/** Calls `check` at most once a second, however often it is asked; who asks in between gets the same result, good or bad. */
export function onceASecond(check: () => Promise<void>, now: () => number): () => Promise<void> {
  let latest: { at: number; result: Promise<void> } | undefined
  return () => {
    const at = now()
    // A clock that was set back must not keep an old result.
    if (latest === undefined || Math.abs(at - latest.at) >= validMs) latest = { at, result: check() }
    return latest.result
  }
}
