import { describe, expect, it } from 'vitest'
import { parseNetworks } from './networks.ts'

describe('parseNetworks', () => {
  it('finds an address in any of its textual forms', () => {
    const contains = parseNetworks('10.1.0.0/16, 192.0.2.7 ,2001:db8::/32,loopback', { confined: false })
    const inside = [
      '10.1.255.1',
      '::ffff:10.1.0.1',
      '192.0.2.7',
      '2001:DB8:1::1',
      '127.9.9.9',
      '::1',
      '::ffff:127.0.0.1',
    ]
    const outside = [
      '10.2.0.1',
      '192.0.2.8',
      '2001:db9::1',
      '128.0.0.1',
      '::2',
      '',
      'localhost',
      '0x7f.1.1.1.1',
    ]
    expect(inside.map((address) => contains?.(address))).toEqual(inside.map(() => true))
    expect(outside.map((address) => contains?.(address))).toEqual(outside.map(() => false))
  })

  it.each(['', 'all', '10.0.0.0/33', '10.0.0', '10.0.0.0/16,', 'localhost', '1'])('refuses %j', (text) => {
    expect(parseNetworks(text, { confined: false })).toBeUndefined()
  })

  it.each(['loopback', '127.0.0.1', '127.0.0.0/8', '::1', '10.3.0.0/16', '172.20.0.0/24', 'fd12:3456::/48'])(
    'confined takes %s',
    (text) => {
      expect(parseNetworks(text, { confined: true })).toBeTypeOf('function')
    },
  )

  it.each([
    '0.0.0.0/0',
    '10.0.0.0/8',
    '192.168.0.0/15',
    '172.16.0.0/12',
    '8.8.8.0/24',
    '::/0',
    'fc00::/7',
    '126.0.0.0/7',
    '169.254.0.0/16',
    '::ffff:0:0/96',
    '::1/64',
    'loopback,8.8.8.8',
  ])('confined refuses %s', (text) => {
    expect(parseNetworks(text, { confined: true })).toBeUndefined()
  })
})
