import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createSignerV2, signV2 } from './signature-v2.ts'
import vectors from './vectors/signature-v2.json' with { type: 'json' }

describe('signV2', () => {
  it.each(vectors)('agrees with the vector: $title', ({ title: _title, signature, body, ...signed }) => {
    expect(signV2({ ...signed, body: Buffer.from(body) })).toBe(signature)
  })

  it('signs no field with a line feed in it, which could be read as two', () => {
    const signed = {
      secret: 's',
      method: 'POST',
      path: '/v1/verify',
      query: '',
      timestamp: '1',
      nonce: 'n',
      service: 'a',
      keyId: 'k1',
      body: Buffer.alloc(0),
    }
    for (const name of ['method', 'path', 'query', 'timestamp', 'nonce', 'service', 'keyId'] as const) {
      expect(() => signV2({ ...signed, [name]: 'a\nb' })).toThrow(TypeError)
    }
  })
})

describe('createSignerV2', () => {
  it('states what it signed, with a new nonce each time', () => {
    const sign = createSignerV2({
      secret: 's',
      service: 'stargate',
      keyId: 'k1',
      now: () => 1_999,
      randomBytes,
    })
    const first = sign({ method: 'POST', path: '/v1/verify' })
    const second = sign({ method: 'POST', path: '/v1/verify' })
    expect(first).toMatchObject({
      'X-Signature-Version': 'v2',
      'X-Timestamp': '1',
      'X-Service': 'stargate',
      'X-Key-Id': 'k1',
    })
    expect(first['X-Nonce']).toMatch(/^[0-9a-f]{32}$/)
    expect(second['X-Nonce']).not.toBe(first['X-Nonce'])
    expect(second['X-Signature']).not.toBe(first['X-Signature'])
  })

  it.each(['', 'a:b', 'a b', 'x'.repeat(65)])('refuses to sign for the service %j', (service) => {
    expect(() => createSignerV2({ secret: 's', service, now: () => 0, randomBytes })).toThrow(TypeError)
  })
})
