import type { IncomingMessage } from 'node:http'
import { Counter, Gauge, type Registry } from 'prom-client'
import { isProbe } from './health-routes.ts'

/** What one process takes on at a time. */
export type AdmissionLimits = {
  /** Requests whose head has come and whose work is not over. */
  requestsMax: number
  /** Bytes that the bodies of these say they have. */
  bodiesBytesMax: number
}

/** A tenth of a second of work, or a little more, and a memory that the smallest container has. */
export const admissionLimits: AdmissionLimits = { requestsMax: 1024, bodiesBytesMax: 32 * 1024 * 1024 }

/** On top of `requestsMax`: a process that is busy must not be taken for one that is dead. */
const probesMax = 64

export type Admission = {
  /** Whether there is room for a request. Each that is let in has to `leave` exactly once, whatever becomes of it. */
  enter: (request: IncomingMessage) => boolean
  leave: (request: IncomingMessage) => void
  /** How many were turned away so far. */
  refused: () => number
}

/** Counts a body without a stated length, or with too large a one, as `bodyBytesMax`: no more of it is ever read. */
export function createAdmission(
  options: AdmissionLimits & { bodyBytesMax: number; registry: Registry },
): Admission {
  const { requestsMax, bodiesBytesMax, bodyBytesMax } = options
  const shed = createMetrics(options.registry, () => requests)
  let requests = 0
  let bodiesBytes = 0
  let refused = 0

  const bytesOf = ({ headers }: IncomingMessage) => {
    const stated = headers['content-length']
    if (stated !== undefined) return Math.min(Number(stated), bodyBytesMax)
    return headers['transfer-encoding'] === undefined ? 0 : bodyBytesMax
  }
  const isRoomFor = (request: IncomingMessage, bytes: number) =>
    (requests < requestsMax && bodiesBytes + bytes <= bodiesBytesMax) ||
    (requests < requestsMax + probesMax && isProbe(request.url))

  return {
    enter: (request) => {
      const bytes = bytesOf(request)
      if (!isRoomFor(request, bytes)) {
        refused += 1
        shed.inc()
        return false
      }
      requests += 1
      bodiesBytes += bytes
      return true
    },
    leave: (request) => {
      requests -= 1
      bodiesBytes -= bytesOf(request)
    },
    refused: () => refused,
  }
}

function createMetrics(registry: Registry, underWay: () => number): Counter {
  void new Gauge({
    name: 'http_requests_under_way',
    help: 'Requests that came and are not answered yet',
    registers: [registry],
    collect() {
      this.set(underWay())
    },
  })
  return new Counter({
    name: 'http_requests_shed_total',
    help: 'Requests turned away because too many were under way',
    registers: [registry],
  })
}
