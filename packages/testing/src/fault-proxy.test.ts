import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createFaultProxy, type FaultProxy } from './fault-proxy.ts'
import { locateRedisBinary } from './redis-binary.ts'
import { startRedis, type RedisServer } from './redis-server.ts'

describe.skipIf(locateRedisBinary() === undefined)('a fault proxy', () => {
  let server: RedisServer
  let proxy: FaultProxy
  let client: Redis

  beforeAll(async () => {
    server = await startRedis({ appendOnly: true })
    proxy = await createFaultProxy(server)
    client = new Redis(proxy.port, '127.0.0.1', {
      maxRetriesPerRequest: 0,
      commandTimeout: 200,
      retryStrategy: () => 20,
    })
    client.on('error', () => {})
    await client.set('a', '1')
  })

  afterAll(async () => {
    client.disconnect()
    await proxy.close()
    await server.stop()
  })

  it('loses the reply of a command that ran', async () => {
    proxy.swallowReplies(1)
    await expect(client.incr('a')).rejects.toThrow('timed out')
    await expect(client.get('a')).rejects.toThrow('timed out')
    proxy.cut()
    await expect.poll(() => client.get('a').catch(() => undefined)).toBe('2')
  })

  it('holds both directions while paused', async () => {
    proxy.pause()
    await expect(client.incr('a')).rejects.toThrow('timed out')
    proxy.resume()
    await expect.poll(() => client.get('a')).toBe('3')
  })

  it('keeps what was on disk when the server is killed', async () => {
    await server.kill()
    await server.restart()
    await expect.poll(() => client.get('a').catch(() => undefined)).toBe('3')
  })
})
