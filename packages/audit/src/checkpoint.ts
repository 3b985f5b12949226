import type { AuditKey } from './audit-key.ts'

/** How far a chain has come, as the store remembers it; `at` in milliseconds since the epoch. */
export type Checkpoint = { chain: string; seq: number; mac: string; at: number; ended: boolean }

/** Where checkpoints lie, one field a chain; a hash of the store, shared by every process. */
export type Heads = {
  write: (name: string, fields: Readonly<Record<string, string>>) => Promise<void>
}

/** The name of that hash. */
export const headsName = 'audit:heads'

/** The MAC keeps who can write the store from inventing a head or moving one to another chain. */
export function formatCheckpoint({ chain, seq, mac, at, ended }: Checkpoint, key: AuditKey): string {
  const text = [key.kcv, chain, seq, mac, at, ended ? 1 : 0].join(' ')
  return `${text} ${key.mac(Buffer.from(`head ${text}`))}`
}

/** Undefined when it is not authentic, 'other_key' when it was written under none of the keys. */
export function readCheckpoint(
  chain: string,
  text: string,
  keys: readonly AuditKey[],
): Checkpoint | 'other_key' | undefined {
  const [kcv, named = '', seq, mac = '', at, ended] = text.split(' ')
  const key = keys.find((candidate) => candidate.kcv === kcv)
  if (key === undefined) return 'other_key'
  const checkpoint = { chain: named, seq: Number(seq), mac, at: Number(at), ended: ended === '1' }
  return named === chain && formatCheckpoint(checkpoint, key) === text ? checkpoint : undefined
}
