import { Redis } from 'ioredis'
import { describe, expect, it } from 'vitest'
import { freePort } from '@herald/testing'
import { redisCause } from './redis-fault.ts'

class ReplyError extends Error {
  override readonly name = 'ReplyError'
}

describe('redisCause', () => {
  it.each([
    ["ERR unknown command 'hget', with args beginning with: 'totp:{…}' 'e_…'", 'ERR'],
    ["OOM command not allowed when used memory > 'maxmemory'.", 'OOM'],
    ["READONLY You can't write against a read only replica.", 'READONLY'],
    ["NOPERM User herald has no permissions to access the 'totp:{…}' key", 'NOPERM'],
    ["'totp:{…}' is no code word", 'unknown'],
  ])('keeps of a reply no more than its code word: %s', (text, word) => {
    expect(redisCause(new ReplyError(text))).toBe(word)
  })

  it('keeps of an error of the network no more than its code', async () => {
    const client = new Redis(await freePort(), '127.0.0.1', { lazyConnect: true, retryStrategy: () => null })
    const causes: string[] = []
    client.on('error', (error) => causes.push(redisCause(error)))
    await client.connect().catch(() => {})
    expect(causes).toEqual(['ECONNREFUSED'])
  })

  it('repeats the text of no other error', () => {
    expect(redisCause(new Error('Connection is closed for e_…'))).toBe('no answer')
    expect(redisCause(new TypeError('e_… is not iterable'))).toBe('TypeError')
    expect(redisCause('e_…')).toBe('unknown')
  })
})
