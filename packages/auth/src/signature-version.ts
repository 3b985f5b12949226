import { failure, skip, type Scheme } from './scheme.ts'

/**
 * Refuses a request that says it is signed by a scheme not spoken here, so that it is never tried as something weaker.
 */
export const knownVersionsOnly: Scheme = (request) => {
  const version = request.headers('x-signature-version')
  return version === undefined || version === 'v1' ? skip : failure('malformed')
}
