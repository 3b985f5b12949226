import type { ServiceEnv } from '@herald/service'
import type { Context } from 'hono'
import { statedAddress } from '../domain/client-address.ts'

/** The client address a request states, when it comes from a trusted proxy. */
export type ClientAddress = (c: Context<ServiceEnv>) => string | undefined

export function createClientAddress(isTrustedProxy: (address: string) => boolean): ClientAddress {
  return (c) =>
    statedAddress(
      {
        peer: c.env?.incoming?.socket.remoteAddress,
        clientIp: c.req.header('x-client-ip'),
        forwardedFor: c.req.header('x-forwarded-for'),
      },
      isTrustedProxy,
    )
}
