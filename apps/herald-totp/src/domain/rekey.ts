import { BoxError, type Keyring } from '@herald/crypto'
import type { Exchange, SealedRecord, SealedRecords } from '../store/sealed-records.ts'
import { countByKey, keyIdOrMalformed } from './census.ts'
import { contextOf } from './box-context.ts'

/** `skipped` are boxes that need nothing: under the primary key already, or gone meanwhile. */
export type RekeyCounts = { done: number; skipped: number; failed: number }

export type RekeyEvent =
  | ({ event: 'progress'; visited: number; total: number } & RekeyCounts)
  | { event: 'failed'; kind: SealedRecord['kind']; keyId: string; code: string }

export type RekeySummary =
  | { outcome: 'locked' }
  /** `remaining` counts the boxes under other keys than the primary one, after a look at all of them. */
  | ({ outcome: 'complete' | 'partial'; remaining: Readonly<Record<string, number>> } & RekeyCounts)

export type RekeyOptions = { dryRun: boolean; ratePerSecond: number; leaseMs: number }

export type RekeyDeps = {
  records: SealedRecords
  keyring: Keyring
  hashes: {
    read: (name: string) => Promise<Readonly<Record<string, string>>>
    write: (name: string, fields: Readonly<Record<string, string | number>>) => Promise<void>
    remove: (name: string) => Promise<void>
  }
  lease: {
    take: (holder: string, ttlMs: number, now: number) => Promise<boolean>
    release: (holder: string) => Promise<void>
  }
  holder: string
  now: () => number
  pause: (milliseconds: number) => Promise<unknown>
  report: (event: RekeyEvent) => void
}

type Position = RekeyCounts & { cursor: string | undefined; visited: number }

const checkpointName = 'rekey'
const pageSizeMax = 300
/** Exchanges in one transaction, so few that it holds SQLite's file for much less time than the rest after it lasts. */
const batchSize = 50
/**
 * After each write. A verify on SQLite that finds the file busy looks again after at most 17 ms and gives up after 50, so
 * a rest longer than that lets it in.
 */
const restMs = 20

/**
 * Seals every box of the store anew under the primary key, beside running services. What is done stays done: after a kill,
 * the next run goes on where the last checkpoint was. Throws StoreUnavailable when the store fails.
 */
export async function rekey(deps: RekeyDeps, options: RekeyOptions): Promise<RekeySummary> {
  if (options.dryRun) return run(deps, options, fresh)
  if (!(await renew(deps, options))) return { outcome: 'locked' }
  try {
    return await run(deps, options, await readCheckpoint(deps))
  } finally {
    await deps.lease.release(deps.holder)
  }
}

const fresh: Position = { cursor: undefined, visited: 0, done: 0, skipped: 0, failed: 0 }

async function run(deps: RekeyDeps, options: RekeyOptions, from: Position): Promise<RekeySummary> {
  const total = await deps.records.size()
  const pageSize = pageSizeOf(options)
  let position = from
  do {
    const startedAt = deps.now()
    const page = await deps.records.page(position.cursor, pageSize)
    const counts = await settlePage(deps, options, page.records)
    position = { ...add(position, counts), cursor: page.cursor, visited: position.visited + page.visited }
    if (!options.dryRun) {
      await writeCheckpoint(deps, position)
      await deps.pause(restMs)
      if (!(await renew(deps, options))) return { outcome: 'locked' }
      await deps.pause(restMs)
    }
    const { done, skipped, failed, visited } = position
    deps.report({ event: 'progress', visited, total: Math.max(total, visited), done, skipped, failed })
    const due = startedAt + (page.records.length / options.ratePerSecond) * 1000
    if (page.cursor !== undefined) await deps.pause(Math.max(due - deps.now(), 0))
  } while (position.cursor !== undefined)
  return finish(deps, options, position)
}

/** So few that the pause after a page ends long before the lease. */
function pageSizeOf({ ratePerSecond, leaseMs }: RekeyOptions): number {
  return Math.max(Math.min(Math.floor((ratePerSecond * leaseMs) / 4000), pageSizeMax), 1)
}

async function finish(
  { records, keyring, hashes }: RekeyDeps,
  { dryRun }: RekeyOptions,
  { done, skipped, failed }: Position,
): Promise<RekeySummary> {
  if (!dryRun) await hashes.remove(checkpointName)
  const counts = await countByKey(records)
  const remaining = Object.fromEntries([...counts].filter(([id]) => id !== keyring.primaryId))
  const isComplete = failed === 0 && (dryRun || Object.keys(remaining).length === 0)
  return { outcome: isComplete ? 'complete' : 'partial', done, skipped, failed, remaining }
}

type Opened = { record: SealedRecord; plaintext: Buffer }

async function settlePage(
  deps: RekeyDeps,
  { dryRun }: RekeyOptions,
  page: readonly SealedRecord[],
): Promise<RekeyCounts> {
  const { keyring } = deps
  const isCurrent = ({ box }: SealedRecord) => keyIdOrMalformed(box) === keyring.primaryId
  const outdated = page.filter((record) => !isCurrent(record))
  const looked = dryRun ? page : outdated
  const opened = looked.map((record) => open(deps, record)).filter((one) => one !== undefined)
  const failed = looked.length - opened.length
  if (dryRun) {
    const done = opened.filter(({ record }) => !isCurrent(record)).length
    return { done, skipped: opened.length - done, failed }
  }
  const exchanges = opened.map(({ record, plaintext }): Exchange => {
    return { record, box: keyring.seal(contextOf(record), plaintext) }
  })
  const standing = await exchangeInTurns(deps, exchanges)
  const counts = opened.map((one, index) =>
    judge(deps, one, { box: exchanges[index]?.box, standing: standing[index] }),
  )
  return counts.reduce(add, { done: 0, skipped: page.length - outdated.length, failed })
}

/** What became of one exchange, by what stands in the store afterwards. */
function judge(
  deps: RekeyDeps,
  { record, plaintext }: Opened,
  { box, standing }: { box: string | undefined; standing: string | undefined },
): RekeyCounts {
  const isGone = standing === undefined
  if (isGone) return { done: 0, skipped: 1, failed: 0 }
  const isOurs = standing === box && open(deps, { ...record, box: standing })?.plaintext.equals(plaintext)
  if (isOurs === true) return { done: 1, skipped: 0, failed: 0 }
  if (standing !== box && keyIdOrMalformed(standing) === deps.keyring.primaryId)
    return { done: 0, skipped: 1, failed: 0 }
  deps.report({ event: 'failed', kind: record.kind, keyId: keyIdOrMalformed(standing), code: 'read_back' })
  return { done: 0, skipped: 0, failed: 1 }
}

function open({ keyring, report }: RekeyDeps, record: SealedRecord): Opened | undefined {
  try {
    return { record, plaintext: keyring.open(contextOf(record), record.box) }
  } catch (error) {
    if (!(error instanceof BoxError)) throw error
    report({ event: 'failed', kind: record.kind, keyId: keyIdOrMalformed(record.box), code: error.code })
    return undefined
  }
}

/** Exchanges in batches that hold SQLite's file for a few milliseconds, with a rest after each. */
async function exchangeInTurns({ records, pause }: RekeyDeps, exchanges: readonly Exchange[]) {
  const standing: (string | undefined)[] = []
  for (let at = 0; at < exchanges.length; at += batchSize) {
    standing.push(...(await records.exchange(exchanges.slice(at, at + batchSize))))
    await pause(restMs)
  }
  return standing
}

function renew({ lease, holder, now }: RekeyDeps, { leaseMs }: RekeyOptions): Promise<boolean> {
  return lease.take(holder, leaseMs, now())
}

/** A checkpoint of another primary key says nothing about this one. */
async function readCheckpoint({ hashes, keyring }: RekeyDeps): Promise<Position> {
  const { cursor, primary, ...counts } = await hashes.read(checkpointName)
  if (primary !== keyring.primaryId || !cursor) return fresh
  const number = (name: string) => Number(counts[name] ?? 0)
  return {
    cursor,
    visited: number('visited'),
    done: number('done'),
    skipped: number('skipped'),
    failed: number('failed'),
  }
}

async function writeCheckpoint(
  { hashes, keyring }: RekeyDeps,
  { cursor, ...counts }: Position,
): Promise<void> {
  await hashes.write(checkpointName, { ...counts, cursor: cursor ?? '', primary: keyring.primaryId })
}

function add<T extends RekeyCounts>(one: T, other: RekeyCounts): T {
  return {
    ...one,
    done: one.done + other.done,
    skipped: one.skipped + other.skipped,
    failed: one.failed + other.failed,
  }
}
