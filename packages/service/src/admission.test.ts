import { randomBytes } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { Hono } from 'hono'
import { Registry } from 'prom-client'
import { afterEach, describe, expect, it } from 'vitest'
import type { AdmissionLimits } from './admission.ts'
import { createLogLines, describeRefusal } from './app.fixture.ts'
import { connectRaw } from './raw-client.fixture.ts'
import { readBody } from './read-body.ts'
import { type RunningServer, serve } from './serve.ts'
import type { ServiceEnv } from './service-env.ts'

const running = new Set<RunningServer>()
afterEach(async () => {
  await Promise.all([...running].map((server) => server.drain(0)))
  running.clear()
})

const roomy = { requestsMax: 2, bodiesBytesMax: 1024 * 1024 }
const timeouts = {
  headersMs: 200,
  requestMs: 60_000,
  keepAliveMs: 60_000,
  answerMs: 60_000,
  pressedMs: 100,
}

/** `/held` is answered when it is released; `carriedOut` has what reached the app. */
async function start(limits: AdmissionLimits = roomy) {
  const { logger, lines } = createLogLines()
  const gate = Promise.withResolvers<void>()
  const registry = new Registry()
  const carriedOut: string[] = []
  const app = new Hono<ServiceEnv>()
  app.use(async (c, next) => {
    carriedOut.push(c.req.path)
    await next()
  })
  app.use(readBody({ bytesMax: 1024 }))
  app.all('/held', async (c) => {
    await gate.promise
    return c.text('held')
  })
  app.all('*', (c) => c.text('done'))
  app.onError((_, c) => c.text('refused', 400))
  const server = await serve({
    app,
    host: '127.0.0.1',
    port: 0,
    describeRefusal,
    randomBytes,
    logger,
    registry,
    timeouts,
    limits,
    bodyBytesMax: 1024,
  })
  running.add(server)
  const { port } = server.address
  return {
    lines,
    carriedOut,
    release: () => gate.resolve(),
    connect: () => connectRaw(port),
    metric: async (name: string) => (await registry.getSingleMetric(name)?.get())?.values[0]?.value,
    /** Connections that leave room for no further request. */
    async fill() {
      const clients = await Promise.all(Array.from({ length: limits.requestsMax }, () => connectRaw(port)))
      for (const client of clients) client.send(request('/held'))
      await expect.poll(() => carriedOut.length).toBe(limits.requestsMax)
      return clients
    },
  }
}

const request = (path: string, rest = '\r\n') => `POST ${path} HTTP/1.1\r\nHost: a\r\n${rest}`
const withBody = (path: string, length: number, body = 'x'.repeat(length)) =>
  request(path, `Content-Length: ${length}\r\n\r\n${body}`)

describe('a request for which there is no room', () => {
  it('is told to come again, in the shape of the app, and is not carried out', async () => {
    const { fill, connect, carriedOut, metric } = await start()
    await fill()
    const client = await connect()
    client.send(withBody('/lost', 1000))
    const answer = await client.until(/"request_id":"[^"]+"\}$/)
    expect(answer).toMatch(/^HTTP\/1\.1 503 .*^retry-after: 1\r$.*"reason":"busy"/ims)
    expect(answer).toMatch(/^x-content-type-options: nosniff\r$/im)
    expect(carriedOut).not.toContain('/lost')
    expect(await metric('http_requests_under_way')).toBe(2)
    expect(await metric('http_requests_shed_total')).toBe(1)
  })

  it('costs its connection nothing: the next one on it is carried out once there is room', async () => {
    const { fill, connect, release, metric } = await start()
    const filling = await fill()
    const client = await connect()
    for (const path of ['/first', '/second']) {
      client.send(withBody(path, 1000))
      await client.until(new RegExp(`(HTTP/1.1 503.*){${path === '/first' ? 1 : 2}}busy`, 's'))
    }
    release()
    await Promise.all(filling.map((other) => other.until(/held$/)))
    client.send(withBody('/third', 1000))
    expect(await client.until(/done$/)).not.toMatch(/^connection: close/im)
    await expect.poll(() => metric('http_requests_under_way')).toBe(0)
  })

  it('is one of the probes, and is answered all the same', async () => {
    const { fill, connect } = await start()
    await fill()
    for (const path of ['/livez', '/readyz', '/healthz', '/metrics']) {
      const client = await connect()
      client.send(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
      expect(await client.until(/done$/)).toMatch(/^HTTP\/1\.1 200 /)
    }
  })

  it('is a body too many, be its length stated or not', async () => {
    const { connect, carriedOut } = await start({ requestsMax: 100, bodiesBytesMax: 2500 })
    const [stated, chunked, tooMuch, small] = await Promise.all([connect(), connect(), connect(), connect()])
    stated.send(withBody('/stated', 1000, 'half'))
    chunked.send(request('/chunked', 'Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n'))
    await expect.poll(() => carriedOut.length).toBe(2)
    tooMuch.send(withBody('/lost', 1000))
    expect(await tooMuch.until(/busy.*\}$/s)).toMatch(/^HTTP\/1\.1 503 /)
    small.send(withBody('/small', 100))
    expect(await small.until(/done$/)).toMatch(/^HTTP\/1\.1 200 /)
  })

  it('and would have to wait for another ends the connection after the answer of that', async () => {
    const { connect, fill, carriedOut, release } = await start()
    const [client] = await fill()
    client?.send(request('/second') + request('/third'))
    const other = await connect()
    other.send('GET /livez HTTP/1.1\r\nHost: a\r\n\r\n')
    await other.until(/done$/)
    release()
    expect(await client?.end()).toMatch(/^HTTP\/1\.1 200 .*^connection: close\r$.*\r\n\r\nheld$/ims)
    expect(carriedOut).toEqual(['/held', '/held', '/livez'])
  })
})

describe('a room that was taken', () => {
  it('by half a body is free again soon, and the log says why', async () => {
    const { connect, carriedOut, lines, metric } = await start()
    const slow = await Promise.all([connect(), connect()])
    for (const client of slow) client.send(withBody('/half', 1000, 'half'))
    await expect.poll(() => carriedOut.length).toBe(2)
    const client = await connect()
    client.send(request('/lost'))
    await client.until(/busy/)
    for (const each of slow) expect(await each.end()).toMatch(/^HTTP\/1\.1 408 /)
    await expect.poll(() => metric('http_requests_under_way')).toBe(0)
    client.send(request('/next'))
    await client.until(/done$/)
    expect(lines).toContainEqual(
      expect.objectContaining({ level: 'warn', event: 'overloaded', requests: 1, connections: 0 }),
    )
  })

  it('is held until the work is over, even if nobody is left to be told', async () => {
    const { fill, connect, release, metric } = await start()
    for (const client of await fill()) client.socket.destroy()
    const client = await connect()
    client.send(request('/lost'))
    await client.until(/busy/)
    expect(await metric('http_requests_under_way')).toBe(2)
    release()
    await expect.poll(() => metric('http_requests_under_way')).toBe(0)
  })

  it.each([
    ['answered in turn', request('/one').repeat(10), /(done.*){10}$/s],
    ['cut as too many that wait', request('/held') + request('/one').repeat(40), undefined],
    ['left while others wait', request('/held') + request('/one').repeat(10), /^$/],
    ['ended by an answer', request('/one', 'Connection: close\r\n\r\n') + request('/two').repeat(5), /done$/],
    ['followed by what is no HTTP', `${request('/held')}${request('/one')}GARBAGE\r\n\r\n`, /^$/],
    ['followed by half a body that never ends', request('/held') + withBody('/one', 10, 'half'), /^$/],
    [
      'followed by half a body and no HTTP',
      request('/one', 'Transfer-Encoding: chunked\r\n\r\nzz\r\n'),
      /400/,
    ],
    ['too large', withBody('/one', 5000, 'half'), /refused$/],
  ])('is given back once, by requests that are %s', async (_, text, answers) => {
    const { connect, release, metric } = await start({ requestsMax: 100, bodiesBytesMax: 100_000 })
    const client = await connect()
    client.send(text)
    if (answers) await client.until(answers)
    else await client.end()
    await setImmediate()
    client.socket.destroy()
    release()
    await expect.poll(() => metric('http_requests_under_way')).toBe(0)
  })
})
