import { createAuthenticator, type Authenticator, type Principal } from '@herald/auth'
import type { Settings } from './config.ts'

type AuthSettings = Settings['auth']

/** Tells who a request is from; a network that needs no credential gets to send, and nothing else. */
export function createCallers(settings: AuthSettings, deps: { now: () => number }): Authenticator {
  const { apiKey, adminApiKey, hmacSecret, hmacKeys, hmacDefaultKeyId, allowNoAuthFrom } = settings
  return createAuthenticator({
    ...(apiKey && { apiKey: apiKey.reveal() }),
    ...(adminApiKey && { adminApiKey: adminApiKey.reveal() }),
    ...(hmacSecret && { hmacSecret: hmacSecret.reveal() }),
    ...(hmacKeys && { hmacKeys }),
    ...(hmacDefaultKeyId !== undefined && { hmacDefaultKeyId }),
    ...(allowNoAuthFrom && { allowNoAuthFrom }),
    scopes: ['smtp:send', 'smtp:read'],
    adminScopes: ['smtp:admin'],
    now: deps.now,
  })
}

/** The name that keys and limits belong to. */
export function callerOf({ service, keyId }: Principal): string {
  return JSON.stringify([service, keyId])
}

/** Every text that callers prove themselves with, in an order that does not depend on the configuration's. */
export function credentialsOf({ apiKey, adminApiKey, hmacSecret, hmacKeys }: AuthSettings): string[] {
  const secrets = [apiKey, adminApiKey, hmacSecret].flatMap((secret) => (secret ? [secret.reveal()] : []))
  return [...secrets, ...(hmacKeys?.values() ?? [])].toSorted()
}
