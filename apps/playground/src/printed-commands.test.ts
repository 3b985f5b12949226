import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { createPrintedCommands } from './printed-commands.ts'

/** What a shell makes of the command: its words. */
function wordsOf(command: string): string[] {
  return execFileSync('bash', ['-c', `printf '%s\\0' ${command}`], { encoding: 'utf8' })
    .split('\0')
    .slice(0, -1)
}

describe('printed commands', () => {
  it.each(['demo', "o'hara", 'a "quoted" $(id) `id` name', 'naïve\\'])(
    'reach the shell as one request for the subject %s',
    (subject) => {
      const commands = createPrintedCommands({ headerFile: '/srv/a b/.herald/headers', pastedIn: '/srv/a b' })

      const verify = wordsOf(commands.verify('http://127.0.0.1:1', subject, '$(echo 123456)'))
      const revoke = wordsOf(commands.revoke('http://127.0.0.1:1', subject))

      expect(verify).toContain('@.herald/headers')
      expect(JSON.parse(verify.at(-2)!)).toEqual({ subject, code: '123456' })
      expect(verify.at(-1)).toBe('http://127.0.0.1:1/v1/verify')
      expect(JSON.parse(revoke.at(-2)!)).toEqual({ subject })
    },
  )

  it('name the header file in full for a shell that stands elsewhere', () => {
    const commands = createPrintedCommands({ headerFile: '/srv/a b/.herald/headers', pastedIn: '/home' })
    expect(wordsOf(commands.send('http://127.0.0.1:1'))).toContain('@/srv/a b/.herald/headers')
  })
})
