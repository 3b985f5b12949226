import { createSigner } from '@herald/auth'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openEngine, startTotp, tally, type Answer } from './service-harness.ts'

const adminApiKey = 'admin-key-of-the-tests-97d23be654f81c0a'
const secret = 'hmac-secret-of-the-tests-b1e09d7c55aa3f'
const routes = ['/v1/enroll/start', '/v1/unlock', '/v1/revoke'] as const

describe.each(['sqlite', 'redis'] as const)('a captured signed body on %s', (engine) => {
  let store: Awaited<ReturnType<typeof openEngine>>
  let services: Awaited<ReturnType<typeof startTotp>>[]

  beforeAll(async () => {
    store = await openEngine(engine)
    const env = { ...store.env, HMAC_SECRET: secret, ADMIN_API_KEY: adminApiKey }
    services = [await startTotp(env), await startTotp(env)]
  })

  afterAll(async () => {
    for (const { stop } of services) await stop()
    await store.close()
  })

  /** Sends the same signed bytes to a route of either replica. */
  function createSigned(subject: string) {
    const body = JSON.stringify({ subject })
    const signature = createSigner({ secret, service: 'stargate', now: Date.now })(Buffer.from(body))
    return async (route: string, replica = 0): Promise<Answer> => {
      const response = await fetch(services[replica]!.url + route, {
        method: 'POST',
        headers: {
          'Content-Type': 'application/json',
          ...signature,
          ...(route === '/v1/unlock' && { 'X-API-Key': adminApiKey }),
        },
        body,
      })
      const text = await response.text()
      return { status: response.status, body: JSON.parse(text) as Record<string, unknown>, text }
    }
  }

  it.each(['/v1/unlock', '/v1/enroll/start'])('of %s removes no second factor', async (first) => {
    const subject = `captured at ${first}`
    await services[0]!.caller.enrol(subject)
    const send = createSigned(subject)
    await send(first)
    expect(tally([await send('/v1/revoke', 0), await send('/v1/revoke', 1)])).toEqual({
      '401 unauthorized': 2,
    })
    expect((await services[0]!.caller.status(subject)).body['totp_enabled']).toBe(true)
  })

  it('works on one route alone when it comes to all of them at once, over two replicas', async () => {
    for (let round = 0; round < 8; round += 1) {
      const send = createSigned(`raced ${engine} ${round}`)
      const sent = Array.from({ length: 24 }, (_, n) => {
        const route = routes[(n + round) % routes.length]!
        return send(route, n % 2).then(({ status }) => ({ route, status }))
      })
      const answers = await Promise.all(sent)
      const served = new Set(answers.filter(({ status }) => status === 200).map(({ route }) => route))
      expect(served.size).toBe(1)
      for (const { route, status } of answers) expect(status).toBe(served.has(route) ? 200 : 401)
    }
  })
})
