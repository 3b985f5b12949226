import ipaddr from 'ipaddr.js'

/** Whether an address, in any textual form, lies in one of the networks; false for what is not an address. */
export type Networks = (address: string) => boolean

type Range = [ipaddr.IPv4 | ipaddr.IPv6, number]

const loopback: readonly Range[] = [ipaddr.parseCIDR('127.0.0.0/8'), ipaddr.parseCIDR('::1/128')]
const privateRanges = new Set(['private', 'uniqueLocal'])
const confinedPrefixMin = 16

/**
 * Reads a comma-separated list of `loopback`, addresses and CIDR networks; undefined when an entry is none of them.
 * `confined` takes only loopback and private networks no wider than /16.
 */
export function parseNetworks(text: string, options: { confined: boolean }): Networks | undefined {
  const ranges: Range[] = []
  for (const entry of text.split(',')) {
    const parsed = parseEntry(entry.trim())
    if (parsed === undefined) return undefined
    if (options.confined && parsed.some(isTooWide)) return undefined
    ranges.push(...parsed)
  }
  return (address) => {
    if (!ipaddr.isValid(address)) return false
    const candidate = ipaddr.process(address)
    return ranges.some(([base, bits]) => candidate.kind() === base.kind() && candidate.match(base, bits))
  }
}

function parseEntry(entry: string): readonly Range[] | undefined {
  if (entry === 'loopback') return loopback
  if (ipaddr.isValidCIDR(entry)) return [ipaddr.parseCIDR(entry)]
  if (ipaddr.IPv4.isValidFourPartDecimal(entry)) return [[ipaddr.IPv4.parse(entry), 32]]
  if (ipaddr.IPv6.isValid(entry)) return [[ipaddr.IPv6.parse(entry), 128]]
  return undefined
}

function isTooWide([base, bits]: Range): boolean {
  if (base.range() === 'loopback') return bits < (base.kind() === 'ipv4' ? 8 : 128)
  return bits < confinedPrefixMin || !privateRanges.has(base.range())
}
