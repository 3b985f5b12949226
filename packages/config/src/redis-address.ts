import type { Address } from '@herald/storage'
import { createSecret, type Secret } from './secret.ts'

const redisPort = 6379

/** `host:port`, `[v6]:port`, `:port` for this machine, or a host alone with the default port; undefined for anything else. */
export function parseAddress(text: string, defaultPort = redisPort): Address | undefined {
  const named = text.startsWith(':') ? `localhost${text}` : text
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([\w.-]+))(?::(\d{1,5}))?$/.exec(named)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3] ?? defaultPort)
  return host !== undefined && port >= 1 && port <= 65_535 ? { host, port } : undefined
}

/** Addresses, comma-separated; undefined when one of them is none. */
export function parseAddresses(text: string, defaultPort: number): readonly Address[] | undefined {
  const addresses = text.split(',').map((part) => parseAddress(part.trim(), defaultPort))
  return addresses.every((address) => address !== undefined) ? addresses : undefined
}

export type RedisUrl = Address & { tls: boolean; db?: number; username?: string; password?: Secret }

/** Throws on anything but `redis[s]://[user][:password]@host[:port][/db]`; the error may repeat the text. */
export function parseRedisUrl(text: string): RedisUrl {
  const url = new URL(text)
  const db = /^\/?(\d{0,5})$/.exec(url.pathname)?.[1]
  const address = parseAddress(url.host)
  const known = url.protocol === 'redis:' || url.protocol === 'rediss:'
  if (!known || !address || db === undefined || url.search || url.hash) throw new TypeError('not a Redis URL')
  return {
    ...address,
    tls: url.protocol === 'rediss:',
    ...(db !== '' && { db: Number(db) }),
    ...(url.username && { username: decodeURIComponent(url.username) }),
    ...(url.password && { password: createSecret(decodeURIComponent(url.password)) }),
  }
}
