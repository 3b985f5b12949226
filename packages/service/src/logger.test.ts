import { inspect } from 'node:util'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { createLogLines } from './app.fixture.ts'

describe('createLogger', () => {
  it('writes the level by name, the time in ISO form and the service', () => {
    const { logger, lines } = createLogLines()
    logger.warn({ a: 1 }, 'text')
    expect(lines).toMatchObject([{ level: 'warn', service_name: 'herald-test', a: 1, msg: 'text' }])
    expect(lines[0]?.['time']).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
  })

  it('writes the time of each line, also of two in one millisecond', () => {
    vi.useFakeTimers({ now: 1_700_000_000_000 })
    onTestFinished(() => void vi.useRealTimers())
    const { logger, lines } = createLogLines()
    logger.info('one')
    logger.info('two')
    vi.setSystemTime(1_700_000_000_001)
    logger.info('three')
    expect(lines.map(({ time }) => time)).toEqual([
      '2023-11-14T22:13:20.000Z',
      '2023-11-14T22:13:20.000Z',
      '2023-11-14T22:13:20.001Z',
    ])
  })

  it('hides fields that must never be logged', () => {
    const { logger, text } = createLogLines()
    const fields = [
      'authorization',
      'body',
      'headers',
      'html',
      'password',
      'secret',
      'signature',
      'subject',
      'text',
    ]
    logger.error(Object.fromEntries(fields.map((name) => [name, 'marker'])))
    expect(text()).not.toContain('marker')
  })

  it('logs of an error only what says where it came from', () => {
    const { logger, lines, text } = createLogLines()
    const command = { name: 'SET', args: ['marker'] }
    const cause = Object.assign(new Error('reply'), { command, code: 'ERR' })
    logger.error(
      { err: Object.assign(new TypeError('failed', { cause }), { request: inspect(command) }) },
      'fault',
    )
    expect(lines[0]?.['err']).toMatchObject({
      type: 'TypeError',
      message: 'failed',
      cause: { type: 'Error', code: 'ERR', message: 'reply' },
    })
    expect(text()).not.toContain('marker')
  })

  it('survives an error that causes itself and a thrown value that is no error', () => {
    const { logger, lines, text } = createLogLines()
    const error = new Error('round')
    error.cause = error
    logger.error({ err: error }, 'fault')
    logger.error({ err: 'marker' }, 'fault')
    expect(lines).toHaveLength(2)
    expect(text()).not.toContain('marker')
  })
})
