import { lookup as systemLookup } from 'node:dns/promises'
import ipaddr from 'ipaddr.js'

/** How far away a host is: on this machine, in a private network, or anywhere. */
export type Reach = 'loopback' | 'private' | 'public'

export type Lookup = (host: string) => Promise<readonly { address: string }[]>

const privateRanges = new Set(['private', 'uniqueLocal', 'linkLocal', 'carrierGradeNat'])

/** Of several hosts, the farthest. */
export async function reachOfAll(hosts: readonly string[], lookup?: Lookup): Promise<Reach> {
  const reaches = await Promise.all(hosts.map((host) => reachOf(host, lookup)))
  return farthest(reaches)
}

/** By all that the name resolves to, the farthest counting; a name that does not resolve counts as public. */
export async function reachOf(host: string, lookup: Lookup = lookupAll): Promise<Reach> {
  const addresses = await lookup(host).catch(() => [])
  return farthest(addresses.map(({ address }) => reachOfAddress(address)))
}

function reachOfAddress(address: string): Reach {
  const range = ipaddr.process(address.replace(/%.*$/, '')).range()
  if (range === 'loopback') return 'loopback'
  return privateRanges.has(range) ? 'private' : 'public'
}

function farthest(reaches: readonly Reach[]): Reach {
  if (reaches.length === 0 || reaches.includes('public')) return 'public'
  return reaches.includes('private') ? 'private' : 'loopback'
}

function lookupAll(host: string) {
  return systemLookup(host, { all: true })
}
