import { describe, expect, it } from 'vitest'
import { createTestApp, jsonRequest } from './app.fixture.ts'

const { app } = createTestApp()

function streamOf(...chunks: string[]): ReadableStream {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(new TextEncoder().encode(chunk))
      controller.close()
    },
  })
}

describe('readBody', () => {
  const send = (body: NonNullable<RequestInit['body']>, headers: Record<string, string> = {}) =>
    app.request('/v1/size', {
      method: 'POST',
      headers: { 'X-API-Key': 'right', ...headers },
      body,
      duplex: 'half',
    })

  it('keeps the bytes as they came, up to the limit', async () => {
    expect(await (await send('x'.repeat(1024), { 'Content-Length': '1024' })).json()).toEqual({ bytes: 1024 })
    expect(await (await send(streamOf('é', 'é'))).json()).toEqual({ bytes: 4 })
    expect(await (await send('')).json()).toEqual({ bytes: 0 })
  })

  it.each([
    ['by the declared length', 'x', '1025'],
    ['by what comes although less was declared', 'x'.repeat(1025), '1'],
  ])('refuses too much %s', async (_, body, declared) => {
    const response = await send(body, { 'Content-Length': declared })
    expect(response.status).toBe(413)
    expect(response.headers.get('connection')).toBe('close')
  })

  it('stops reading chunks as soon as they exceed the limit', async () => {
    let pulled = 0
    const endless = new ReadableStream({
      pull(controller) {
        pulled += 1
        controller.enqueue(new Uint8Array(512))
      },
    })
    expect((await send(endless)).status).toBe(413)
    expect(pulled).toBeLessThan(10)
  })

  it('refuses by size before it looks at credentials', async () => {
    const response = await app.request('/v1/size', { method: 'POST', body: 'x'.repeat(1025) })
    expect(response.status).toBe(413)
  })

  it('answers a body that breaks off without calling it a fault', async () => {
    const { app, lines } = createTestApp()
    const broken = new ReadableStream({
      pull() {
        throw new Error('connection reset')
      },
    })
    const response = await app.request('/v1/size', { ...jsonRequest(''), body: broken, duplex: 'half' })
    expect(response.status).toBe(400)
    expect(lines.map(({ level }) => level)).toEqual(['info'])
  })
})
