/** A thread that tells when each tick was due, on the clock of `process.hrtime`: Node's own timers come up to a millisecond late. */
import { parentPort, workerData } from 'node:worker_threads'

const { intervalMs, ticks } = workerData as { intervalMs: number; ticks: number }
const never = new Int32Array(new SharedArrayBuffer(4))
const now = () => Number(process.hrtime.bigint()) / 1e6
const startedAt = now()

for (let tick = 0; tick < ticks; tick += 1) {
  const dueAt = startedAt + tick * intervalMs
  const waitMs = dueAt - now()
  if (waitMs > 0) Atomics.wait(never, 0, 0, waitMs)
  parentPort?.postMessage(dueAt, [])
}
