export {
  createAuthenticator,
  type Authentication,
  type Authenticator,
  type AuthenticatorOptions,
} from './authenticate.ts'
export { parseHmacKeys } from './hmac-keys.ts'
export type { Principal, Scope } from './principal.ts'
export type { AuthRefusal, SignedRequest } from './scheme.ts'
export { createSigner, signV1 } from './signature-v1.ts'
