import { keyCheckValue, type KeyringSettings, type KeyState } from '@herald/crypto'

const dayMs = 86_400_000

export type DescribedKey = {
  id: string
  state: KeyState | 'primary'
  kcv: string
  created?: string
  /** Whole days; unknown for a key without a date. */
  ageDays?: number
  /** How many records need it. */
  records?: number
}

/** What may be shown of the keys; `now` is in milliseconds since the epoch, `records` how many boxes need each. */
export function describeKeys(
  { primaryId, entries }: KeyringSettings,
  { now, records }: { now: number; records?: ReadonlyMap<string, number> },
): DescribedKey[] {
  return entries.map(({ id, key, state, createdAt }) => ({
    id,
    state: id === primaryId ? 'primary' : state,
    kcv: keyCheckValue(key),
    ...(createdAt !== undefined && {
      created: createdAt,
      ageDays: Math.floor((now - Date.parse(createdAt)) / dayMs),
    }),
    ...(records && { records: records.get(id) ?? 0 }),
  }))
}

/** Keys that are due to be exchanged: in use, and older than that, or of unknown age. */
export function overdue(keys: readonly DescribedKey[], maxAgeDays: number): DescribedKey[] {
  return keys.filter(
    ({ state, ageDays }) => state !== 'disabled' && (ageDays ?? Number.POSITIVE_INFINITY) > maxAgeDays,
  )
}

/** Why a key is overdue, for people. */
export function printOverdue({ id, ageDays }: DescribedKey, maxAgeDays: number): string {
  return ageDays === undefined
    ? `key ${id} has no date, so it may be older than ${maxAgeDays} d`
    : `key ${id} is older than ${maxAgeDays} d`
}

/** A table for people. */
export function printKeys(keys: readonly DescribedKey[]): string[] {
  const head = ['key', 'state', 'check value', 'age', 'records']
  const rows = keys.map(({ id, state, kcv, ageDays, records }) => [
    id,
    state,
    kcv,
    ageDays === undefined ? 'unknown' : `${ageDays} d`,
    records === undefined ? '' : String(records),
  ])
  const widths = head.map((_, column) =>
    Math.max(...[head, ...rows].map((row) => (row[column] ?? '').length)),
  )
  return [head, ...rows].map((row) =>
    row
      .map((text, column) => text.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}
