export type Random = {
  /** A whole number from 0 to below `limit`. */
  below: (limit: number) => number
  pick: <T>(values: readonly T[]) => T
  /** True once in so many times. */
  once: (inTimes: number) => boolean
  shuffle: <T>(values: readonly T[]) => T[]
  /** Draws of its own that depend on the seed and the name alone. */
  fork: (name: string) => Random
}

/** Draws that a seed repeats (mulberry32). */
export function createRandom(seed: number): Random {
  let state = seed >>> 0
  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit: number) => Math.floor(next() * limit)
  return {
    below,
    pick: (values) => values[below(values.length)]!,
    once: (inTimes) => below(inTimes) === 0,
    shuffle: (values) =>
      values
        .map((value) => ({ value, place: next() }))
        .toSorted((one, other) => one.place - other.place)
        .map(({ value }) => value),
    fork: (name) =>
      createRandom([...name].reduce((hash, char) => hash * 31 + char.charCodeAt(0), seed) >>> 0),
  }
}
