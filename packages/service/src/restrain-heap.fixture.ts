import { setImmediate } from 'node:timers/promises'
import { getHeapSpaceStatistics } from 'node:v8'
import { restrainHeap } from './restrain-heap.ts'

/** Keeps a moving window of objects alive, as requests under way do, and prints how large the young generation became. */
if (process.argv[2] === 'restrained') restrainHeap()
const window = Array.from<unknown>({ length: 10_000 })
let mostBytes = 0
for (let n = 0; n < 3_000_000; n += 1) {
  window[n % window.length] = { n, list: [n, n + 1], more: { n } }
  if (n % 1_000 > 0) continue
  await setImmediate()
  const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')
  mostBytes = Math.max(mostBytes, young?.space_size ?? 0)
}
console.log(mostBytes)
