import { PerformanceObserver } from 'node:perf_hooks'
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'

/** The young generation, both halves of it, is not to double beyond this; left to itself, V8 goes to 64 MiB. */
const youngBytesMax = 16 * 1024 * 1024

/** How far the old generation may outgrow what was alive in it before it is collected; left to itself, V8 waits for more. */
const oldGrowthPercent = 50

/**
 * A brake on the heap of this process, however it was started: V8 heeds these two flags while it runs, unlike
 * `--max-semi-space-size`. It is no bound: collections are heard of between two turns of the event loop, and within one V8
 * may go on doubling. The young generation may also grow again once V8 has shrunk it in quiet times.
 */
export function restrainHeap(): void {
  setFlagsFromString(`--heap-growing-percent=${oldGrowthPercent}`)
  let isHeld = false
  new PerformanceObserver(() => {
    const isGrown = youngBytes() * 2 > youngBytesMax
    if (isGrown === isHeld) return
    isHeld = isGrown
    setFlagsFromString(`--semi-space-growth-factor=${isGrown ? 1 : 2}`)
  }).observe({ entryTypes: ['gc'] })
}

function youngBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')?.space_size ?? 0
}
