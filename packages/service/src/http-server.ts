import { createServer, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'

/** PEM texts; with `clientCa` every client must show a certificate of it. */
export type ServeTls = { cert: string; key: { reveal(): string }; clientCa?: string }

export type ServeTimeouts = {
  /** From the first byte of a connection or request to the end of the headers. */
  headersMs: number
  /** To the end of the body. */
  requestMs: number
  /**
   * Longer than callers in Go (90 s) and most load balancers keep an idle connection, so that they are the ones to close
   * it: a POST that meets our closing is lost, since none of them sends it again.
   */
  keepAliveMs: number
  /** For the client to take an answer; it is cut after this time at the earliest, twice this time at the latest. */
  answerMs: number
  /** In place of `requestMs` while requests are turned away, so that half a body does not keep a place for long. */
  pressedMs: number
}

export const defaultTimeouts: ServeTimeouts = {
  headersMs: 10_000,
  requestMs: 20_000,
  keepAliveMs: 95_000,
  answerMs: 10_000,
  pressedMs: 2_000,
}

/** Beyond it a connection ends as soon as it is made. An idle one costs 8 KiB, and 65 KiB under TLS. */
const connectionsMax = { plain: 8192, tls: 2048 }

/** How often it is looked for clients that take too long. */
export function checkMs({ headersMs }: ServeTimeouts): number {
  return Math.min(1000, headersMs)
}

/** Not listening yet; answers nothing by itself. */
export function createHttpServer(tls: ServeTls | undefined, timeouts: ServeTimeouts): Server {
  const server = newServer(tls, timeouts)
  server.maxConnections = tls ? connectionsMax.tls : connectionsMax.plain
  return server
}

function newServer(tls: ServeTls | undefined, timeouts: ServeTimeouts): Server {
  const http = {
    headersTimeout: timeouts.headersMs,
    requestTimeout: timeouts.requestMs,
    keepAliveTimeout: timeouts.keepAliveMs,
    connectionsCheckingInterval: checkMs(timeouts),
    // Without a Host there is no URL, which the listener refuses in our shape; Node would in its own.
    requireHostHeader: false,
    // A second Host makes one that is none, instead of being passed over.
    joinDuplicateHeaders: true,
  }
  if (!tls) return createServer(http)
  return createTlsServer({
    ...http,
    minVersion: 'TLSv1.2',
    handshakeTimeout: timeouts.headersMs,
    cert: tls.cert,
    key: tls.key.reveal(),
    ...(tls.clientCa !== undefined && { ca: tls.clientCa, requestCert: true, rejectUnauthorized: true }),
  })
}
