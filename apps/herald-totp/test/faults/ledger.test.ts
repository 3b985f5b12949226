import { describe, expect, it } from 'vitest'
import { brokenPromises, type Event } from './ledger.ts'

const event = (call: Event['call'], answer: Event['answer'], more: Partial<Event> = {}): Event => ({
  subject: 'alice',
  enrollment: 'e1',
  call,
  answer,
  ...more,
})
const confirmed = event('confirm', 'yes', { code: '111111' })
const revoked = event('revoke', 'yes')
const enabled = event('status', 'yes', { isEnabled: true })
const disabled = event('status', 'yes', { isEnabled: false })
const code = { code: '222222' }

describe('the ledger of a fault run', () => {
  it.each<[string, Event[]]>([
    ['a code twice', [confirmed, event('verify', 'yes', code), event('verify', 'yes', code)]],
    ['the code of the confirm', [confirmed, event('verify', 'yes', { code: '111111' })]],
    ['a lost confirm', [confirmed, disabled]],
    ['a confirm lost after a faulty verify', [confirmed, event('verify', 'unknown', code), disabled]],
    [
      'a confirm that left no backup codes',
      [confirmed, event('verify', 'no', { ...code, isBackup: true, reason: 'invalid' })],
    ],
    ['a lost revoke', [confirmed, revoked, enabled]],
    ['a code of what was revoked', [confirmed, revoked, event('verify', 'yes', code)]],
    [
      'a code of what was revoked before another enrolment',
      [confirmed, revoked, event('confirm', 'yes', { enrollment: 'e2' }), event('verify', 'yes', code)],
    ],
  ])('finds %s', (_, events) => {
    expect(brokenPromises(events)).toHaveLength(1)
    expect(brokenPromises(events.slice(0, -1))).toEqual([])
  })

  it.each<[string, Event[]]>([
    [
      'a code once',
      [
        confirmed,
        event('verify', 'unknown', code),
        event('verify', 'yes', code),
        event('verify', 'no', code),
      ],
    ],
    ['a confirm without an answer, landed', [event('confirm', 'unknown'), enabled]],
    ['a confirm without an answer, lost', [event('confirm', 'unknown'), disabled]],
    ['a revoke without an answer, landed', [confirmed, event('revoke', 'unknown'), disabled]],
    [
      'a revoke without an answer, lost',
      [confirmed, event('revoke', 'unknown'), enabled, event('verify', 'yes', code)],
    ],
    [
      'the same code of another enrolment',
      [confirmed, revoked, event('confirm', 'yes', { enrollment: 'e2', code: '111111' })],
    ],
  ])('allows %s', (_, events) => {
    expect(brokenPromises(events)).toEqual([])
  })
})
