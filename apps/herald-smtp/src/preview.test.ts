import PostalMime from 'postal-mime'
import { describe, expect, it } from 'vitest'
import { apiKey, sign, startTestedService } from './app.fixture.ts'

const adminApiKey = 'an-admin-key-of-the-tests-0123456789'

async function startWithAdmin(env: Record<string, string> = {}) {
  const service = await startTestedService({ ADMIN_API_KEY: adminApiKey, ...env })
  const preview = (body: unknown, headers: Record<string, string> = { 'X-API-Key': adminApiKey }) =>
    service.request('/v1/preview', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
  return { ...service, preview }
}

describe('POST /v1/preview', () => {
  it('answers what the same body would send, and sends nothing', async () => {
    const service = await startWithAdmin({ MAIL_BRAND_NAME: 'Acme', MAIL_BRAND_COLOR: '#0a7d33' })
    const bodies = [
      { params: { code: '482913', expires_in: '600' }, locale: 'zh-Hant-HK' },
      { body: 'Your code: 482913\nBye', subject: 'Login', locale: 'he' },
      {},
    ]
    for (const body of bodies) {
      const { status, body: shown } = await service.preview(body)
      expect(status).toBe(200)
      expect(shown['html']).toContain('>Acme</span>')
      expect(shown['html']).toContain('#0a7d33')

      await service.send({ to: 'u@x.example', ...body })
      const mail = await PostalMime.parse(service.server.messages.at(-1)!.raw)
      expect(mail.subject).toBe(shown['subject'])
      expect(mail.text?.trimEnd()).toBe(shown['text'])
      expect(mail.html?.trimEnd()).toBe(String(shown['html']).trimEnd())
    }
    expect(service.server.messages).toHaveLength(bodies.length)
  })

  it('says which template and language it took', async () => {
    const { preview } = await startWithAdmin()
    expect((await preview({ params: { code: '1' }, locale: 'ar-EG' })).body).toMatchObject({
      ok: true,
      template: 'verification',
      lang: 'ar',
      dir: 'rtl',
    })
    expect((await preview({ body: 'x', locale: 'fa' })).body).toMatchObject({ lang: 'fa', dir: 'rtl' })
    expect((await preview({ body: 'x' })).body).not.toHaveProperty('lang')
  })

  it('is for the administrator alone, on the open network too', async () => {
    const { preview, request } = await startWithAdmin({ ALLOW_NO_AUTH_FROM: 'loopback' })
    const body = { params: { code: '482913' } }
    expect((await preview(body, {})).status).toBe(401)
    expect((await preview(body, { 'X-API-Key': 'wrong' })).status).toBe(401)
    expect((await preview(body, { 'X-API-Key': apiKey })).status).toBe(403)
    expect((await preview(body, sign(body))).status).toBe(403)
    expect((await request('/v1/templates', { headers: { 'X-API-Key': apiKey } })).status).toBe(403)
  })

  it('refuses what POST /v1/send refuses, and logs nothing of the mail', async () => {
    const { preview, logged } = await startWithAdmin()
    expect((await preview({ subject: 'a\nb' })).status).toBe(400)
    expect((await preview([])).status).toBe(400)
    await preview({ params: { code: '482913' }, subject: 'Geheim' })
    expect(logged()).toContain('/v1/preview')
    expect(logged()).not.toMatch(/482913|Geheim/)
  })
})

describe('GET /v1/templates', () => {
  it('lists every template with its locales', async () => {
    const { request } = await startWithAdmin()
    const { body } = await request('/v1/templates', { headers: { 'X-API-Key': adminApiKey } })
    expect(body).toMatchObject({
      ok: true,
      templates: [{ name: 'verification', locales: expect.arrayContaining(['en', 'zh-TW', 'ar']) }],
    })
  })
})
