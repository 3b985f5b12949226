import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { getRequestListener, RequestError } from '@hono/node-server'
import type { Registry } from 'prom-client'
import { type Admission, type AdmissionLimits, admissionLimits, createAdmission } from './admission.ts'
import { createConnections, type Connections } from './connections.ts'
import {
  checkMs,
  createHttpServer,
  defaultTimeouts,
  type ServeTimeouts,
  type ServeTls,
} from './http-server.ts'
import type { Logger } from './logger.ts'
import { createRefusalWriter, type DescribeRefusal, type RefusalWriter } from './wire-refusal.ts'

export type RunningServer = {
  address: { host: string; port: number }
  /**
   * Answers with `Connection: close` from now on. When the grace is over it stops accepting, cuts connections without a
   * request under way, and after the timeout what is left.
   */
  drain(timeoutMs: number, graceMs?: number): Promise<void>
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
  registry: Registry
  /** The most that the app reads of a body. */
  bodyBytesMax: number
  timeouts?: ServeTimeouts
  limits?: AdmissionLimits
}): Promise<RunningServer> {
  const { logger, timeouts = defaultTimeouts, limits = admissionLimits } = options
  const refuse = createRefusalWriter(options)
  const listenerOf = (fetch: typeof options.app.fetch) =>
    getRequestListener(fetch, {
      errorHandler: (error) => {
        if (error instanceof RequestError) return refuse.response('invalid_request')
        logger.error({ err: error }, 'fault')
        return refuse.response('internal_error')
      },
    })
  const carryOut = listenerOf(options.app.fetch)
  const turnAway = listenerOf(() => refuse.response('busy'))
  const admission = createAdmission({ ...limits, ...options })
  const connections = createConnections({
    admission,
    carryOut: (outgoing) => carryOut(outgoing.req, outgoing),
    refuse: (outgoing) => void turnAway(outgoing.req, outgoing),
  })
  const server = createHttpServer(options.tls, timeouts)
  receive(server, { connections, refuse, logger })
  const { address, port } = await listen(server, options)
  const sweep = setInterval(connections.cutStalled, timeouts.answerMs).unref()
  const look = watchPressure(server, { admission, timeouts, logger })
  return {
    address: { host: address, port },
    drain: async (timeoutMs, graceMs = 0) => {
      connections.retire()
      if (graceMs > 0) await delay(graceMs)
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve())
      })
      connections.endIdle()
      const force = setTimeout(connections.destroyAll, timeoutMs)
      await closed
      clearTimeout(force)
      clearInterval(sweep)
      clearInterval(look)
    },
  }
}

function receive(
  server: Server,
  { connections, refuse, logger }: { connections: Connections; refuse: RefusalWriter; logger: Logger },
): void {
  const queue = (_: IncomingMessage, outgoing: ServerResponse) => connections.queue(outgoing)
  server.on('request', queue)
  // Left to Node, an expectation that is not 100-continue would get a bare 417.
  server.on('checkExpectation', queue)
  server.on('connection', connections.accepted)
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    logger.info({ code: error.code }, 'malformed request')
    refuse.malformed(error, socket, connections.giveUpUnfinished(socket))
  })
  // Left to Node, the connection would end without an answer. What comes here is no longer watched for errors.
  server.on('connect', (_: IncomingMessage, socket: Socket) => {
    logger.info({ method: 'CONNECT' }, 'malformed request')
    socket.on('error', () => socket.destroy())
    refuse.connect(socket, connections.giveUpUnfinished(socket))
  })
  server.on('tlsClientError', (error: NodeJS.ErrnoException) => {
    logger.info({ code: error.code }, 'TLS handshake failed')
  })
}

/** Says of all that was turned away in one line; slow clients get less time while there is such. */
function watchPressure(
  server: Server,
  { admission, timeouts, logger }: { admission: Admission; timeouts: ServeTimeouts; logger: Logger },
): NodeJS.Timeout {
  let [seen, connections] = [0, 0]
  server.on('drop', () => (connections += 1))
  // Twice as long as between two looks for slow clients, so that one of these falls into the time of pressure.
  return setInterval(
    () => {
      const requests = admission.refused() - seen
      const isPressed = requests + connections > 0
      server.requestTimeout = isPressed ? timeouts.pressedMs : timeouts.requestMs
      server.headersTimeout = isPressed ? timeouts.pressedMs : timeouts.headersMs
      if (isPressed) logger.warn({ event: 'overloaded', requests, connections }, 'there was too much to do')
      seen += requests
      connections = 0
    },
    2 * checkMs(timeouts),
  ).unref()
}

async function listen(server: Server, { host, port }: { host: string; port: number }): Promise<AddressInfo> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen({ host, port }, resolve)
  await promise
  server.off('error', reject)
  return server.address() as AddressInfo
}
