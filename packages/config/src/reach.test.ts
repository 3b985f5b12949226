import { describe, expect, it } from 'vitest'
import { reachOf } from './reach.ts'

const resolvesTo =
  (...addresses: string[]) =>
  () =>
    Promise.resolve(addresses.map((address) => ({ address })))

describe('reachOf', () => {
  it.each([
    [['127.0.0.1', '::1'], 'loopback'],
    [['::ffff:127.0.0.1'], 'loopback'],
    [['10.0.0.1'], 'private'],
    [['fd00::1', '192.168.1.1'], 'private'],
    [['fe80::1%eth0'], 'private'],
    [['100.64.0.1'], 'private'],
    [['127.0.0.1', '10.0.0.1'], 'private'],
    [['10.0.0.1', '8.8.8.8'], 'public'],
    [['2a00::1'], 'public'],
    [['::ffff:8.8.8.8'], 'public'],
    [['0.0.0.0'], 'public'],
    [[], 'public'],
  ] as const)('calls %j %s', async (addresses, reach) => {
    expect(await reachOf('name', resolvesTo(...addresses))).toBe(reach)
  })

  it('asks the system by default', async () => {
    expect(await reachOf('localhost')).toBe('loopback')
    expect(await reachOf('127.0.0.1')).toBe('loopback')
    expect(await reachOf('8.8.8.8')).toBe('public')
  })

  it('takes a name that does not resolve for public', async () => {
    expect(await reachOf('name', () => Promise.reject(new Error('ENOTFOUND')))).toBe('public')
  })
})
