export {
  type ApiKeyEntry,
  type ApiKeySettings,
  formatHash,
  parseApiKeys,
  parseEntries,
  parsePeppers,
} from './api-key-list.ts'
export { digestApiKey, generateApiKey } from './api-key-text.ts'
export { createAuthenticator, type Authenticator } from './authenticate.ts'
export { type HmacKeySettings, parseHmacKeys } from './hmac-keys.ts'
export { type Principal, type Scope, scopes } from './principal.ts'
export type { AuthRefusal, Nonce, SignedRequest } from './scheme.ts'
export { createSigner } from './signature-v1.ts'
export { createSignerV2 } from './signature-v2.ts'
