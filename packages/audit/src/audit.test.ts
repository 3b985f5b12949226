import { expect, it } from 'vitest'
import { createTrail, key } from './audit.fixture.ts'
import { openAudit } from './audit.ts'

it('shows a subject as a keyed hash alone, the same one each time', async () => {
  const trail = createTrail()
  const audit = await trail.open()
  audit.record({ event: 'enrolled', subject: 'alice@example.com' })
  audit.record({ event: 'revoked', subject: 'alice@example.com' })
  await audit.close()
  expect(trail.written.join('')).not.toContain('alice')
  const [, enrolled, revoked] = trail.lines().map((line) => JSON.parse(line) as Record<string, unknown>)
  expect(enrolled?.['subject']).toMatch(/^[\w-]{22}$/)
  expect(revoked?.['subject']).toBe(enrolled?.['subject'])
})

it('counts each event by its name', async () => {
  const trail = createTrail()
  const audit = await trail.open()
  audit.record({ event: 'locked', subject: 'alice' })
  await audit.close()
  expect(trail.events).toEqual(['started', 'locked', 'stopped'])
})

it('does not begin while the store does not know of the chain', async () => {
  const heads = { write: () => Promise.reject(new Error('down')) }
  const opening = openAudit('herald-totp', {
    key,
    sink: { write: () => {}, flush: async () => {} },
    heads,
    now: () => 0,
    randomBytes: (size) => Buffer.alloc(size),
    onEvent: () => {},
    onFault: () => {},
  })
  await expect(opening).rejects.toThrow('down')
})
