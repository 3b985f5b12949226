import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { getRequestListener, RequestError } from '@hono/node-server'
import { createConnections } from './connections.ts'
import type { Logger } from './logger.ts'
import { createRefusalWriter, type DescribeRefusal } from './wire-refusal.ts'

/** PEM texts; with `clientCa` every client must show a certificate of it. */
export type ServeTls = { cert: string; key: { reveal(): string }; clientCa?: string }

export type ServeTimeouts = {
  /** From the first byte of a connection or request to the end of the headers. */
  headersMs: number
  /** To the end of the body. */
  requestMs: number
  /** Longer than load balancers keep an idle connection, so that they are the ones to close it. */
  keepAliveMs: number
  /** For the client to take an answer; it is cut after this time at the earliest, twice this time at the latest. */
  answerMs: number
}

const defaultTimeouts: ServeTimeouts = {
  headersMs: 10_000,
  requestMs: 20_000,
  keepAliveMs: 75_000,
  answerMs: 10_000,
}

export type RunningServer = {
  address: { host: string; port: number }
  /**
   * Stops accepting, cuts connections without a request under way, answers what is in flight with `Connection: close`;
   * after the timeout cuts what is left.
   */
  drain(timeoutMs: number): Promise<void>
}

/** Listens for HTTP/1.1; rejects with the system's error when the address cannot be had. */
export async function serve(options: {
  app: { fetch: Parameters<typeof getRequestListener>[0] }
  host: string
  port: number
  tls?: ServeTls
  describeRefusal: DescribeRefusal
  randomBytes: (size: number) => Buffer
  logger: Logger
  timeouts?: ServeTimeouts
}): Promise<RunningServer> {
  const { logger, timeouts = defaultTimeouts } = options
  const refuse = createRefusalWriter(options)
  const listener = getRequestListener(options.app.fetch, {
    errorHandler: (error) => {
      if (error instanceof RequestError) return refuse.response('invalid_request')
      logger.error({ err: error }, 'fault')
      return refuse.response('internal_error')
    },
  })
  const connections = createConnections((outgoing) => void listener(outgoing.req, outgoing))
  const server = createHttpServer(options.tls, timeouts)
  const queue = (_: IncomingMessage, outgoing: ServerResponse) => connections.queue(outgoing)
  server.on('request', queue)
  // Left to Node, an expectation that is not 100-continue would get a bare 417.
  server.on('checkExpectation', queue)
  server.on('connection', connections.accepted)
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    logger.info({ code: error.code }, 'malformed request')
    refuse.malformed(error, socket, connections.lastOwed(socket))
  })
  // Left to Node, the connection would end without an answer. What comes here is no longer watched for errors.
  server.on('connect', (_: IncomingMessage, socket: Socket) => {
    logger.info({ method: 'CONNECT' }, 'malformed request')
    socket.on('error', () => socket.destroy())
    refuse.connect(socket, connections.lastOwed(socket))
  })
  server.on('tlsClientError', (error: NodeJS.ErrnoException) => {
    logger.info({ code: error.code }, 'TLS handshake failed')
  })
  const { address, port } = await listen(server, options)
  const sweep = setInterval(connections.cutStalled, timeouts.answerMs).unref()
  return {
    address: { host: address, port },
    drain: async (timeoutMs) => {
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve())
      })
      connections.drain()
      const force = setTimeout(connections.destroyAll, timeoutMs)
      await closed
      clearTimeout(force)
      clearInterval(sweep)
    },
  }
}

function createHttpServer(tls: ServeTls | undefined, timeouts: ServeTimeouts): Server {
  const http = {
    headersTimeout: timeouts.headersMs,
    requestTimeout: timeouts.requestMs,
    keepAliveTimeout: timeouts.keepAliveMs,
    connectionsCheckingInterval: Math.min(1000, timeouts.headersMs),
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

async function listen(server: Server, { host, port }: { host: string; port: number }): Promise<AddressInfo> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen({ host, port }, resolve)
  await promise
  server.off('error', reject)
  return server.address() as AddressInfo
}
