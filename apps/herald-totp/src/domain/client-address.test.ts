import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { limitedNetwork, statedAddress } from './client-address.ts'

const isTrusted = (address: string) => address.startsWith('10.')
const claims = (clientIp?: string, forwardedFor?: string) => ({ peer: '10.0.0.1', clientIp, forwardedFor })

describe('statedAddress', () => {
  it('prefers X-Client-IP to X-Forwarded-For', () => {
    expect(statedAddress(claims('203.0.113.7', '203.0.113.8'), isTrusted)).toBe('203.0.113.7')
  })

  it('takes the last hop of X-Forwarded-For that is no trusted proxy, so a forged first hop is ignored', () => {
    expect(statedAddress(claims(undefined, '198.51.100.1, 203.0.113.8, 10.0.0.2'), isTrusted)).toBe(
      '203.0.113.8',
    )
  })

  it('knows no address without the headers, or with nothing but proxies in them', () => {
    expect(statedAddress(claims(), isTrusted)).toBeUndefined()
    expect(statedAddress(claims(undefined, '10.0.0.2, 10.0.0.3'), isTrusted)).toBeUndefined()
  })

  it('believes no other peer', () => {
    for (const peer of ['203.0.113.1', undefined])
      expect(
        statedAddress({ peer, clientIp: '198.51.100.1', forwardedFor: '198.51.100.1' }, isTrusted),
      ).toBeUndefined()
  })

  it('takes no hop from beyond one it cannot read', () => {
    expect(statedAddress(claims(undefined, '203.0.113.8, unknown, 10.0.0.2'), isTrusted)).toBeUndefined()
  })

  it('answers an address or nothing, whatever the headers hold', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (clientIp, forwardedFor) => {
        const address = statedAddress(claims(clientIp, forwardedFor), isTrusted)
        if (address !== undefined) expect(limitedNetwork(address)).toBeTypeOf('string')
      }),
    )
  })
})

describe('limitedNetwork', () => {
  it('is the address itself for IPv4, also mapped into IPv6', () => {
    expect(limitedNetwork('203.0.113.7')).toBe('203.0.113.7')
    expect(limitedNetwork('::ffff:203.0.113.7')).toBe('203.0.113.7')
  })

  it('is the /64 for IPv6', () => {
    expect(limitedNetwork('2001:db8:1:2:aaaa::1')).toBe(limitedNetwork('2001:db8:1:2:bbbb::2'))
    expect(limitedNetwork('2001:db8:1:2::1')).not.toBe(limitedNetwork('2001:db8:1:3::1'))
  })
})
