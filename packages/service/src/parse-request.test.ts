import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createTestApp, jsonRequest } from './app.fixture.ts'

const { app } = createTestApp()
const echo = (body: NonNullable<RequestInit['body']>, headers: Record<string, string> = {}) =>
  app.request('/v1/echo', { ...jsonRequest('', headers), body })
const refusal = async (response: Response) => {
  const { reason, message } = (await response.json()) as { reason: string; message?: string }
  return { status: response.status, reason, message }
}

describe('parseJson', () => {
  it.each([
    'application/json',
    'application/json; charset=utf-8',
    'Application/JSON;charset=UTF-8',
    'application/json ;a=b',
  ])('takes %s', async (type) => {
    expect((await echo('{"subject":"a"}', { 'Content-Type': type })).status).toBe(200)
  })

  it.each([
    '',
    'text/plain',
    'application/jsonp',
    'application/x-www-form-urlencoded',
    'text/json',
    'x, application/json',
  ])('is 415 for the type %j', async (type) => {
    expect((await echo('{"subject":"a"}', { 'Content-Type': type })).status).toBe(415)
  })

  it.each(['gzip', 'identity', ''])('is 415 for the content encoding %j', async (encoding) => {
    expect((await echo('{"subject":"a"}', { 'Content-Encoding': encoding })).status).toBe(415)
  })

  it.each([
    ['nothing', ''],
    ['broken JSON', '{"subject":"a"'],
    ['two values', '{"subject":"a"}{}'],
    ['a number', '1'],
    ['null', 'null'],
    ['an array', '["subject"]'],
    ['a text', '"subject"'],
    ['a byte order mark', '\ufeff{"subject":"a"}'],
    ['a null for a field', '{"subject":null}'],
    ['a null for an optional field', '{"subject":"a","count":null}'],
    ['an array for a field', '{"subject":["a"]}'],
    ['another case of the name', '{"Subject":"a"}'],
    ['a field on the prototype', '{"__proto__":{"subject":"a"}}'],
    ['half a character', String.raw`{"subject":"\ud83d"}`],
    ['half a character in capitals', String.raw`{"subject":"\uDC00x"}`],
    ['half a character in an unknown field', String.raw`{"subject":"a","x":[{"y":"\ud800"}]}`],
    ['half a character in a name', String.raw`{"subject":"a","\udfff":1}`],
    ['depth', `${'['.repeat(500)}${']'.repeat(500)}`],
  ])('is 400 for %s', async (_, body) => {
    expect(await refusal(await echo(body))).toMatchObject({ status: 400, reason: 'invalid_request' })
  })

  it.each([
    Uint8Array.of(0xff),
    Uint8Array.from(Buffer.from('{"subject":"\xc3("}', 'latin1')),
    Uint8Array.of(0xed, 0xa0, 0x80),
  ])('is 400 for bytes that are not UTF-8: %j', async (bytes) => {
    expect(await refusal(await echo(bytes))).toMatchObject({ status: 400, message: 'the body is not UTF-8' })
  })

  it.each([
    String.raw`{"subject":"\ud83d\ude00"}`,
    String.raw`{"subject":"\\ud83d"}`,
    '{"subject":"😀"}',
    '{"subject":"a","subject":"b"}',
    '{"subject":"a","unknown":null}',
  ])('takes %s', async (body) => {
    expect((await echo(body)).status).toBe(200)
  })

  it.each([
    ['{}', 'subject must be of type string'],
    ['{"subject":""}', 'subject is too short or too small'],
    [`{"subject":"${'x'.repeat(65)}"}`, 'subject is too long or too large'],
    ['{"subject":"a","count":"1"}', 'count must be of type number'],
    ['[]', 'the request must be of type object'],
  ])('says of %s: %s', async (body, message) => {
    expect(await refusal(await echo(body))).toMatchObject({ message })
  })

  it('never fails and never repeats what was sent, whatever it is', async () => {
    const json = fc.oneof(
      fc.jsonValue().map((value) => JSON.stringify(value)),
      fc.string({ unit: 'binary' }),
      fc.record({ subject: fc.jsonValue(), count: fc.jsonValue() }).map((value) => JSON.stringify(value)),
    )
    await fc.assert(
      fc.asyncProperty(json, async (body) => {
        const response = await echo(`marker${body}`)
        expect(response.status).toBeOneOf([400, 413])
        expect(await response.text()).not.toContain('marker')
        expect((await echo(body)).status).toBeOneOf([200, 400, 413])
      }),
    )
  })
})

describe('a strict schema', () => {
  it('refuses an unknown field without repeating its name', async () => {
    const response = await app.request('/v1/strict', jsonRequest({ subject: 'a', marker: 1 }))
    expect(await refusal(response)).toEqual({
      status: 400,
      reason: 'invalid_request',
      message: 'the request has a field that does not belong there',
    })
  })
})

describe('parseQuery', () => {
  const ask = (query: string) => app.request(`/v1/status${query}`, { headers: { 'X-API-Key': 'right' } })

  it.each([
    ['?subject=a+b', 'a b'],
    ['?subject=a%2Bb', 'a+b'],
    ['?subject=%E2%82%AC', '€'],
    ['?subject=a=b', 'a=b'],
    ['?other=1&subject=a&', 'a'],
    ['?sub%6Aect=a', 'a'],
  ])('reads %s', async (query, subject) => {
    expect(await (await ask(query)).json()).toEqual({ subject })
  })

  it.each([
    '',
    '?',
    '?subject',
    '?subject=',
    '?Subject=a',
    '?subject=%ff',
    '?subject=%',
    '?%ff=1&subject=a',
    '?subject=%ed%a0%80',
    '?subject=a&subject=a',
    '?__proto__=a',
    `?subject=${'x'.repeat(65)}`,
  ])('is 400 for %j', async (query) => {
    expect((await ask(query)).status).toBe(400)
  })
})
