import { describe, expect, it } from 'vitest'
import { gateAccept, type GateCode, gateCodes, type GateFinding, judge } from './gate.ts'
import type { Reach } from './reach.ts'

const finding = (code: GateCode, reach?: Reach): GateFinding => ({
  code,
  variable: 'NAME',
  message: 'is not as it should be',
  remedy: 'change it',
  ...(reach && { reach }),
})
const production = { environment: 'production', accepted: new Set<GateCode>() } as const
const refusedCodes = (findings: GateFinding[], policy: Parameters<typeof judge>[1]) =>
  judge(findings, policy).refused.map(({ code }) => code)

const refusing: GateCode[] = [
  'WEAK_KEY',
  'EXAMPLE_VALUE',
  'FILE_PERMS',
  'TLS_VERIFY_OFF',
  'NO_AUTH',
  'REDIS_NOAUTH',
  'REDIS_PLAINTEXT',
  'SMTP_PLAINTEXT',
]

describe('judge', () => {
  it('refuses in production what may not go into production, and warns about the rest', () => {
    const { refused, warned } = judge(
      gateCodes.map((code) => finding(code)),
      production,
    )
    expect(refused.map(({ code }) => code)).toEqual(refusing)
    expect(warned.map(({ code }) => code)).toEqual(gateCodes.filter((code) => !refusing.includes(code)))
  })

  it.each(['development', 'test'] as const)('refuses nothing in %s', (environment) => {
    const all = gateCodes.map((code) => finding(code))
    expect(judge(all, { ...production, environment })).toEqual({ refused: [], warned: all })
  })

  it('lets an accepted code through with a warning, and no other', () => {
    const accepted = new Set<GateCode>(['REDIS_NOAUTH'])
    const { refused, warned } = judge([finding('REDIS_NOAUTH', 'private'), finding('NO_AUTH')], {
      ...production,
      accepted,
    })
    expect(refused.map(({ code }) => code)).toEqual(['NO_AUTH'])
    expect(warned.map(({ code }) => code)).toEqual(['REDIS_NOAUTH'])
  })

  it.each([
    ['REDIS_NOAUTH', { loopback: false, private: true, public: true }],
    ['REDIS_PLAINTEXT', { loopback: false, private: false, public: true }],
    ['SMTP_PLAINTEXT', { loopback: false, private: false, public: true }],
    ['WEAK_KEY', { loopback: true, private: true, public: true }],
  ] as const)('judges %s by where the peer lies', (code, refusals) => {
    for (const reach of ['loopback', 'private', 'public'] as const) {
      expect(refusedCodes([finding(code, reach)], production)).toEqual(refusals[reach] ? [code] : [])
    }
  })
})

describe('GATE_ACCEPT', () => {
  it('takes codes separated by commas', () => {
    expect(gateAccept().parse('REDIS_NOAUTH, NO_AUTH')).toEqual(new Set(['REDIS_NOAUTH', 'NO_AUTH']))
  })

  it.each(['REDIS_NO_AUTH', 'NO_AUTH,', 'no_auth', '*', 'toString'])(
    'refuses %j without repeating it',
    (text) => {
      const result = gateAccept().safeParse(text)
      expect(result.error?.issues).toHaveLength(1)
      expect(result.error?.issues[0]?.message).toMatch(/names a code that does not exist; there are WEAK_KEY/)
      if (text !== 'NO_AUTH,') expect(result.error?.issues[0]?.message).not.toContain(text)
    },
  )
})
