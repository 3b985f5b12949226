import { describe, expect, it } from 'vitest'
import { createSigner, signV1 } from './signature-v1.ts'
import vectors from './vectors/signature-v1.json' with { type: 'json' }

describe('signV1', () => {
  it.each(vectors)(
    'agrees with the vector: $title',
    ({ secret, timestampSeconds, service, bodyHex, signature }) => {
      expect(signV1({ secret, timestampSeconds, service, body: Buffer.from(bodyHex, 'hex') })).toBe(signature)
    },
  )
})

describe('createSigner', () => {
  const sign = createSigner({ secret: 'test-secret', service: 'stargate', now: () => 1_700_000_000_999 })

  it('signs the whole second that has begun', () => {
    expect(sign(Buffer.from('{"user_id":"u1"}'))).toEqual({
      'X-Timestamp': '1700000000',
      'X-Service': 'stargate',
      'X-Signature': '8980ce503b184dca87f43afc4d3d4aa7e09898c8bdef0445781fe5056da0889d',
    })
  })

  it('states its key id when it has one', () => {
    const named = createSigner({ secret: 'test-secret', service: 'stargate', keyId: 'k1', now: () => 0 })
    expect(named(Buffer.alloc(0))['X-Key-Id']).toBe('k1')
  })

  it.each(['', 'a:b', 'a b', 'x'.repeat(65), 'ü'])('refuses to sign for the service %j', (service) => {
    expect(() => createSigner({ secret: 's', service, now: () => 0 })).toThrow(TypeError)
  })
})
