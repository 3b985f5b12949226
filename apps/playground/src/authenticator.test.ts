import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createAuthenticator, nextStep, parseOtpauthUri } from './authenticator.ts'

/** RFC 6238 appendix B's secret for SHA-1, "12345678901234567890". */
const rfcUri =
  'otpauth://totp/Herald:demo?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&digits=8&algorithm=SHA1&period=30'

describe('an authenticator', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'herald-authenticator-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  it.each([
    [59, '94287082'],
    [1_111_111_109, '07081804'],
    [20_000_000_000, '65353130'],
  ])('computes the code of RFC 6238 at second %i', (seconds, code) => {
    const authenticator = createAuthenticator({ folder, now: () => seconds * 1000 })
    expect(authenticator.add('demo', rfcUri)).toBe(code)
  })

  it('hands out no code twice, also not to another process, and keeps its file to its owner', () => {
    const now = () => 1_111_111_109_000
    const first = createAuthenticator({ folder, now }).add('demo', rfcUri)
    const second = createAuthenticator({ folder, now }).nextCode('demo')
    const third = createAuthenticator({ folder, now }).nextCode('demo')

    expect(new Set([first, second.code, third.code]).size).toBe(3)
    expect(second.waitMs).toBe(0)
    expect(third.waitMs).toBe(1000)
    expect(statSync(join(folder, 'authenticator.json')).mode & 0o777).toBe(0o600)
  })

  it('says how to get a secret when it keeps none', () => {
    const authenticator = createAuthenticator({ folder, now: () => 0 })
    expect(() => authenticator.nextCode('toString')).toThrow('npm run enrol -- --no-phone')
  })
})

describe('nextStep', () => {
  it.each([
    { case: 'nothing used lately', lastStep: 0, now: 300_000, step: 10, waitMs: 0 },
    { case: 'the present step used', lastStep: 10, now: 300_000, step: 11, waitMs: 0 },
    { case: 'the next step used as well', lastStep: 11, now: 300_000, step: 12, waitMs: 30_000 },
    { case: 'a moment before the boundary', lastStep: 11, now: 329_999, step: 12, waitMs: 1 },
  ])('is never used and at most one ahead when taken: $case', ({ lastStep, now, step, waitMs }) => {
    expect(nextStep({ lastStep, periodSeconds: 30 }, now)).toEqual({ step, waitMs })
  })
})

describe('parseOtpauthUri', () => {
  it('takes the parameters of the URI and the usual ones where it names none', () => {
    expect(parseOtpauthUri('otpauth://totp/a?secret=JBSWY3DPEHPK3PXP')).toMatchObject({
      algorithm: 'sha1',
      digits: 6,
      periodSeconds: 30,
    })
    expect(
      parseOtpauthUri('otpauth://totp/a?secret=JBSWY3DPEHPK3PXP&algorithm=SHA256&period=60'),
    ).toMatchObject({
      algorithm: 'sha256',
      periodSeconds: 60,
    })
  })

  it.each(['', 'x', 'https://totp/a?secret=A', 'otpauth://hotp/a?secret=A', 'otpauth://totp/a'])(
    'refuses %j',
    (uri) => {
      expect(() => parseOtpauthUri(uri)).toThrow('otpauth')
    },
  )
})
