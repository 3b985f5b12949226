import { spread, table } from './figures.ts'
import type { Sample } from './laboratory.ts'

/** Samples by case and side, in the order in which they first came; facts of the sides beside them. */
export type Report = {
  add: (title: string, side: string, sample: Sample) => void
  note: (side: string, fact: string, value: number) => void
  /** Cases with their figures and, where there is an original, ratios to it. */
  figures: (columns: readonly Column[]) => string
  facts: () => string
}

export type Column = { name: string; of: (sample: Sample) => number }

export const loadColumns: readonly Column[] = [
  { name: 'a second', of: ({ perSecond }) => perSecond },
  { name: 'p50 ms', of: ({ p50 }) => p50 },
  { name: 'p99 ms', of: ({ p99 }) => p99 },
  { name: 'max ms', of: ({ max }) => max },
  { name: 'CPU ms', of: ({ cpuMs }) => cpuMs },
]

export const redisColumns: readonly Column[] = [
  { name: 'Redis CPU ms', of: ({ redisCpuMs }) => redisCpuMs },
  { name: 'Redis round trips', of: ({ roundTrips }) => roundTrips },
  { name: 'Redis commands', of: ({ commands }) => commands },
]

/** The name of the side that the others are compared with. */
export const original = 'original'

/** A round in which fewer answers were the expected ones says nothing. */
const soundShare = 0.99

export function createReport(): Report {
  const cases = new Map<string, Map<string, Sample[]>>()
  const facts = new Map<string, Map<string, number[]>>()
  return {
    add: (title, side, sample) => addTo(cases, [title, side], sample),
    note: (side, fact, value) => addTo(facts, [side, fact], value),
    figures: (columns) =>
      table(
        ['Case', 'Side', ...columns.map(({ name }) => name), 'Void'],
        [...cases].flatMap(([title, sides]) => rowsOf(title, sides, columns)),
      ),
    facts() {
      const names = [...new Set([...facts.values()].flatMap((each) => [...each.keys()]))]
      return table(
        ['Side', ...names],
        [...facts].map(([side, each]) => [side, ...names.map((name) => spread(each.get(name) ?? []))]),
      )
    },
  }
}

function addTo<T>(map: Map<string, Map<string, T[]>>, [outer, inner]: [string, string], value: T): void {
  const within = map.get(outer) ?? new Map<string, T[]>()
  map.set(outer, within)
  within.set(inner, [...(within.get(inner) ?? []), value])
}

function rowsOf(title: string, sides: ReadonlyMap<string, Sample[]>, columns: readonly Column[]): string[][] {
  const peers = sides.get(original) ?? []
  return [...sides].flatMap(([side, samples]) => {
    const sound = samples.filter(isSound)
    const odd = samples.find((sample) => !isSound(sample))?.odd ?? ''
    const isVoid = sound.length < samples.length
    const figures = [
      title,
      side,
      ...columns.map(({ of }) => spread(sound.map(of))),
      isVoid ? `${samples.length - sound.length} of ${samples.length}: ${odd}` : '',
    ]
    if (side === original || peers.length === 0) return [figures]
    return [figures, ['', `${side} / ${original}`, ...columns.map(({ of }) => ratio(samples, peers, of)), '']]
  })
}

/** The rounds of both sides stand side by side, so that what else the machine did falls on both. */
function ratio(samples: readonly Sample[], peers: readonly Sample[], of: Column['of']): string {
  const ratios = samples.flatMap((sample, round) => {
    const peer = peers[round]
    return peer && isSound(sample) && isSound(peer) && of(peer) > 0 ? [of(sample) / of(peer)] : []
  })
  const text = spread(ratios)
  return text && `**${text}**`
}

function isSound({ expected, requests }: Sample): boolean {
  return expected >= requests * soundShare
}
