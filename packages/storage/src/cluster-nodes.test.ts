import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { createClusterNodes } from './cluster-nodes.ts'

it('waits no longer than a connection may take for a node that loads its data', async () => {
  const info = 'loading:1\r\nloading_eta_seconds:1\r\n'
  const listener = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      for (const command of chunk.toString().split('*').slice(1))
        socket.write(/info/i.test(command) ? `$${info.length}\r\n${info}\r\n` : '+OK\r\n')
    })
  }).listen(0, '127.0.0.1')
  await once(listener, 'listening')
  onTestFinished(() => void listener.close())
  const address = { host: '127.0.0.1', port: (listener.address() as AddressInfo).port }
  const nodes = createClusterNodes(
    { engine: 'redis', topology: 'cluster', nodes: [address], ackReplicas: 0 },
    { name: 'test', logger: { debug() {}, info() {}, warn() {}, error() {} } },
    { failed() {}, mended() {} },
  )
  onTestFinished(() => nodes.close())
  const started = performance.now()
  const { connection, opened } = nodes.at(address)
  await opened
  expect(performance.now() - started).toBeLessThan(1500)
  expect(connection.status).not.toBe('ready')
})
