import { spawn } from 'node:child_process'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { createTestCertificates } from '../packages/testing/src/test-certificates.ts'

const script = join(import.meta.dirname, '../infra/docker/healthcheck.js')
const open: Server[] = []

afterEach(() => {
  for (const server of open.splice(0)) server.close().closeAllConnections()
})

async function listen(server: Server): Promise<string> {
  open.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return String((server.address() as AddressInfo).port)
}

function check(env: Record<string, string>, ...words: string[]): Promise<number | null> {
  const child = spawn(process.execPath, [script, ...words], { env, stdio: 'ignore' })
  return new Promise((resolve) => child.once('exit', resolve))
}

/** Alive, but not ready. */
const answer: RequestListener = (request, response) => {
  response.statusCode = request.url === '/livez' ? 200 : 503
  response.end('{}')
}

describe('the health check of the images', () => {
  it('succeeds when the service answers that it lives', async () => {
    const port = await listen(createServer(answer))
    expect(await check({ PORT: port, HOST: '0.0.0.0' })).toBe(0)
    expect(await check({ PORT: `:${port}` })).toBe(0)
  })

  it('asks for readiness when it is told to, and fails without it', async () => {
    const port = await listen(createServer(answer))
    expect(await check({ PORT: port }, '/readyz')).toBe(1)
  })

  it('fails when nothing listens, and when nothing answers', async () => {
    const silent = await listen(createServer(() => {}))
    const [server] = open
    expect(await check({ PORT: silent })).toBe(1)
    server?.close().closeAllConnections()
    expect(await check({ PORT: silent })).toBe(1)
  })

  it('speaks TLS when the service does', async () => {
    const { valid } = await createTestCertificates()
    const port = await listen(createTlsServer(valid, answer))
    expect(await check({ PORT: port, TLS_CERT_FILE: '/tls/cert.pem' })).toBe(0)
    expect(await check({ PORT: port, TLS_CERT_FILE: '/tls/cert.pem' }, '/readyz')).toBe(1)
  })

  it('is content with an open port where callers need a certificate', async () => {
    const { valid, ca } = await createTestCertificates()
    const port = await listen(
      createTlsServer({ ...valid, ca, requestCert: true, rejectUnauthorized: true }, answer),
    )
    const env = { PORT: port, TLS_CERT_FILE: '/tls/cert.pem', TLS_CLIENT_CA_FILE: '/tls/ca.pem' }
    expect(await check(env)).toBe(0)
  })
})
