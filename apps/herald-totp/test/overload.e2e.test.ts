import { describe, expect, it } from 'vitest'
import { fillWithHalfRequests } from './overload.ts'

describe('a service that has all the requests it takes on', () => {
  it('turns the next one away in the shape of the contract, answers probes, and serves again at once', async () => {
    const { whileFull, recovered } = await fillWithHalfRequests(1024)
    const { verify, livez, readyz, retryAfter } = whileFull
    expect(verify).toEqual({
      status: 503,
      body: {
        ok: false,
        reason: 'unavailable',
        message: 'there is too much to do; try again later',
        retry_after_seconds: 1,
        request_id: expect.any(String),
      },
    })
    expect({ retryAfter, livez, readyz }).toEqual({ retryAfter: '1', livez: 200, readyz: 200 })
    expect(recovered).toBeLessThan(5_000)
  })
})
