import type { AuditKey } from './audit-key.ts'

/** What a line is chained by: `prev` is the MAC of the line before it, empty for the first. */
export type Link = { chain: string; seq: number; prev: string }

/** A line whose MAC is right. */
export type AuthenticLine = Link & { mac: string; event: string; service_name: string }

const opening = '{"audit":1,'
const closing = /,"mac":"([\w-]{43})"\}$/

/** One line of JSON without its line feed; its own MAC covers every byte before it, and so the MAC of the line before. */
export function formatLine(
  link: Link,
  fields: Readonly<Record<string, unknown>>,
  key: AuditKey,
): { text: string; mac: string } {
  const { chain, seq, prev } = link
  const covered = JSON.stringify({ audit: 1, chain, seq, prev, ...fields }).slice(0, -1)
  const mac = key.mac(Buffer.from(covered))
  return { text: `${covered},"mac":"${mac}"}`, mac }
}

/** Whether a line is one of the log that shares the standard output with the trail. */
export function isLogLine(text: string): boolean {
  if (text.startsWith(opening)) return false
  const parsed = parseObject(text)
  return parsed !== undefined && 'level' in parsed && !('audit' in parsed)
}

/** Undefined unless every byte is as it was written; `text` holds one character a byte (latin1). */
export function readLine(text: string, keys: readonly AuditKey[]): AuthenticLine | undefined {
  const mac = closing.exec(text)?.[1]
  if (mac === undefined || !text.startsWith(opening)) return undefined
  const covered = Buffer.from(text.slice(0, -`,"mac":"${mac}"}`.length), 'latin1')
  if (keys.every((key) => key.mac(covered) !== mac)) return undefined
  return { ...(JSON.parse(text) as Omit<AuthenticLine, 'mac'>), mac }
}

/** What a line that is not authentic says it is; nothing to rely on. */
export function claimedPlace(text: string): { chain?: string; seq?: number; kcv?: string } {
  const { chain, seq, key } = parseObject(text) ?? {}
  return {
    ...(typeof chain === 'string' && { chain }),
    ...(typeof seq === 'number' && { seq }),
    ...(typeof key === 'string' && { kcv: key }),
  }
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(text)
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
