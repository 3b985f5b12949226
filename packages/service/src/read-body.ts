import type { Context, MiddlewareHandler } from 'hono'
import { Refused } from './refused.ts'
import type { ServiceEnv } from './service-env.ts'

const nothing = Buffer.alloc(0)

/**
 * Reads the body once, as bytes: limit, signature and JSON all work on these, since hono converts a body that is read
 * twice. One that is too large is refused by its declared length, or as soon as its chunks exceed the limit.
 */
export function readBody(options: { bytesMax: number }): MiddlewareHandler<ServiceEnv> {
  const { bytesMax } = options
  return async (c, next) => {
    const { method } = c.req
    c.set('body', method === 'GET' || method === 'HEAD' ? nothing : await bytesOf(c, bytesMax))
    await next()
  }
}

async function bytesOf(c: Context<ServiceEnv>, bytesMax: number): Promise<Buffer> {
  const declared = c.req.header('content-length')
  if (declared === undefined) {
    refuseCodings(c)
    return collect(c, bytesMax)
  }
  if (Number(declared) > bytesMax) throw tooLarge(c)
  const bytes = await c.req.raw.arrayBuffer().catch(cutOff)
  if (bytes.byteLength > bytesMax) throw tooLarge(c)
  return Buffer.from(bytes)
}

async function collect(c: Context<ServiceEnv>, bytesMax: number): Promise<Buffer> {
  const stream: AsyncIterable<Uint8Array> | null = c.req.raw.body
  if (stream === null) return nothing
  const chunks: Uint8Array[] = []
  let length = 0
  try {
    for await (const chunk of stream) {
      length += chunk.byteLength
      if (length > bytesMax) break
      chunks.push(chunk)
    }
  } catch (error) {
    cutOff(error)
  }
  if (length > bytesMax) throw tooLarge(c)
  return Buffer.concat(chunks)
}

/** The parser takes the chunks apart, and leaves what any other coding made of the body as it is. */
function refuseCodings(c: Context<ServiceEnv>): void {
  const codings = c.req.header('transfer-encoding') ?? 'chunked'
  if (codings.toLowerCase() === 'chunked') return
  c.get('answerHeaders')['Connection'] = 'close'
  throw new Refused('invalid_request', 'Transfer-Encoding must be chunked')
}

/** The rest of the body is not worth reading, so the connection ends with the answer. */
function tooLarge(c: Context<ServiceEnv>): Refused {
  c.get('answerHeaders')['Connection'] = 'close'
  return new Refused('body_too_large')
}

function cutOff(cause: unknown): never {
  throw Object.assign(new Refused('invalid_request', 'the body ended early'), { cause })
}
