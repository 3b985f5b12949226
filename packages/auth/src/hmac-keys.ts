import { createSecretKey, type KeyObject } from 'node:crypto'
import { z } from 'zod'

export type HmacKey = { id: string; secret: KeyObject }

/** The keys a signature may have been made with, given the key id it states; none for an id that is not configured. */
export type HmacKeys = (statedId: string | undefined) => readonly HmacKey[]

const keyMap = z.record(z.string().regex(/^[!-+\--~]{1,64}$/), z.string().min(1))

/** Reads a JSON object of key id to secret. Throws an Error that names the rule, never an id or a secret. */
export function parseHmacKeys(json: string): ReadonlyMap<string, string> {
  const keys = keyMap.safeParse(parseJson(json))
  if (!keys.success || Object.keys(keys.data).length === 0) {
    throw new Error(
      'must be a JSON object of key id to secret, like {"k1":"..."}: at least one, ids of 1 to 64 visible ' +
        'ASCII characters without a comma, secrets as text that is not empty',
    )
  }
  return new Map(Object.entries(keys.data))
}

/** JSON.parse quotes its input in its errors, so none of them leaves this function. */
function parseJson(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}

/** Undefined when no key is configured. With `hmacSecret` alone every stated id means that secret. */
export function createHmacKeys(options: {
  hmacSecret?: string
  hmacKeys?: ReadonlyMap<string, string>
  hmacDefaultKeyId?: string
}): HmacKeys | undefined {
  if (options.hmacKeys) return keysOfMap(options.hmacKeys, options.hmacDefaultKeyId)
  if (options.hmacSecret === undefined) return undefined
  // The id is a fixed word: what the caller states is neither checked nor signed, so it must not reach a log.
  const only = [hmacKey('default', options.hmacSecret)]
  return () => only
}

function keysOfMap(map: ReadonlyMap<string, string>, defaultKeyId: string | undefined): HmacKeys {
  const byId = new Map([...map].map(([id, text]) => [id, [hmacKey(id, text)]]))
  const unstated = defaultKeyId === undefined ? [...byId.values()].flat() : byId.get(defaultKeyId)
  if (unstated === undefined || unstated.length === 0) {
    throw new TypeError('hmacKeys must hold at least one key, and the one that hmacDefaultKeyId names')
  }
  return (statedId) => (statedId === undefined ? unstated : (byId.get(statedId) ?? []))
}

function hmacKey(id: string, text: string): HmacKey {
  if (text === '') throw new TypeError('An HMAC secret must not be empty')
  return { id, secret: createSecretKey(text, 'utf8') }
}
