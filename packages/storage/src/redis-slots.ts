import type { Address } from './store-settings.ts'

export const slotCount = 16_384

/** The Cluster slot of a key: that of its `{tag}` where it has one. */
export function slotOf(key: string): number {
  const open = key.indexOf('{')
  const close = open === -1 ? -1 : key.indexOf('}', open + 1)
  return crc16(close > open + 1 ? key.slice(open + 1, close) : key) % slotCount
}

/** What a Cluster node answers in place of running a command. */
export type Redirection = { kind: 'moved' | 'ask'; address: Address } | { kind: 'again' }

/** Undefined unless the error says that a command of this slot was not run, but can be, there or soon. */
export function readRedirection(error: unknown, slot: number, answeredBy: string): Redirection | undefined {
  if (!(error instanceof Error)) return undefined
  if (error.message.startsWith('TRYAGAIN')) return { kind: 'again' }
  const [, word, number, host, port] = /^(MOVED|ASK) (\d+) (.*):(\d+)$/.exec(error.message) ?? []
  if (Number(number) !== slot) return undefined
  const address = { host: host || answeredBy, port: Number(port) }
  return { kind: word === 'MOVED' ? 'moved' : 'ask', address }
}

/** The master of each slot, from the reply to CLUSTER SLOTS; a node that does not know its own name has that under which it was asked. */
export function readSlots(reply: unknown, askedHost: string): Address[] {
  const masters: Address[] = []
  for (const [first, last, master] of reply as [number, number, [string | null, number]][]) {
    const [name, port] = master
    const host = name === null || name === '' || name === '?' ? askedHost : name
    for (let slot = first; slot <= last; slot++) masters[slot] = { host, port }
  }
  return masters
}

/** A short text that has the slot, for keys that must lie in it. */
export function tagOf(slot: number): string {
  for (let number = 0; tags.size < slotCount; number++) {
    const text = number.toString(36)
    if (!tags.has(slotOf(text))) tags.set(slotOf(text), text)
  }
  return tags.get(slot) ?? ''
}

const tags = new Map<number, string>()

/** CRC-16/XMODEM. */
function crc16(text: string): number {
  let crc = 0
  for (const byte of Buffer.from(text)) crc = ((crc << 8) & 0xffff) ^ (remainders[(crc >> 8) ^ byte] ?? 0)
  return crc
}

const remainders = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8
  for (let bit = 0; bit < 8; bit++) crc = (crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)
  return crc
})
