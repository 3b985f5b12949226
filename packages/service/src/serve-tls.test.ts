import { once } from 'node:events'
import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { request, type RequestOptions } from 'node:https'
import { connect as connectPlain } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { createTestCertificates, type TestCertificates } from '@herald/testing'
import { Registry } from 'prom-client'
import { generate } from 'selfsigned'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createLogLines, createTestApp, describeRefusal } from './app.fixture.ts'
import { type RunningServer, serve } from './serve.ts'

const subject = (name: string) => [{ name: 'commonName', value: name }]
const curve = { keyType: 'ec', curve: 'P-256', algorithm: 'sha256' } as const

async function createClients() {
  const authority = async () =>
    generate(subject('Clients'), {
      ...curve,
      extensions: [
        { name: 'basicConstraints', cA: true, critical: true },
        { name: 'keyUsage', keyCertSign: true, critical: true },
      ],
    })
  const [ca, stranger] = await Promise.all([authority(), authority()])
  const issue = async (by: typeof ca) => {
    const { cert, private: key } = await generate(subject('stargate'), {
      ...curve,
      ca: { key: by.private, cert: by.cert },
      extensions: [{ name: 'extKeyUsage', clientAuth: true }],
    })
    return { cert, key }
  }
  return { ca: ca.cert, known: await issue(ca), unknown: await issue(stranger) }
}

let certificates: TestCertificates
let clients: Awaited<ReturnType<typeof createClients>>
const running: RunningServer[] = []

beforeAll(async () => {
  ;[certificates, clients] = await Promise.all([createTestCertificates(), createClients()])
})
afterAll(async () => {
  await Promise.all(running.map((server) => server.drain(0)))
})

async function start(clientCa?: string) {
  const { cert, key } = certificates.valid
  const server = await serve({
    app: createTestApp().app,
    host: '127.0.0.1',
    port: 0,
    tls: { cert, key: { reveal: () => key }, ...(clientCa !== undefined && { clientCa }) },
    describeRefusal,
    randomBytes,
    logger: createLogLines().logger,
    registry: new Registry(),
    bodyBytesMax: 1024,
  })
  running.push(server)
  return { server, port: server.address.port }
}

async function ask(port: number, options: RequestOptions = {}): Promise<number | string> {
  const sent = request({
    host: '127.0.0.1',
    port,
    path: '/livez',
    ca: certificates.ca,
    agent: false,
    ...options,
  })
  sent.end()
  try {
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    response.resume()
    return response.statusCode ?? 0
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException
    return `${code} ${message}`
  }
}

describe('listening with TLS', () => {
  it('answers clients that trust its authority', async () => {
    const { port } = await start()
    expect(await ask(port)).toBe(200)
  })

  it('speaks no version below 1.2', async () => {
    const { port } = await start()
    const ciphers = 'DEFAULT@SECLEVEL=0'
    expect(await ask(port, { maxVersion: 'TLSv1.2' })).toBe(200)
    expect(await ask(port, { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers })).toMatch(
      /alert protocol version/,
    )
  })

  it('does not answer plain HTTP', async () => {
    const { port } = await start()
    const socket = connectPlain(port, '127.0.0.1')
    socket.end('GET /livez HTTP/1.1\r\nHost: a\r\n\r\n')
    let received = ''
    socket.setEncoding('latin1').on('data', (chunk: string) => (received += chunk))
    await once(socket, 'close')
    expect(received).not.toContain('200')
  })

  it('drains at once when its connections are idle', async () => {
    const { server, port } = await start()
    const idle = connectTls({ port, host: '127.0.0.1', ca: certificates.ca })
    await once(idle, 'secureConnect')
    const ended = once(idle.resume(), 'close')
    await server.drain(60_000)
    await ended
  })

  it('drains at once although a client never finishes its handshake', async () => {
    const { server, port } = await start()
    const halfOpen = connectPlain(port, '127.0.0.1')
    await once(halfOpen, 'connect')
    const ended = once(halfOpen.resume(), 'close')
    await server.drain(60_000)
    await ended
  })
})

describe('with an authority for clients', () => {
  it('answers a client that shows a certificate of it', async () => {
    const { port } = await start(clients.ca)
    expect(await ask(port, clients.known)).toBe(200)
  })

  it.each(['none', 'one of another authority'])('answers no client that shows %s', async (shown) => {
    const { port } = await start(clients.ca)
    expect(await ask(port, shown === 'none' ? {} : clients.unknown)).toMatch(/^(?:ERR_SSL|ECONNRESET|EPIPE)/)
  })
})
