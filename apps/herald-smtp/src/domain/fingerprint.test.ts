import { describe, expect, it } from 'vitest'
import { createDigests, differs } from './fingerprint.ts'

const digests = createDigests(Buffer.alloc(32, 1))
const others = createDigests(Buffer.alloc(32, 2))
const request = { to: 'u@x.example', params: { code: '1', b: '2' }, subject: 's', body: 'b', locale: 'de' }

describe('fingerprint', () => {
  it('is the same for the same mail, in whatever order its parameters came', () => {
    expect(digests.fingerprint({ ...request, params: { b: '2', code: '1' } })).toBe(
      digests.fingerprint(request),
    )
  })

  it.each(['to', 'channel', 'template', 'subject', 'body', 'locale'])('changes with %s', (name) => {
    expect(differs(digests.fingerprint({ ...request, [name]: 'other' }), digests.fingerprint(request))).toBe(
      true,
    )
  })

  it('changes with a parameter and with where a text stands', () => {
    const known = digests.fingerprint(request)
    expect(differs(digests.fingerprint({ ...request, params: { code: '2', b: '2' } }), known)).toBe(true)
    expect(differs(digests.fingerprint({ ...request, subject: 'b', body: 's' }), known)).toBe(true)
  })

  it('passes for equal where it was made under another key, so that a change of keys refuses no repeat', () => {
    expect(differs(others.fingerprint({ ...request, body: 'x' }), digests.fingerprint(request))).toBe(false)
  })

  it('shows none of what it stands for', () => {
    expect(digests.fingerprint(request)).toMatch(/^[0-9a-f]{8}\.[\w-]{43}$/)
    expect(digests.address('u@x.example')).toMatch(/^[\w-]{22}$/)
  })
})

describe('the name in a Message-ID', () => {
  it('is 27 characters, the same for the same call and another for any other', () => {
    const name = digests.messageName('caller', 'key', 'fp')
    expect(name).toMatch(/^[\w-]{27}$/)
    expect(digests.messageName('caller', 'key', 'fp')).toBe(name)
    const different = [
      digests.messageName('other', 'key', 'fp'),
      digests.messageName('caller', 'other', 'fp'),
      digests.messageName('caller', 'key', 'other'),
      digests.messageName('callerk', 'ey', 'fp'),
      others.messageName('caller', 'key', 'fp'),
    ]
    expect(different).not.toContain(name)
  })
})
