import { createAuthenticator, type Authenticator, type Principal } from '@herald/auth'
import type { Settings } from './config.ts'

type AuthSettings = Settings['auth']

/** Tells who a request is from; a network that needs no credential gets to send, and nothing else. */
export function createCallers(settings: AuthSettings, deps: { now: () => number }): Authenticator {
  const { apiKey, adminApiKey, apiKeys, apiKeyPeppers, hmacSecret, hmacKeys } = settings
  const { hmacDefaultKeyId, hmacMaxDriftSeconds, allowNoAuthFrom } = settings
  return createAuthenticator({
    ...(apiKey && { apiKey: apiKey.reveal() }),
    ...(adminApiKey && { adminApiKey: adminApiKey.reveal() }),
    ...(apiKeys && { apiKeys }),
    ...(apiKeyPeppers && { apiKeyPeppers }),
    ...(hmacSecret && { hmacSecret: hmacSecret.reveal() }),
    ...(hmacKeys && { hmacKeys }),
    ...(hmacDefaultKeyId !== undefined && { hmacDefaultKeyId }),
    hmacMaxDriftSeconds,
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

/** Every secret that callers are told apart by, in an order that does not depend on the configuration's. */
export function credentialsOf(settings: AuthSettings): string[] {
  const { apiKey, adminApiKey, apiKeyPeppers, hmacSecret, hmacKeys } = settings
  const secrets = [apiKey, adminApiKey, hmacSecret].flatMap((secret) => (secret ? [secret.reveal()] : []))
  const hmacSecrets = [...(hmacKeys?.values() ?? [])].map(({ secret }) => secret)
  return [...secrets, ...hmacSecrets, ...(apiKeyPeppers?.values() ?? [])].toSorted()
}
