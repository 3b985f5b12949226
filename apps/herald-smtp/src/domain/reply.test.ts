import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import type { Cause, FailedAttempt, Phase } from '../mailer/mailer.ts'
import { judgeAttempt, type SmtpReason } from './reply.ts'

const phases: readonly Phase[] = ['queue', 'connect', 'tls', 'auth', 'mail', 'rcpt', 'data', 'body']
const dialogue: readonly Phase[] = ['mail', 'rcpt', 'data', 'body']
const afterMail: readonly Phase[] = ['rcpt', 'data', 'body']
const anywhere: readonly Phase[] = phases.slice(1)

const reply = (phase: Phase, text: string): FailedAttempt => {
  const [code, enhancedCode] = text.split(' ')
  return {
    outcome: 'not_sent',
    phase,
    cause: 'reply',
    code: Number(code),
    ...(enhancedCode && { enhancedCode }),
  }
}

const table: readonly [readonly Phase[], readonly string[], SmtpReason][] = [
  [['rcpt'], ['550', '551', '553', '550 5.5.0', '550 5.4.1'], 'invalid_destination'],
  [
    afterMail,
    ['550 5.1.1', '550 5.1.2', '553 5.1.3', '551 5.1.6', '556 5.1.10', '550 5.2.1', '554 5.1.1'],
    'invalid_destination',
  ],
  [dialogue, ['550 5.1.7', '553 5.1.8', '554 5.1.8'], 'sender_refused'],
  [['mail'], ['550', '501', '552', '553', '554 5.5.1', '550 5.1.1'], 'sender_refused'],
  [afterMail, ['552', '552 5.2.3'], 'mailbox_full'],
  [dialogue, ['552 5.2.2', '550 5.2.2', '554 5.2.2'], 'mailbox_full'],
  [dialogue, ['450 4.2.0', '451 4.2.1', '452 4.2.2', '450', '451'], 'greylisted'],
  [['rcpt'], ['450 4.7.1', '451 4.7.0', '454 4.7.1'], 'greylisted'],
  [['connect', 'auth', 'mail', 'data', 'body'], ['450 4.7.1', '451 4.7.0', '454 4.7.0'], 'throttled'],
  [anywhere, ['421', '421 4.7.0', '421 4.4.2', '421 4.2.1'], 'throttled'],
  [dialogue, ['550 5.7.1', '554 5.7.26', '552 5.7.0', '553 5.7.1'], 'policy'],
  [dialogue, ['552 5.3.4', '550 5.3.4', '554 5.3.4'], 'too_large'],
  [
    ['auth'],
    ['535', '534', '530', '535 5.7.8', '535 5.7.3', '534 5.7.9', '504 5.5.4', '501'],
    'upstream_auth',
  ],
  [dialogue, ['530', '530 5.7.0', '530 5.7.57', '550 5.7.8'], 'upstream_auth'],
  [anywhere, ['451 4.3.0', '452 4.3.1', '421 4.3.2'], 'upstream_down'],
  [dialogue, ['452', '454', '451 4.4.1', '450 4.4.4', '452 4.5.3'], 'upstream_down'],
  [['connect', 'tls'], ['554', '500', '450', '454'], 'upstream_down'],
  [['auth'], ['454', '432'], 'upstream_down'],
  [['body'], ['550', '551', '553', '554', '554 5.6.0'], 'rejected'],
  [['rcpt', 'data'], ['503 5.5.1', '554', '500'], 'rejected'],
]

const rows = table.flatMap(([where, texts, reason]) =>
  where.flatMap((phase) => texts.map((text) => [phase, text, reason] as const)),
)

const causes: readonly [Cause, Phase, SmtpReason][] = [
  ['timeout', 'queue', 'timeout_not_sent'],
  ['timeout', 'rcpt', 'timeout_not_sent'],
  ['connection', 'connect', 'upstream_down'],
  ['connection', 'data', 'upstream_down'],
  ['dns', 'connect', 'upstream_down'],
  ['tls', 'tls', 'upstream_down'],
  ['auth', 'auth', 'upstream_auth'],
  ['address', 'mail', 'invalid_destination'],
  ['size', 'mail', 'too_large'],
  ['queue_full', 'queue', 'busy'],
  ['draining', 'queue', 'draining'],
]

const permanent = ['invalid_destination', 'sender_refused', 'policy', 'too_large', 'rejected']

describe('judgeAttempt', () => {
  it.each(rows)('reads a reply at %s of %s as %s', (phase, text, reason) => {
    expect(judgeAttempt(reply(phase, text)).reason).toBe(reason)
  })

  it.each(['550', '551', '553', '554', '550 5.7.1'])(
    'takes %s of a server that does not relay for us for its policy, and asks the next one',
    (text) => {
      for (const phase of afterMail) {
        const denied = { ...reply(phase, text), relayDenied: true } as const
        expect(judgeAttempt(denied)).toMatchObject({ reason: 'policy', tryNext: true, verdict: 'up' })
      }
    },
  )

  it.each(causes)('reads the cause %s in phase %s as %s', (cause, phase, reason) => {
    expect(judgeAttempt({ outcome: 'not_sent', phase, cause }).reason).toBe(reason)
  })

  it.each(['timeout', 'connection'] as const)(
    'never repeats what may have been sent: unknown by %s',
    (cause) => {
      expect(judgeAttempt({ outcome: 'unknown', phase: 'body', cause })).toEqual({
        reason: 'timeout_unknown',
        permanent: false,
        retryAtOnce: false,
        tryNext: false,
        verdict: 'down',
      })
    },
  )

  it.each([
    ['rcpt', '450 4.2.0', 60],
    ['mail', '421', 30],
  ] as const)('says when to come back after %s %s', (phase, text, retryAfterSeconds) => {
    expect(judgeAttempt(reply(phase, text))).toMatchObject({ retryAfterSeconds })
  })

  it('repeats at once only what did not reach the recipient and may pass', () => {
    const repeated = [
      ...rows.map(([phase, text]) => reply(phase, text)),
      { outcome: 'not_sent', phase: 'tls', cause: 'tls' } as const,
    ]
      .map(judgeAttempt)
      .filter(({ retryAtOnce }) => retryAtOnce)
      .map(({ reason }) => reason)
    expect(new Set(repeated)).toEqual(new Set(['throttled', 'upstream_down']))
  })

  it('is truthful about any reply: a 5xx is never repeated, a 4xx never permanent, and both always have a row', () => {
    const kind = fc.constantFrom(4, 5)
    const anyReply = fc
      .tuple(
        kind,
        fc.integer({ min: 0, max: 99 }),
        fc.option(fc.tuple(fc.nat(12), fc.nat(30))),
        fc.constantFrom(...phases),
      )
      .map(([first, rest, detail, phase]) =>
        reply(phase, `${first * 100 + rest}${detail === null ? '' : ` ${first}.${detail.join('.')}`}`),
      )
    fc.assert(
      fc.property(anyReply, (attempt) => {
        const judgement = judgeAttempt(attempt)
        const fivefold = attempt.code !== undefined && attempt.code >= 500
        expect(judgement).toEqual(judgeAttempt(attempt))
        expect(judgement.retryAtOnce && (fivefold || judgement.permanent)).toBe(false)
        if (!fivefold) expect(judgement.permanent).toBe(false)
        expect(judgement.permanent).toBe(permanent.includes(judgement.reason))
        expect(judgement.reason).not.toMatch(/^timeout|^busy|^draining/)
      }),
      { numRuns: 2_000 },
    )
  })
})
