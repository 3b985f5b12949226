import { createDigester, deriveKey, type Digester } from '@herald/crypto'
import { createSecretKey, type KeyObject } from 'node:crypto'
import { z } from 'zod'
import { adminScopes, scopes, type Scope } from './principal.ts'
import { serviceField, timeField } from './settings-fields.ts'

/** One HMAC key as it is configured; times in milliseconds since the epoch. */
export type HmacKeySettings = {
  secret: string
  /** The one X-Service it may sign for. */
  service?: string
  /** What it may do; what every signature may do when absent. */
  scopes?: readonly Scope[]
  notBefore?: number
  notAfter?: number
  /** 2 takes no v1 signature of this key. */
  minVersion?: 1 | 2
  /** From then on no v1 signature of this key is taken. */
  v1Until?: number
}

export type HmacKey = Omit<HmacKeySettings, 'secret'> & {
  id: string
  secret: KeyObject
  /** Names the nonces of this key. */
  digest: Digester
}

export type HmacKeys = {
  /** The key of a stated id; undefined when it is not configured. */
  stated: (id: string) => HmacKey | undefined
  /** The keys that a v1 signature without a key id may have been made with. */
  unstated: readonly HmacKey[]
  /** The key of a v2 signature without a key id. */
  pinned: HmacKey | undefined
}

const signingScopes = scopes.filter((scope) => !(adminScopes as readonly Scope[]).includes(scope))

const settings = z.union([
  z
    .string()
    .min(1)
    .transform((secret): HmacKeySettings => ({ secret })),
  z
    .strictObject({
      secret: z.string().min(1),
      service: serviceField,
      scopes: z.array(z.enum(signingScopes)).min(1),
      notBefore: timeField,
      notAfter: timeField,
      minVersion: z.literal([1, 2]),
      v1Until: timeField,
    })
    .partial()
    .required({ secret: true })
    .transform((fields) => fields as HmacKeySettings),
])

const keyIdPattern = /^[!-+\--~]{1,64}$/
const keyMap = z
  .record(z.string().regex(keyIdPattern), settings)
  .refine((keys) => Object.values(keys).every((one, at, all) => !all.slice(0, at).some(differsFrom(one))))

/** Whether a text may be a key id: what is neither empty nor joined by a comma. */
export function isKeyId(text: string): boolean {
  return keyIdPattern.test(text)
}

/** Who has a secret can state any id of it, so what one id forbids must not be left open by another. */
function differsFrom(one: HmacKeySettings): (other: HmacKeySettings) => boolean {
  const rightsOf = ({ service, scopes: held, minVersion = 1, v1Until }: HmacKeySettings) =>
    JSON.stringify([service, held?.toSorted(), minVersion, v1Until])
  return (other) => one.secret === other.secret && rightsOf(one) !== rightsOf(other)
}

/** Reads a JSON object of key id to secret or settings. Throws an Error that names the rule, never an id or a secret. */
export function parseHmacKeys(json: string): ReadonlyMap<string, HmacKeySettings> {
  const keys = keyMap.safeParse(parseJson(json))
  if (!keys.success || Object.keys(keys.data).length === 0) {
    throw new Error(
      'must be a JSON object of key id to secret, like {"k1":"..."}, or to {secret, service, scopes, notBefore, ' +
        'notAfter, minVersion, v1Until}: at least one, ids of 1 to 64 visible ASCII characters without a comma, ' +
        'secrets as text that is not empty, times like 2026-01-31T00:00:00Z, no admin scope, and the same service, ' +
        'scopes, minVersion and v1Until for a secret that stands under several ids',
    )
  }
  return new Map(Object.entries(keys.data))
}

/** JSON.parse quotes its input in its errors, so none of them leaves this function. */
export function parseJson(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}

/** Undefined when no key is configured. With `hmacSecret` alone every stated id means that secret. */
export function createHmacKeys(options: {
  hmacSecret?: string
  hmacKeys?: ReadonlyMap<string, HmacKeySettings>
  hmacDefaultKeyId?: string
}): HmacKeys | undefined {
  const { hmacSecret, hmacKeys, hmacDefaultKeyId } = options
  if (hmacKeys) return keysOfMap(hmacKeys, hmacDefaultKeyId)
  if (hmacSecret === undefined) return undefined
  // The id is a fixed word: v1 neither checks nor signs what the caller states, so it must not reach a log.
  const only = hmacKey('default', { secret: hmacSecret })
  return {
    stated: () => only,
    unstated: [only],
    pinned: hmacDefaultKeyId === undefined ? undefined : only,
  }
}

/** Whether the key may be used at all at this time. */
export function isActive({ notBefore = -Infinity, notAfter = Infinity }: HmacKey, now: number): boolean {
  return notBefore <= now && now < notAfter
}

/** Whether a v1 signature of the key counts at this time. */
export function takesV1(
  { minVersion = 1, v1Until = Infinity }: HmacKeySettings | HmacKey,
  now: number,
): boolean {
  return minVersion === 1 && now < v1Until
}

function keysOfMap(map: ReadonlyMap<string, HmacKeySettings>, defaultKeyId: string | undefined): HmacKeys {
  const byId = new Map([...map].map(([id, key]) => [id, hmacKey(id, key)]))
  const pinned = defaultKeyId === undefined ? undefined : byId.get(defaultKeyId)
  if (byId.size === 0 || (defaultKeyId !== undefined && pinned === undefined)) {
    throw new TypeError('hmacKeys must hold at least one key, and the one that hmacDefaultKeyId names')
  }
  return { stated: (id) => byId.get(id), unstated: pinned ? [pinned] : [...byId.values()], pinned }
}

/** Stands in for a key that is not there, so that its absence costs what its presence would. */
export const decoyKey = hmacKey('decoy', { secret: '\0'.repeat(32) })

function hmacKey(id: string, { secret, ...settings }: HmacKeySettings): HmacKey {
  if (secret === '') throw new TypeError('An HMAC secret must not be empty')
  const bytes = Buffer.from(secret, 'utf8')
  return {
    ...settings,
    id,
    secret: createSecretKey(bytes),
    digest: createDigester(deriveKey(bytes, 'herald/nonces')),
  }
}
