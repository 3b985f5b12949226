import { unnamedService, type Principal } from './principal.ts'
import { skip, success, type Scheme } from './scheme.ts'

/** Whatever address is allowed, this is all that can be done without a credential. */
const anonymous: Principal = {
  service: unnamedService('anonymous', 'anonymous'),
  keyId: 'anonymous',
  scheme: 'anonymous',
  scopes: ['smtp:send'],
}

/**
 * Lets a peer in by the address of its socket. A request that a proxy has marked comes from somewhere else than that
 * address and is never let in; nor is one of a browser, which any page can have send what it likes.
 */
export function createNoAuthScheme(options: { allowFrom: (address: string) => boolean }): Scheme {
  return ({ remoteAddress, headerNames }) => {
    if (remoteAddress === undefined || !options.allowFrom(remoteAddress)) return skip
    return [...headerNames()].some(isForeignMark) ? skip : success(anonymous)
  }
}

function isForeignMark(headerName: string): boolean {
  const name = headerName.toLowerCase()
  return name === 'origin' || name === 'forwarded' || name === 'x-real-ip' || name.startsWith('x-forwarded-')
}
