import type { HmacKeys } from './hmac-keys.ts'
import { createHmacV1Scheme } from './hmac-v1.ts'
import { createHmacV2Scheme } from './hmac-v2.ts'
import type { Scope } from './principal.ts'
import { failure, type Scheme } from './scheme.ts'

/** The version that a request states is the one it is judged by; there is no second try as another. */
export function createHmacScheme(options: {
  keys: HmacKeys
  scopes: readonly Scope[]
  getPaths: readonly string[]
  maxDriftSeconds: number
  now: () => number
}): Scheme {
  const v1 = createHmacV1Scheme(options)
  const v2 = createHmacV2Scheme(options)
  return (request) => {
    const version = request.headers('x-signature-version')
    if (version === undefined || version === 'v1') return v1(request)
    return version === 'v2' ? v2(request) : failure('malformed')
  }
}
