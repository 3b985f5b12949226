import { isUtf8 } from 'node:buffer'
import type { Context } from 'hono'
import type { z } from 'zod'
import { describeIssues } from './describe-issues.ts'
import { Refused } from './refused.ts'
import { requestTarget } from './request-target.ts'
import type { ServiceEnv } from './service-env.ts'

const jsonType = /^application\/json[\t ]*(?:;|$)/i

/** Reads the body as JSON of the schema; what is not such JSON is Refused, with a message that repeats nothing of it. */
export function parseJson<S extends z.ZodType>(c: Context<ServiceEnv>, schema: S): z.output<S> {
  if (c.req.header('content-encoding') !== undefined || !jsonType.test(c.req.header('content-type') ?? '')) {
    throw new Refused('unsupported_media_type')
  }
  return settle(schema, decodeJson(c.get('body')))
}

/** As `parseJson`, for the query: `+` is a space, and no name may come twice. */
export function parseQuery<S extends z.ZodType>(c: Context<ServiceEnv>, schema: S): z.output<S> {
  return settle(schema, decodeQuery(requestTarget(c).query))
}

function settle<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw new Refused('invalid_request', describeIssues(result.error))
}

function decodeJson(body: Buffer): unknown {
  if (!isUtf8(body)) throw new Refused('invalid_request', 'the body is not UTF-8')
  const text = body.toString('utf8')
  const value = attempt((): unknown => JSON.parse(text), 'the body is not JSON')
  // Lone surrogates can only come from escapes, so texts without one are not walked.
  if (/\\u[dD][89a-fA-F]/.test(text)) {
    attempt(() => JSON.parse(text, refuseLoneSurrogates) as unknown, 'the body holds half a character')
  }
  return value
}

function refuseLoneSurrogates(key: string, value: unknown): unknown {
  if (!key.isWellFormed() || (typeof value === 'string' && !value.isWellFormed()))
    throw new TypeError('lone surrogate')
  return value
}

function decodeQuery(query: string): Record<string, string> {
  const fields = new Map<string, string>()
  for (const pair of query.split('&')) {
    if (pair === '') continue
    const [name = '', ...rest] = pair.split('=')
    const key = decodeComponent(name)
    if (fields.has(key)) throw new Refused('invalid_request', 'a name stands twice in the query')
    fields.set(key, decodeComponent(rest.join('=')))
  }
  return Object.fromEntries(fields)
}

function decodeComponent(text: string): string {
  return attempt(() => decodeURIComponent(text.replaceAll('+', ' ')), 'the query is not UTF-8')
}

function attempt<T>(work: () => T, message: string): T {
  try {
    return work()
  } catch {
    throw new Refused('invalid_request', message)
  }
}
