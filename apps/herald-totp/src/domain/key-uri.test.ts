import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { keyUri } from './key-uri.ts'

const parameters = { algorithm: 'SHA1', digits: 6, periodSeconds: 30 } as const
const secret = Buffer.from('12345678901234567890', 'ascii')
const uriOf = (issuer: string, account: string) => keyUri({ issuer, account, parameters, secret })

describe('keyUri', () => {
  it('names the parameters in the order callers know', () => {
    expect(uriOf('Herald', 'alice')).toBe(
      'otpauth://totp/Herald:alice?algorithm=SHA1&digits=6&issuer=Herald&period=30&secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ',
    )
  })

  it('percent-encodes issuer and account, blanks as %20', () => {
    expect(uriOf('Acme & Söhne', 'alice@example.com')).toContain(
      'otpauth://totp/Acme%20%26%20S%C3%B6hne:alice%40example.com?',
    )
    expect(uriOf('Acme & Söhne', 'alice')).toContain('&issuer=Acme%20%26%20S%C3%B6hne&')
  })

  it('has one colon in its path and none in the account name, whatever the label', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (account) => {
        const path = uriOf('Herald', account).slice('otpauth://totp/'.length).split('?')[0]!
        expect(path.split(':')).toHaveLength(2)
        expect(decodeURIComponent(path).slice('Herald:'.length)).toBe(account.replaceAll(':', '-'))
      }),
    )
  })
})
