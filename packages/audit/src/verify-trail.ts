import type { AuditKey } from './audit-key.ts'
import { claimedPlace, isLogLine, readLine, type AuthenticLine } from './audit-line.ts'
import { readCheckpoint, type Checkpoint } from './checkpoint.ts'
import type { TrailLine } from './trail-lines.ts'

export type TrailProblem = {
  kind:
    | 'changed'
    | 'removed'
    | 'reordered'
    | 'repeated'
    | 'unlinked'
    | 'cut'
    | 'missing'
    | 'other_key'
    | 'checkpoint'
  chain?: string
  /** The line that shows it; for `cut` the last one that is there. */
  file?: string
  line?: number
  /** The first line of the chain that is concerned. */
  seq?: number
  message: string
}

export type TrailReport = {
  ok: boolean
  lines: number
  chains: { chain: string; service: string; lines: number; ended: boolean }[]
  problems: TrailProblem[]
}

/** Places that lines which are not authentic say they have. */
type Claims = ReadonlySet<string>

type Entry = AuthenticLine & Pick<TrailLine, 'file' | 'line'>

/**
 * Judges lines against each other and against the checkpoints of the store, which are to be read before the lines are.
 * Names every changed line, and of each chain the first that was removed, moved or repeated, a tail that was cut off, and
 * chains that are missing altogether; a chain may be under any of the keys. Lines of the log are passed over. Without
 * `checkpoints` lines alone are judged. With `since`, in milliseconds since the epoch, chains last heard of before it may be
 * missing.
 */
export async function verifyTrail(
  lines: AsyncIterable<TrailLine> | Iterable<TrailLine>,
  options: { keys: readonly AuditKey[]; checkpoints?: Readonly<Record<string, string>>; since?: number },
): Promise<TrailReport> {
  const { keys, checkpoints, since = 0 } = options
  const { chains, claimed, problems, count } = await sort(lines, keys)
  const broken = new Set<string>()
  for (const [chain, entries] of chains) {
    const problem = walk(chain, inOrder(entries), claimed)
    if (!problem) continue
    problems.push(problem)
    broken.add(chain)
  }
  if (checkpoints) {
    for (const chain of new Set([...Object.keys(checkpoints), ...chains.keys()])) {
      const problem = compare(chain, chains.get(chain), { keys, text: checkpoints[chain], claimed, since })
      if (problem && !broken.has(chain)) problems.push(problem)
    }
  }
  return { ok: problems.length === 0, lines: count, chains: [...chains].map(describe), problems }
}

async function sort(lines: AsyncIterable<TrailLine> | Iterable<TrailLine>, keys: readonly AuditKey[]) {
  const chains = new Map<string, Entry[]>()
  const foreign = new Set<string>()
  const claimed = new Set<string>()
  const problems: TrailProblem[] = []
  let count = 0
  for await (const { file, line, text } of lines) {
    if (text === '' || isLogLine(text)) continue
    count += 1
    const authentic = readLine(text, keys)
    if (authentic) {
      const entries = chains.get(authentic.chain) ?? []
      chains.set(authentic.chain, entries)
      entries.push({ ...pick(authentic), file, line })
      continue
    }
    const { kcv, ...place } = claimedPlace(text)
    if (place.chain !== undefined && foreign.has(place.chain)) continue
    claimed.add(placeName(place.chain, place.seq))
    const isForeign = kcv !== undefined && keys.every((key) => key.kcv !== kcv)
    if (isForeign && place.chain !== undefined) foreign.add(place.chain)
    problems.push({
      kind: isForeign ? 'other_key' : 'changed',
      ...place,
      file,
      line,
      message: isForeign
        ? `begins a chain under an audit key that is not here (${kcv}), or was changed`
        : 'is not as it was written',
    })
  }
  return { chains, claimed, problems, count }
}

/** Without what only the reader of the trail wants to know. */
function pick({ chain, seq, prev, mac, event, service_name }: AuthenticLine): AuthenticLine {
  return { chain, seq, prev, mac, event, service_name }
}

/** Rotated files may be given in any order; inside a file the order is what is judged. */
function inOrder(entries: readonly Entry[]): Entry[] {
  const byFile = new Map<string, Entry[]>()
  for (const entry of entries) byFile.set(entry.file, [...(byFile.get(entry.file) ?? []), entry])
  return [...byFile.values()].toSorted((one, other) => lowest(one) - lowest(other)).flat()
}

function lowest(entries: readonly Entry[]): number {
  return entries.reduce((low, { seq }) => Math.min(low, seq), Infinity)
}

/** The first thing that is wrong along one chain. */
function walk(chain: string, entries: readonly Entry[], claimed: Claims) {
  const places = new Set(entries.map(({ seq }) => seq))
  let expected = 0
  let before: Entry | undefined
  for (const entry of entries) {
    const { seq } = entry
    if (seq < expected) return problem('repeated', entry, seq, 'stands there a second time')
    const first = firstAbsent(expected, seq, (at) => claimed.has(placeName(chain, at)))
    if (first !== undefined && places.has(first))
      return problem('reordered', entry, seq, `stands before line ${first} of its chain`)
    if (first !== undefined) return problem('removed', entry, first, absence(first, seq - 1))
    if (before && seq === before.seq + 1 && entry.prev !== before.mac)
      return problem('unlinked', entry, seq, 'does not follow from the line before it')
    expected = seq + 1
    before = entry
  }
  return undefined
}

/** The first place from `from` to before `to` that nothing explains. */
function firstAbsent(from: number, to: number, isExplained: (seq: number) => boolean): number | undefined {
  for (let at = from; at < to; at++) if (!isExplained(at)) return at
  return undefined
}

function absence(first: number, last: number): string {
  return first === last
    ? `is where line ${first} of its chain is missing`
    : `is where lines ${first} to ${last} of its chain are missing`
}

/** What the store remembers of a chain, against what is there of it. */
function compare(
  chain: string,
  entries: readonly Entry[] | undefined,
  {
    keys,
    text,
    claimed,
    since,
  }: { keys: readonly AuditKey[]; text?: string | undefined; claimed: Claims; since: number },
): TrailProblem | undefined {
  const head = text === undefined ? undefined : readCheckpoint(chain, text, keys)
  // Its lines, if they are here, have been named already.
  if (head === 'other_key' && !entries) return undefined
  if (head === undefined || head === 'other_key')
    return { kind: 'checkpoint', chain, message: 'has no checkpoint in the store, or one that was changed' }
  const last = entries?.reduce((one, other) => (other.seq > one.seq ? other : one))
  const from = last === undefined ? 0 : last.seq + 1
  const absent = firstAbsent(from, head.seq + 1, (at) => claimed.has(placeName(chain, at)))
  if (!entries || !last) return absent === undefined ? undefined : missing(head, since)
  if (absent !== undefined)
    return problem('cut', last, absent, `is the last of its chain, of which line ${head.seq} was written`)
  const reached = entries.find(({ seq }) => seq === head.seq)
  if (reached && reached.mac !== head.mac)
    return problem('unlinked', reached, head.seq, 'is not the line that the store remembers')
  return undefined
}

function missing({ chain, seq, at }: Checkpoint, since: number): TrailProblem | undefined {
  if (at < since) return undefined
  const seen = new Date(at).toISOString()
  return { kind: 'missing', chain, seq: 0, message: `is missing; it had ${seq + 1} lines at ${seen}` }
}

function problem(kind: TrailProblem['kind'], entry: Entry, seq: number, message: string): TrailProblem {
  return { kind, chain: entry.chain, file: entry.file, line: entry.line, seq, message }
}

function placeName(chain: string | undefined, seq: number | undefined): string {
  return `${chain ?? ''} ${seq ?? ''}`
}

function describe([chain, entries]: [string, Entry[]]): TrailReport['chains'][number] {
  const service = entries[0]?.service_name ?? ''
  return { chain, service, lines: entries.length, ended: entries.some(({ event }) => event === 'stopped') }
}
