import { once } from 'node:events'
import { Agent, type IncomingMessage, request as httpRequest } from 'node:http'
import { createServer, type Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { randomBytes } from 'node:crypto'
import type { HttpBindings } from '@hono/node-server'
import { Hono } from 'hono'
import { stream } from 'hono/streaming'
import { Registry } from 'prom-client'
import { afterEach, describe, expect, it } from 'vitest'
import { createLogLines, createTestApp, describeRefusal } from './app.fixture.ts'
import { connectRaw } from './raw-client.fixture.ts'
import { type RunningServer, serve } from './serve.ts'

const running = new Set<RunningServer>()
afterEach(async () => {
  await Promise.all([...running].map((server) => server.drain(0)))
  running.clear()
})

async function start(
  app: Parameters<typeof serve>[0]['app'] = createTestApp().app,
  settings: Partial<Pick<Parameters<typeof serve>[0], 'timeouts' | 'limits'>> = {},
) {
  const { logger, lines } = createLogLines()
  const registry = new Registry()
  const server = await serve({
    app,
    host: '127.0.0.1',
    port: 0,
    describeRefusal,
    randomBytes,
    logger,
    registry,
    bodyBytesMax: 1024,
    ...settings,
  })
  running.add(server)
  const { port } = server.address
  return { server, port, lines, registry, url: `http://127.0.0.1:${port}` }
}

const key = 'X-API-Key: right\r\n'
const json = `${key}Content-Type: application/json\r\n`

/** Requests to `/slow` wait for `release`; `arrived` tells when the first is there. */
function slowApp() {
  const [gate, arrival] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const app = new Hono()
  const carriedOut: string[] = []
  app.get('/slow', async (c) => {
    carriedOut.push('slow')
    arrival.resolve()
    await gate.promise
    return c.text('done')
  })
  app.get('/fast', (c) => {
    carriedOut.push('fast')
    return c.text('done')
  })
  return { app, release: () => gate.resolve(), released: gate.promise, arrived: arrival.promise, carriedOut }
}

const slow = 'GET /slow HTTP/1.1\r\nHost: a\r\n\r\n'
const fast = 'GET /fast HTTP/1.1\r\nHost: a\r\n\r\n'

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

  it('keeps an idle connection longer than the 90 seconds after which callers in Go close theirs', async () => {
    const { url } = await start()
    const { headers } = await fetch(`${url}/livez`)
    const [, seconds] = /^timeout=(\d+)$/.exec(headers.get('keep-alive') ?? '') ?? []
    expect(Number(seconds)).toBeGreaterThan(90)
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
    const rest = { registry: new Registry(), bodyBytesMax: 1024 }
    await expect(serve({ ...options, ...rest })).rejects.toMatchObject({ code: 'EADDRINUSE', port })
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
      'a second host',
      'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n',
      400,
      'invalid_request',
    ],
    [
      'the same host twice',
      'GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\nConnection: close\r\n\r\n',
      400,
      'invalid_request',
    ],
    [
      'a coding below the chunks',
      `POST /v1/size HTTP/1.1\r\nHost: a\r\n${key}Transfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`,
      400,
      'invalid_request',
    ],
    ['CONNECT', 'CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n', 405, 'method_not_allowed'],
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

  it.each([
    ['after a whole request', slow, 'GARBAGE\r\n\r\n'],
    ['after two of them', slow + fast, 'GARBAGE\r\n\r\n'],
    ['that is CONNECT', slow + fast, 'CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n'],
  ])('%s leaves the answers before it alone', async (_, requests, rest) => {
    const { app, release, arrived, carriedOut } = slowApp()
    const { port } = await start(app)
    const client = await connectRaw(port)
    client.send(requests + rest)
    await arrived
    release()
    const answers = await client.end()
    expect(answers.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(carriedOut.length)
    expect(answers.match(/HTTP\/1\.1/g)).toHaveLength(requests === slow ? 1 : 2)
    expect(answers).toMatch(/\r\n\r\ndone$/)
  })

  it('may ask for another protocol, and is answered in this one', async () => {
    const { port } = await start()
    const client = await connectRaw(port)
    client.send('GET /livez HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    expect(await client.until(/"status":"ok"/)).toMatch(/^HTTP\/1\.1 200 /)
    client.socket.destroy()
  })

  it('leaves the server serving', async () => {
    const { port, url } = await start()
    const [client, reset] = [await connectRaw(port), await connectRaw(port)]
    client.send('\0\0\0\0\r\n\r\n')
    reset.send('CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n')
    await reset.until(/method_not_allowed/)
    reset.socket.resetAndDestroy()
    await client.end()
    expect((await fetch(`${url}/livez`)).status).toBe(200)
  })
})

describe('pipelined requests', () => {
  it('of one connection are carried out one at a time, and answered in their order', async () => {
    let underWay = 0
    let most = 0
    const app = new Hono().get('/:number', async (c) => {
      most = Math.max(most, ++underWay)
      await setImmediate()
      underWay -= 1
      return c.text(`<${c.req.param('number')}>`)
    })
    const { port } = await start(app)
    const client = await connectRaw(port)
    const numbers = Array.from({ length: 17 }, (_, number) => String(number))
    for (const half of [numbers, numbers]) {
      client.send(half.map((number) => `GET /${number} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''))
      await client.until(new RegExp(`(<16>.*){${half === numbers ? 1 : 2}}`, 's'))
    }
    client.send('GET /end HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    const answers = (await client.end()).match(/<\w+>/g)
    expect(answers).toEqual([...numbers, ...numbers, 'end'].map((number) => `<${number}>`))
    expect(most).toBe(1)
  })

  it('that are too many to wait end the connection, and are not carried out', async () => {
    const { app, arrived, carriedOut } = slowApp()
    const { port } = await start(app)
    const client = await connectRaw(port)
    client.send(slow + fast.repeat(3000))
    await arrived
    expect(await client.end()).toBe('')
    expect(carriedOut).toEqual(['slow'])
  })

  it('are not carried out once the connection ends with an answer before theirs', async () => {
    const { app, carriedOut } = slowApp()
    app.get('/last', (c) => c.text('last', 200, { Connection: 'close' }))
    const { port } = await start(app)
    const client = await connectRaw(port)
    client.send(fast.replace('fast', 'last') + fast)
    expect(await client.end()).toMatch(/\r\n\r\nlast$/)
    expect(carriedOut).toEqual([])
  })
})

describe('a slow client', () => {
  const timeouts = { headersMs: 200, requestMs: 400, keepAliveMs: 300, answerMs: 100, pressedMs: 100 }

  it.each([
    ['headers', 'GET /livez HTTP/1.1\r\nHost: a\r\n'],
    ['a body', `POST /v1/echo HTTP/1.1\r\nHost: a\r\n${json}Content-Length: 10\r\n\r\n{`],
  ])('that does not finish %s is told so and cut off', async (_, text) => {
    const { port } = await start(createTestApp().app, { timeouts })
    const client = await connectRaw(port)
    client.send(text)
    const answer = await client.end()
    expect(answer).toMatch(/^HTTP\/1\.1 408 .*"reason":"request_timeout"/s)
    expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1)
  })

  it('that stays in the middle of a second request gets the first answer alone', async () => {
    const { app, release, arrived } = slowApp()
    const { port, lines } = await start(app, { timeouts })
    const client = await connectRaw(port)
    client.send(`${slow}POST /fast HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{`)
    await arrived
    await expect.poll(() => lines).toMatchObject([{ code: 'ERR_HTTP_REQUEST_TIMEOUT' }])
    release()
    const answers = await client.end()
    expect(answers).toMatch(/^HTTP\/1\.1 200 .*done$/s)
    expect(answers.match(/HTTP\/1\.1/g)).toHaveLength(1)
  })

  it('that does not take its answer is cut off', async () => {
    const serving = Promise.withResolvers<Socket>()
    const app = new Hono<{ Bindings: HttpBindings }>().get('/', (c) => {
      serving.resolve(c.env.incoming.socket)
      return c.body('x'.repeat(32 * 1024 * 1024))
    })
    const { port } = await start(app, { timeouts })
    const client = await connectRaw(port)
    client.socket.pause()
    client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await once(await serving.promise, 'close')
    client.socket.destroy()
  })

  it('that sends no further request is let go', async () => {
    const { port } = await start(createTestApp().app, { timeouts })
    const client = await connectRaw(port)
    client.send('GET /livez HTTP/1.1\r\nHost: a\r\n\r\n')
    expect(await client.end()).toMatch(/^HTTP\/1\.1 200 /)
  })
})

describe('drain', () => {
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
    const { app, release, arrived } = slowApp()
    const { server, port } = await start(app)
    const client = await connectRaw(port)
    client.send(slow)
    await arrived
    const drained = server.drain(5000)
    client.send(fast)
    await turn()
    release()
    const answers = await client.end()
    expect(answers.match(/^done/gm)).toHaveLength(2)
    expect(answers.match(/^connection: close/gim)).toHaveLength(1)
    await drained
  })

  it('does not carry out what comes behind an answer that has begun', async () => {
    const { app, release, released, carriedOut } = slowApp()
    app.get('/parts', (c) =>
      stream(c, async (parts) => {
        await parts.write('begun')
        await released
        await parts.write(', ended')
      }),
    )
    const { server, port } = await start(app)
    const client = await connectRaw(port)
    client.send(fast.replace('fast', 'parts'))
    await client.until(/begun/)
    const drained = server.drain(5000)
    client.send(fast)
    await turn()
    release()
    expect(await client.end()).toMatch(/, ended\r\n0\r\n\r\n$/)
    await drained
    expect(carriedOut).toEqual([])
  })

  it('ends connections that are idle, or never sent a whole request, at once', async () => {
    const { app } = slowApp()
    const { server, port } = await start(app)
    const [idle, silent, half] = [await connectRaw(port), await connectRaw(port), await connectRaw(port)]
    half.send('GET /fast HTTP/1.1\r\nHo')
    idle.send(fast)
    await idle.until(/done$/)
    await server.drain(60_000)
    await Promise.all([idle.end(), silent.end(), half.end()])
  })

  it('takes requests for its grace, each the last on its connection, then ends what is idle', async () => {
    const { app, release } = slowApp()
    const { server, port } = await start(app)
    const [kept, idle] = [await connectRaw(port), await connectRaw(port)]
    for (const client of [kept, idle]) {
      client.send(fast)
      await client.until(/done$/)
    }
    const drained = server.drain(5000, 300)
    kept.send(fast)
    expect(await kept.end()).toMatch(/done.*^connection: close\r$.*done$/ims)
    const late = await connectRaw(port)
    late.send(slow)
    release()
    expect(await late.end()).toMatch(/^connection: close\r$.*done$/ims)
    await drained
    expect(await idle.end()).toMatch(/done$/)
    await expect(connectRaw(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
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

/** What was sent to a server of this process before is read after it. */
async function turn(): Promise<void> {
  await setImmediate()
  await setImmediate()
}

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
