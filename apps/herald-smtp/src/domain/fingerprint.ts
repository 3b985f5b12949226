import { createDigester, keyCheckValue } from '@herald/crypto'

/** The parts of a request that make it the same mail. */
export type Fingerprinted = {
  to: string
  channel?: string | undefined
  template?: string | undefined
  params?: Readonly<Record<string, string>> | undefined
  subject?: string | undefined
  body?: string | undefined
  locale?: string | undefined
}

export type Digests = {
  /** `<key check value>.<digest>`: says whether two requests are the same mail, and nothing about their content. */
  fingerprint(request: Fingerprinted): string
  /** The 27 characters before the @ of a Message-ID, equal for equal calls. */
  messageName(caller: string, key: string, fingerprint: string): string
  /** Names an address in limits and logs. */
  address(address: string): string
}

/** Keyed digests: without the key nobody can try out which code or address stands behind one. */
export function createDigests(key: Buffer): Digests {
  const digest = createDigester(key)
  const keyId = keyCheckValue(key)
  return {
    fingerprint({ to, channel, template, params, subject, body, locale }) {
      const sorted = Object.entries(params ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1))
      const content = JSON.stringify([to, channel, template, sorted, subject, body, locale])
      return `${keyId}.${digest('fingerprint', content).toString('base64url')}`
    },
    messageName: (caller, name, fingerprint) =>
      digest('message-id', caller, name, fingerprint).toString('base64url').slice(0, 27),
    address: (address) => digest('address', address.toLowerCase()).toString('base64url').slice(0, 22),
  }
}

/** Fingerprints made under different keys cannot be compared and pass for equal. */
export function differs(known: string, given: string): boolean {
  return known !== given && known.split('.')[0] === given.split('.')[0]
}
