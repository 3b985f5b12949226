import type { Context } from 'hono'
import type { ServiceEnv } from './service-env.ts'

const plainPath = /^(?=\/)(?:\/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-F]{2})+)*\/?$/
/** Dot segments, and escapes of what needs none or of what divides a path. */
const disguise = /\/\.{1,2}(?:\/|$)|%(?:2[DEF]|3\d|[46][1-9A-F]|[57][0-9A]|5C|5F|7E)/
const plainQuery = /^(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-F]{2})*$/

/** Path and query as they came over the wire, before anything decoded them; the query without its question mark. */
export function requestTarget(c: Context<ServiceEnv>): { path: string; query: string } {
  const { url } = c.req
  const target = c.env?.incoming?.url ?? url.slice(url.indexOf('/', url.indexOf('://') + 3))
  const mark = target.indexOf('?')
  return mark === -1
    ? { path: target, query: '' }
    : { path: target.slice(0, mark), query: target.slice(mark + 1) }
}

/** Whether a path (RFC 3986) has the one spelling that no normalisation changes. */
export function isCanonicalPath(path: string): boolean {
  return plainPath.test(path) && !disguise.test(path)
}

/** Whether a query holds only what RFC 3986 lets stand there, escapes in upper case. */
export function isCanonicalQuery(query: string): boolean {
  return plainQuery.test(query)
}
