import { Redis } from 'ioredis'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { createRedisLink } from './redis-link.ts'

/** A server that answers what it is told to. */
async function startServer(answer: (socket: Socket) => void): Promise<number> {
  const listener = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', () => answer(socket))
  }).listen(0, '127.0.0.1')
  await once(listener, 'listening')
  onTestFinished(() => void listener.close())
  return (listener.address() as AddressInfo).port
}

it('gives a connection up on which something always arrives but no answer', async () => {
  const port = await startServer((socket) => {
    socket.write('$1000\r\n')
    const trickle = setInterval(() => socket.write('x'), 50)
    socket.on('close', () => clearInterval(trickle))
  })
  const client = new Redis({
    port,
    host: '127.0.0.1',
    enableReadyCheck: false,
    disableClientInfo: true,
    protocol: 2,
    socketTimeout: 1000,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  })
  onTestFinished(() => client.disconnect())
  client.on('error', () => {})
  await once(client, 'ready')
  const given: unknown[] = []
  const logger = { debug() {}, info() {}, error() {}, warn: (fields: object) => void given.push(fields) }
  const link = createRedisLink(client, logger)
  const started = performance.now()
  await expect(link.send('get', ['x'])).rejects.toThrow()
  expect(performance.now() - started).toBeLessThan(1500)
  expect(given).toEqual([{ event: 'redis_given_up', cause: 'a reply is overdue' }])
})
