import { createAuthenticator, type Authenticator } from '@herald/auth'
import type { Settings } from './config.ts'

/** Tells who a request is from. What operators do is for the admin key alone. */
export function createCallers(settings: Settings['auth'], deps: { now: () => number }): Authenticator {
  const { apiKey, adminApiKey, apiKeys, apiKeyPeppers, hmacSecret, hmacKeys } = settings
  const { hmacDefaultKeyId, hmacMaxDriftSeconds } = settings
  return createAuthenticator({
    ...(apiKey && { apiKey: apiKey.reveal() }),
    ...(adminApiKey && { adminApiKey: adminApiKey.reveal() }),
    ...(apiKeys && { apiKeys }),
    ...(apiKeyPeppers && { apiKeyPeppers }),
    ...(hmacSecret && { hmacSecret: hmacSecret.reveal() }),
    ...(hmacKeys && { hmacKeys }),
    ...(hmacDefaultKeyId !== undefined && { hmacDefaultKeyId }),
    hmacMaxDriftSeconds,
    scopes: ['totp:enroll', 'totp:verify', 'totp:revoke', 'totp:status'],
    adminScopes: ['totp:admin'],
    v1GetPaths: ['/v1/status'],
    now: deps.now,
  })
}
