import { once } from 'node:events'
import { Agent, type IncomingMessage, request as httpRequest } from 'node:http'
import { createServer } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { randomBytes } from 'node:crypto'
import { Hono } from 'hono'
import { afterEach, describe, expect, it } from 'vitest'
import { createLogLines, createTestApp, describeRefusal } from './app.fixture.ts'
import { connectRaw } from './raw-client.fixture.ts'
import { type RunningServer, serve, type ServeTimeouts } from './serve.ts'

const running = new Set<RunningServer>()
afterEach(async () => {
  await Promise.all([...running].map((server) => server.drain(0)))
  running.clear()
})

async function start(
  app: Parameters<typeof serve>[0]['app'] = createTestApp().app,
  timeouts?: ServeTimeouts,
) {
  const { logger, lines } = createLogLines()
  const server = await serve({
    app,
    host: '127.0.0.1',
    port: 0,
    describeRefusal,
    randomBytes,
    logger,
    ...(timeouts && { timeouts }),
  })
  running.add(server)
  const { port } = server.address
  return { server, port, lines, url: `http://127.0.0.1:${port}` }
}

const key = 'X-API-Key: right\r\n'
const json = `${key}Content-Type: application/json\r\n`

/** Requests to `/slow` wait for `release`; `arrived` and `passed` tell when the first of each kind is there. */
function slowApp() {
  const [gate, arrival, passing] = Array.from({ length: 3 }, () => Promise.withResolvers<void>())
  const app = new Hono()
  app.get('/slow', async (c) => {
    arrival?.resolve()
    await gate?.promise
    return c.text('done')
  })
  app.get('/fast', (c) => {
    passing?.resolve()
    return c.text('done')
  })
  return { app, release: () => gate?.resolve(), arrived: arrival?.promise, passed: passing?.promise }
}

describe('serve', () => {
  it('answers over a socket what the app answers', async () => {
    const { url } = await start()
    const response = await fetch(`${url}/v1/echo`, {
      method: 'POST',
      headers: { 'X-API-Key': 'right', 'Content-Type': 'application/json' },
      body: '{"subject":"é"}',
    })
    expect([response.status, await response.json()]).toEqual([200, { subject: 'é' }])
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect((await fetch(`${url}/livez`, { method: 'HEAD' })).status).toBe(200)
  })

  it.each([
    ['no Host', 'GET /livez HTTP/1.1\r\n\r\n', 400],
    ['a Host that is none', 'GET /livez HTTP/1.1\r\nHost: a b\r\n\r\n', 400],
    ['an expectation nobody knows', 'GET /v1/none HTTP/1.1\r\nHost: a\r\nExpect: b\r\n\r\n', 401],
    ['a thousand headers', `GET /livez HTTP/1.1\r\nHost: a\r\n${'b:\r\n'.repeat(1001)}\r\n`, 431],
  ])('answers %s in the one shape, and with every header', async (_, text, status) => {
    const { port } = await start()
    const client = await connectRaw(port)
    client.send(text)
    const answer = await client.until(/"request_id":"[^"]+"\}$/)
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(answer).toMatch(/^x-content-type-options: nosniff\r$/im)
    client.socket.destroy()
  })

  it('takes a body in chunks, and refuses it once they are too many', async () => {
    const { port } = await start()
    const client = await connectRaw(port)
    const head = `POST /v1/size HTTP/1.1\r\nHost: a\r\n${key}Transfer-Encoding: chunked\r\n\r\n`
    client.send(`${head}3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n`)
    await client.until(/\{"bytes":5\}/)
    client.send(`${head}${`200\r\n${'x'.repeat(512)}\r\n`.repeat(3)}`)
    const answers = await client.end()
    expect(answers).toMatch(/HTTP\/1\.1 413 .*connection: close.*body_too_large/is)
  })

  it('refuses a declared length that is too large before the body is sent', async () => {
    const { port } = await start()
    const client = await connectRaw(port)
    client.send(`POST /v1/size HTTP/1.1\r\nHost: a\r\n${key}Content-Length: 999999\r\n\r\n`)
    expect(await client.until(/body_too_large/)).toMatch(/^HTTP\/1\.1 413 /)
    client.socket.destroy()
  })

  it('rejects with the error of the system when the port is taken', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as { port: number }
    const { logger } = createLogLines()
    const options = { app: new Hono(), host: '127.0.0.1', port, describeRefusal, randomBytes, logger }
    await expect(serve(options)).rejects.toMatchObject({ code: 'EADDRINUSE', port })
    taken.close()
  })

  it('answers in the shape of the app when even its error handler fails', async () => {
    const { url, lines } = await start({ fetch: () => Promise.reject(new Error('beyond hono')) })
    const response = await fetch(url)
    expect([response.status, await response.json()]).toMatchObject([500, { reason: 'internal_error' }])
    expect(lines).toMatchObject([{ level: 'error', err: { message: 'beyond hono' } }])
  })
})

describe('malformed HTTP', () => {
  it.each([
    ['no HTTP at all', 'HELO example\r\n\r\n', 400, 'invalid_request'],
    [
      'a header name with a blank',
      'GET / HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n',
      400,
      'invalid_request',
    ],
    ['a bare CR in a header', 'GET / HTTP/1.1\r\nHost: a\r\nX-A: b\rc\r\n\r\n', 400, 'invalid_request'],
    ['a NUL in a header', 'GET / HTTP/1.1\r\nHost: a\r\nX-A: b\0c\r\n\r\n', 400, 'invalid_request'],
    [
      'two ways to tell the length',
      `POST /v1/echo HTTP/1.1\r\nHost: a\r\n${json}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`,
      400,
      'invalid_request',
    ],
    [
      'a length that is no number',
      `POST /v1/echo HTTP/1.1\r\nHost: a\r\n${json}Content-Length: +5\r\n\r\nabcde`,
      400,
      'invalid_request',
    ],
    [
      'a chunk that is none',
      `POST /v1/size HTTP/1.1\r\nHost: a\r\n${key}Transfer-Encoding: chunked\r\n\r\nzz\r\n`,
      400,
      'invalid_request',
    ],
    [
      'more than 16 KiB of headers',
      `GET / HTTP/1.1\r\nHost: a\r\nX-A: ${'x'.repeat(20_000)}\r\n\r\n`,
      431,
      'headers_too_large',
    ],
    [
      'a target that is no path',
      'GET foo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
      400,
      'invalid_request',
    ],
    [
      'a backslash in the path',
      'GET /a\\b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
      400,
      'invalid_request',
    ],
    [
      'a host that is none',
      'GET / HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n',
      400,
      'invalid_request',
    ],
  ])('%s is answered in the shape of the app: %#', async (_, text, status, reason) => {
    const { port, lines } = await start()
    const client = await connectRaw(port)
    client.send(text)
    const answer = await client.end()
    const [head = '', body = ''] = answer.split('\r\n\r\n')
    expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(head).toMatch(/^x-content-type-options: nosniff$/im)
    expect(head).toMatch(/^connection: close$/im)
    expect(JSON.parse(body)).toMatchObject({
      ok: false,
      reason,
      request_id: expect.stringMatching(/^[\w-]{16}$/),
    })
    expect(JSON.stringify(lines)).not.toContain('X-A')
  })

  it('after a whole request leaves the answer to that one alone', async () => {
    const { app, release, arrived } = slowApp()
    const { port } = await start(app)
    const client = await connectRaw(port)
    client.send('GET /slow HTTP/1.1\r\nHost: a\r\n\r\nGARBAGE\r\n\r\n')
    await arrived
    release()
    const answers = await client.end()
    expect(answers.match(/HTTP\/1\.1/g)).toHaveLength(1)
    expect(answers).toMatch(/^HTTP\/1\.1 200 OK.*\r\n\r\ndone$/s)
  })

  it('leaves the server serving', async () => {
    const { port, url } = await start()
    const client = await connectRaw(port)
    client.send('\0\0\0\0\r\n\r\n')
    await client.end()
    expect((await fetch(`${url}/livez`)).status).toBe(200)
  })
})

describe('a slow client', () => {
  const timeouts = { headersMs: 200, requestMs: 400, keepAliveMs: 300 }

  it.each([
    ['headers', 'GET /livez HTTP/1.1\r\nHost: a\r\n'],
    ['a body', `POST /v1/echo HTTP/1.1\r\nHost: a\r\n${json}Content-Length: 10\r\n\r\n{`],
  ])('that does not finish %s is told so and cut off', async (_, text) => {
    const { port } = await start(createTestApp().app, timeouts)
    const client = await connectRaw(port)
    client.send(text)
    const answer = await client.end()
    expect(answer).toMatch(/^HTTP\/1\.1 408 .*"reason":"request_timeout"/s)
    expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1)
  })

  it('that sends no further request is let go', async () => {
    const { port } = await start(createTestApp().app, timeouts)
    const client = await connectRaw(port)
    client.send('GET /livez HTTP/1.1\r\nHost: a\r\n\r\n')
    expect(await client.end()).toMatch(/^HTTP\/1\.1 200 /)
  })
})

describe('drain', () => {
  const slow = 'GET /slow HTTP/1.1\r\nHost: a\r\n\r\n'
  const fast = 'GET /fast HTTP/1.1\r\nHost: a\r\n\r\n'

  it('answers what is in flight with Connection: close and accepts nothing new', async () => {
    const { app, release, arrived } = slowApp()
    const { server, port } = await start(app)
    const client = await connectRaw(port)
    client.send(slow)
    await arrived
    const drained = server.drain(5000)
    await expect(connectRaw(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    release()
    expect(await client.end()).toMatch(/^HTTP\/1\.1 200 OK.*^connection: close.*done$/ims)
    await drained
  })

  it('answers a request that arrives meanwhile behind another one', async () => {
    const { app, release, arrived, passed } = slowApp()
    const { server, port } = await start(app)
    const client = await connectRaw(port)
    client.send(slow)
    await arrived
    const drained = server.drain(5000)
    client.send(fast)
    await passed
    release()
    const answers = await client.end()
    expect(answers.match(/^done/gm)).toHaveLength(2)
    expect(answers.match(/^connection: close/gim)).toHaveLength(1)
    await drained
  })

  it('ends connections that are idle or never sent a request at once', async () => {
    const { app } = slowApp()
    const { server, port } = await start(app)
    const [idle, silent] = [await connectRaw(port), await connectRaw(port)]
    idle.send(fast)
    await idle.until(/done$/)
    await server.drain(60_000)
    await Promise.all([idle.end(), silent.end()])
  })

  it('cuts what is still there when its time is over', async () => {
    const { app, arrived } = slowApp()
    const { server, port } = await start(app)
    const client = await connectRaw(port)
    client.send(slow)
    await arrived
    await server.drain(50)
    expect(await client.end()).toBe('')
  })

  it('loses no reply under load: what was carried out was answered', async () => {
    let carriedOut = 0
    const app = new Hono().post('/', async (c) => {
      await setImmediate()
      carriedOut += 1
      return c.text('done')
    })
    const { server, url } = await start(app)
    const agent = new Agent({ keepAlive: true, maxSockets: 16 })
    let sent = 0
    let drained: Promise<void> | undefined
    const outcomes = await Promise.all(
      Array.from({ length: 16 }, async () => {
        const statuses: string[] = []
        do {
          sent += 1
          if (sent === 400) drained = server.drain(5000)
          statuses.push(await statusOf(url, agent))
        } while (statuses.at(-1) === '200')
        return statuses
      }),
    )
    await drained
    agent.destroy()
    const statuses = outcomes.flat()
    expect(new Set(statuses)).toEqual(new Set(['200', 'refused']))
    expect(statuses.filter((status) => status === '200')).toHaveLength(carriedOut)
  })
})

/** `refused` when no connection was to be had, or it ended without an answer. */
async function statusOf(url: string, agent: Agent): Promise<string> {
  const request = httpRequest(url, { agent, method: 'POST' })
  request.end('body')
  try {
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    for await (const chunk of response) void chunk
    return String(response.statusCode)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return code === 'ECONNREFUSED' || code === 'ECONNRESET' ? 'refused' : String(error)
  }
}
