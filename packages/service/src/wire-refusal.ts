import { type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { type EdgeReason, type WireReason } from './refused.ts'
import { createRequestIds } from './request-id.ts'
import { securityHeaders } from './security-headers.ts'

/** A refusal as the app words it, for answers that never reach the app. */
export type DescribeRefusal = (
  reason: EdgeReason,
  requestId: string,
  retryAfterSeconds: number | undefined,
) => { status: number; body: object }

/** What there was too much of a moment ago may be gone in the next. */
const retryAfterSeconds: { [Reason in EdgeReason]?: number } = { busy: 1 }

/** Time for a client that is still sending to read its refusal before the connection is cut. */
const lingerMs = 500

const reasonByCode: Readonly<Record<string, WireReason>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
}

export type RefusalWriter = {
  response(reason: EdgeReason): Response
  /** Answers what the HTTP parser gave up on, never in place of or in the middle of another answer. */
  malformed(error: NodeJS.ErrnoException, socket: Socket, owed: ServerResponse | undefined): void
  /** Answers CONNECT, in its turn; the connection ends with it, as what follows is not HTTP. */
  connect(socket: Socket, owed: ServerResponse | undefined): void
}

export function createRefusalWriter(deps: {
  describeRefusal: DescribeRefusal
  randomBytes: (size: number) => Buffer
}): RefusalWriter {
  const nextRequestId = createRequestIds(deps.randomBytes)
  const write = (reason: EdgeReason) => {
    const requestId = nextRequestId()
    const retryAfter = retryAfterSeconds[reason]
    const { status, body } = deps.describeRefusal(reason, requestId, retryAfter)
    const headers = {
      'Content-Type': 'application/json',
      'X-Request-Id': requestId,
      ...(retryAfter !== undefined && { 'Retry-After': String(retryAfter) }),
      ...securityHeaders,
    }
    return { status, body: JSON.stringify(body), headers }
  }
  return {
    response: (reason) => {
      const { body, ...init } = write(reason)
      return new Response(body, init)
    },
    malformed: (error, socket, owed) => {
      if (socket.writableEnded) return
      if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy()
      if (owed?.req.complete) return endAfter(owed, socket)
      if (owed?.headersSent) return void socket.destroy()
      end(socket, write(reasonByCode[error.code ?? ''] ?? 'invalid_request'))
    },
    connect: (socket, owed) => {
      if (owed) return endAfter(owed, socket)
      if (!socket.writable) return
      const { status, body, headers } = write('method_not_allowed')
      end(socket, { status, body, headers: { ...headers, Allow: '' } })
    },
  }
}

function end(
  socket: Socket,
  refusal: { status: number; body: string; headers: Record<string, string> },
): void {
  const { status, body, headers } = refusal
  const fields = { ...headers, 'Content-Length': Buffer.byteLength(body), Connection: 'close' }
  const head = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${head.join('')}\r\n${body}`)
  socket.resume()
  setTimeout(() => socket.destroy(), lingerMs).unref()
}

/** What follows on the connection is unreadable, but the request before it was not. */
function endAfter(answer: ServerResponse, socket: Socket): void {
  if (!answer.headersSent) answer.shouldKeepAlive = false
  answer.once('finish', () => socket.destroySoon())
}
