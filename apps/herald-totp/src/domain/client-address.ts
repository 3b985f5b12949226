import ipaddr from 'ipaddr.js'

/** Where a request says it comes from: the peer of its socket and the headers that state a client. */
export type AddressClaims = {
  peer: string | undefined
  clientIp: string | undefined
  forwardedFor: string | undefined
}

/**
 * The client address that a trusted peer states: X-Client-IP, else the last address of X-Forwarded-For that is no
 * trusted proxy itself. From any other peer the headers mean nothing.
 */
export function statedAddress(
  claims: AddressClaims,
  isTrusted: (address: string) => boolean,
): string | undefined {
  if (claims.peer === undefined || !isTrusted(claims.peer)) return undefined
  const clientIp = claims.clientIp?.trim()
  if (clientIp !== undefined && ipaddr.isValid(clientIp)) return clientIp
  const hops = claims.forwardedFor?.split(',').map((hop) => hop.trim()) ?? []
  const nearest = hops.findLast((hop) => !(ipaddr.isValid(hop) && isTrusted(hop)))
  return nearest !== undefined && ipaddr.isValid(nearest) ? nearest : undefined
}

/** What one limit covers: an IPv4 address, or the /64 an IPv6 address lies in, since its holder owns all of that. */
export function limitedNetwork(address: string): string {
  const parsed = ipaddr.process(address)
  if (parsed.kind() === 'ipv4') return parsed.toString()
  return `${ipaddr.IPv6.networkAddressFromCIDR(`${parsed.toString()}/64`).toString()}/64`
}
