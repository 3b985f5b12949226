import ipaddr from 'ipaddr.js'
import { z } from 'zod'
import type { ApiKeyEnvironment } from './api-key-text.ts'
import { parseJson } from './hmac-keys.ts'
import { scopes, type Scope } from './principal.ts'
import { serviceField, timeField } from './settings-fields.ts'

/** One key as it is configured; times in milliseconds since the epoch. */
export type ApiKeySettings = {
  id: string
  environment: ApiKeyEnvironment
  pepperId: string
  digest: Buffer
  /** The caller it belongs to. */
  service?: string
  scopes: readonly Scope[]
  notBefore?: number
  expiresAt?: number
  revokedAt?: number
  /** Whether it may come from this address of a socket; from anywhere when absent. */
  isFrom?: (address: string) => boolean
}

/** An entry of the list as it stands in JSON. */
export type ApiKeyEntry = z.input<typeof entry>

const pepperIdPattern = /^[A-Za-z0-9._-]{1,32}$/
const hashPattern = /^hmac-sha256\$([A-Za-z0-9._-]{1,32})\$([A-Za-z0-9_-]{43})$/
const network = z.string().refine((text) => ipaddr.isValidCIDR(text))

const entry = z.strictObject({
  id: z.string().regex(/^[0-9A-Za-z]{10}$/),
  environment: z.enum(['live', 'test']).optional(),
  hash: z.string().regex(hashPattern),
  service: serviceField.optional(),
  scopes: z.array(z.enum(scopes)).min(1),
  notBefore: timeField.optional(),
  expiresAt: timeField.optional(),
  revokedAt: timeField.optional(),
  cidr: z.union([network, z.array(network).min(1)]).optional(),
})
const list = z.array(entry).refine((entries) => new Set(entries.map(({ id }) => id)).size === entries.length)
const pepperMap = z.record(z.string().regex(pepperIdPattern), z.string().min(1))

const listRule =
  'must be a JSON list of {id, hash, scopes} and, where wanted, service, environment, notBefore, expiresAt, ' +
  'revokedAt and cidr, each id once, as `main.js api-keys create` makes them'

/** Reads API_KEYS. Throws an Error that names the rule and repeats nothing. */
export function parseApiKeys(json: string): readonly ApiKeySettings[] {
  return parseEntries(json).map((one) => settingsOf(entry.parse(one)))
}

/** The entries of API_KEYS as they stand there, for whoever writes them back. Throws as `parseApiKeys` does. */
export function parseEntries(json: string): ApiKeyEntry[] {
  const parsed = parseJson(json)
  if (!list.safeParse(parsed).success) throw new Error(listRule)
  return parsed as ApiKeyEntry[]
}

/** Reads API_KEY_PEPPERS, secrets by id. Throws an Error that names the rule and repeats nothing. */
export function parsePeppers(json: string): ReadonlyMap<string, string> {
  const peppers = pepperMap.safeParse(parseJson(json))
  if (!peppers.success || Object.keys(peppers.data).length === 0) {
    throw new Error('must be a JSON object of pepper id to secret, like {"p1":"..."}, with at least one')
  }
  return new Map(Object.entries(peppers.data))
}

/** The `hash` of an entry. */
export function formatHash(pepperId: string, digest: Buffer): string {
  return `hmac-sha256$${pepperId}$${digest.toString('base64url')}`
}

function settingsOf({ hash, environment = 'live', cidr, ...rest }: z.output<typeof entry>): ApiKeySettings {
  const [, pepperId = '', digest = ''] = hashPattern.exec(hash) ?? []
  return {
    // A field that is absent in JSON is absent here too, never undefined.
    ...(rest as Pick<ApiKeySettings, keyof typeof rest>),
    environment,
    pepperId,
    digest: Buffer.from(digest, 'base64url'),
    ...(cidr !== undefined && { isFrom: membershipOf([cidr].flat()) }),
  }
}

function membershipOf(networks: readonly string[]): (address: string) => boolean {
  const ranges = networks.map((text) => ipaddr.parseCIDR(text))
  return (address) => {
    if (!ipaddr.isValid(address)) return false
    const candidate = ipaddr.process(address)
    return ranges.some(([base, bits]) => candidate.kind() === base.kind() && candidate.match(base, bits))
  }
}
