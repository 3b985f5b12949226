import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isCanonicalPath, isCanonicalQuery } from './request-target.ts'

describe('a canonical path', () => {
  it.each(['/', '/v1/verify', '/v1/status/', '/v1/messages/a%40b', "/v1/~a.b_c-d!$&'()*+,;=:@", '/a%C3%A9'])(
    'may be %s',
    (path) => {
      expect(isCanonicalPath(path)).toBe(true)
    },
  )

  it.each([
    '',
    'v1/verify',
    '*',
    'http://host/v1/verify',
    '//v1/verify',
    '/v1//verify',
    '/v1/verify//',
    '/.',
    '/v1/./verify',
    '/v1/../verify',
    '/v1/..',
    '/v1/%2e%2e/verify',
    '/v1/%2E%2E/verify',
    '/v1%2Fverify',
    '/v1\\verify',
    '/v1%5Cverify',
    '/v1/%76erify',
    '/v1/%4d',
    '/v1/a%c3%a9',
    '/v1/%',
    '/v1/%4',
    '/v1/é',
    '/v1/a b',
    '/v1/a\n',
  ])('is never %j', (path) => {
    expect(isCanonicalPath(path)).toBe(false)
  })

  it('is what a URL parser leaves as it is', () => {
    fc.assert(
      fc.property(fc.webPath(), (path) => {
        if (path !== '' && isCanonicalPath(path)) expect(new URL(`http://host${path}`).pathname).toBe(path)
      }),
    )
  })
})

describe('a canonical query', () => {
  it('holds what RFC 3986 lets stand there', () => {
    for (const query of ['', 'a=1&b=2', 'subject=ann%40example.com', 'a=b+c', 'a=/?:@'])
      expect(isCanonicalQuery(query)).toBe(true)
    for (const query of ['a=\\', 'a=%6', 'a=%zz', 'a=%c3', 'a=ä', 'a= ', 'a=\n', 'a={', 'a=#'])
      expect(isCanonicalQuery(query)).toBe(false)
  })
})
