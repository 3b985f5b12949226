import type { Principal } from '@herald/auth'
import { Registry } from 'prom-client'
import { expect, it } from 'vitest'
import { createKeyUse } from './key-use.ts'

const signer: Principal = { service: 'stargate', keyId: 'k1', scheme: 'hmac-v1', scopes: [] }

it('says when a key was last used', async () => {
  const registry = new Registry()
  const { used } = createKeyUse(registry)
  used(signer, 1_000_999)
  used(signer, 2_000_999)
  expect(await registry.metrics()).toContain(
    'auth_key_last_used_timestamp_seconds{scheme="hmac-v1",key_id="k1"} 2000',
  )
})

it('notes the API key beside a signature as well, and that it is new', async () => {
  const registry = new Registry()
  const { used } = createKeyUse(registry)
  const both = { ...signer, apiKeyId: 'admin' }
  expect([used(signer, 0), used(both, 5000), used(both, 7000)]).toEqual([true, true, false])
  const text = await registry.metrics()
  expect(text).toContain('auth_key_last_used_timestamp_seconds{scheme="api-key",key_id="admin"} 7')
  expect(text).toContain('auth_requests_total{scheme="api-key",key_id="admin"} 2')
})

it('counts who signs as v1, by no more names than a collector can bear', async () => {
  const registry = new Registry()
  const { used } = createKeyUse(registry)
  for (let n = 0; n < 100; n += 1) used({ ...signer, service: `made-up-${n}` }, 0)
  used({ ...signer, service: 'made-up-0' }, 0)
  used({ ...signer, scheme: 'hmac-v2' }, 0)
  const lines = (await registry.metrics()).split('\n').filter((line) => line.startsWith('v1_requests_total{'))
  expect(lines).toHaveLength(65)
  expect(lines).toContain('v1_requests_total{service="made-up-0"} 2')
  expect(lines).toContain('v1_requests_total{service="other"} 36')
})
