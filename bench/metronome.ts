/** A thread that says every so many milliseconds which tick it is: Node's own timers come up to a millisecond late. */
import { parentPort, workerData } from 'node:worker_threads'

const { intervalMs, ticks } = workerData as { intervalMs: number; ticks: number }
const never = new Int32Array(new SharedArrayBuffer(4))
const startedAt = performance.now()

for (let tick = 0; tick < ticks; tick += 1) {
  const waitMs = startedAt + tick * intervalMs - performance.now()
  if (waitMs > 0) Atomics.wait(never, 0, 0, waitMs)
  parentPort?.postMessage(tick, [])
}
