import { describe, expect, it } from 'vitest'
import { apiKey, sign, startTestedService, type TestedService } from '../app.fixture.ts'

const mail = { to: 'ada@example.com', subject: 'Login', body: 'Code 123456' }
const withKey = { 'X-API-Key': apiKey }
const ask = ({ request }: TestedService, id: string, headers: Record<string, string> = withKey) =>
  request(`/v1/messages/${encodeURIComponent(id)}`, { headers })

describe('GET /v1/messages', () => {
  it('tells what became of a mail, by its Message-ID and by its key, and neither address nor text', async () => {
    const service = await startTestedService()
    const sent = await service.send({ ...mail, idempotency_key: 'ch 1' })
    for (const id of [String(sent.body['message_id']), 'ch 1']) {
      const { status, body } = await ask(service, id)
      expect(status).toBe(200)
      expect(body).toEqual({
        ok: true,
        message_id: sent.body['message_id'],
        outcome: 'accepted',
        received_at: expect.stringMatching(/^\d{4}-.*Z$/),
        settled_at: expect.stringMatching(/^\d{4}-.*Z$/),
        upstream: `127.0.0.1:${service.server.port}`,
        upstream_response_id: '4TEST1234',
        request_id: expect.any(String),
      })
      expect(JSON.stringify(body)).not.toMatch(/ada|123456|Login/)
    }
  })

  it('tells why a mail was not sent', async () => {
    const service = await startTestedService()
    service.server.on('rcpt', { code: 550, text: '5.1.1 No such user' })
    await service.send({ ...mail, idempotency_key: 'refused' })
    expect((await ask(service, 'refused')).body).toMatchObject({
      outcome: 'not_sent',
      reason: 'invalid_destination',
      smtp_code: 550,
      enhanced_code: '5.1.1',
    })
  })

  it('tells that an outcome is unknown, and that a mail is on its way', async () => {
    const service = await startTestedService({ SEND_DEADLINE: '1s' })
    service.server.on('body', 'silence')
    const sending = service.send({ ...mail, idempotency_key: 'slow' })
    await expect.poll(async () => (await ask(service, 'slow')).body['outcome']).toBe('sending')
    await sending
    expect((await ask(service, 'slow')).body).toMatchObject({ outcome: 'unknown', reason: 'timeout_unknown' })
  })

  it('does not take a mail that is on its way for an earlier one of the same key', async () => {
    const service = await startTestedService({ IDEMPOTENCY_TTL_SECONDS: '1', SEND_DEADLINE: '1s' })
    await service.send({ ...mail, idempotency_key: 'again' })
    expect((await ask(service, 'again')).body['outcome']).toBe('accepted')
    service.advance(10_000)
    service.server.on('body', 'silence')
    const sending = service.send({ ...mail, body: 'Code 654321', idempotency_key: 'again' })
    await expect.poll(async () => (await ask(service, 'again')).body['outcome']).toBe('sending')
    await sending
    expect((await ask(service, 'again')).body['outcome']).toBe('unknown')
  })

  it('shows the keys of a caller to nobody else, and a Message-ID to whoever knows it', async () => {
    const service = await startTestedService()
    const signed = { ...mail, idempotency_key: 'theirs' }
    const sent = await service.send(signed, sign(signed))
    expect(sent.status).toBe(200)
    expect((await ask(service, 'theirs')).status).toBe(404)
    expect((await ask(service, String(sent.body['message_id']))).status).toBe(200)
  })

  it('answers nobody without a key, and no v1 signature, which does not cover the path', async () => {
    const service = await startTestedService()
    await service.send({ ...mail, idempotency_key: 'k' })
    expect((await ask(service, 'k', {})).status).toBe(401)
    expect((await ask(service, 'k', sign(''))).status).toBe(401)
  })

  it('forgets after MESSAGE_TTL', async () => {
    const service = await startTestedService({ MESSAGE_TTL: '10m' })
    await service.send({ ...mail, idempotency_key: 'k' })
    service.advance(599_000)
    expect((await ask(service, 'k')).status).toBe(200)
    service.advance(2_000)
    expect((await ask(service, 'k')).body).toMatchObject({ ok: false, reason: 'message_not_found' })
  })
})
