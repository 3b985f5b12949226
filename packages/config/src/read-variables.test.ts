import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { ConfigError } from './config-error.ts'
import type { FileReading, ReadFile } from './read-file.ts'
import { type Env, readVariables, type VariableRule } from './read-variables.ts'
import { variable } from './variable.ts'

const schema = z.object({
  COUNT: variable.integer({ min: 1, max: 10 }).prefault('3'),
  LABEL: variable.text({ maxLength: 20 }),
  KEY: variable.secret().optional(),
  CA_FILE: variable.certificateFile().optional(),
})

const file = (text: string, open: Partial<FileReading> = {}): FileReading =>
  ({ ok: true, text, writableByOthers: false, readableByOthers: false, ...open }) as FileReading
const holding =
  (files: Record<string, FileReading>): ReadFile =>
  (path) =>
    files[path] ?? { ok: false, message: 'names a file that does not exist' }

function refusal(
  env: Env,
  readFile?: ReadFile,
  rules: VariableRule<z.output<typeof schema>>[] = [],
): ConfigError {
  try {
    readVariables(schema, { env, ...(readFile && { readFile }) }, rules)
  } catch (error) {
    if (error instanceof ConfigError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

describe('readVariables', () => {
  it('fills defaults, and takes an empty variable for an unset one', () => {
    expect(readVariables(schema, { env: { LABEL: 'x', COUNT: '', KEY: '', KEY_FILE: '' } }).values).toEqual({
      COUNT: 3,
      LABEL: 'x',
    })
  })

  it('freezes what it answers', () => {
    expect(Object.isFrozen(readVariables(schema, { env: { LABEL: 'x' } }).values)).toBe(true)
  })

  it('names every problem at once, those of the rules included', () => {
    const rule: VariableRule<{ LABEL: string }> = {
      reads: ['KEY' as never],
      check: () => [{ variable: 'KEY', message: 'is not wanted' }],
    }
    const { problems } = refusal({ COUNT: '11', CA_FILE: '/none', KEY: 'x' }, holding({}), [rule])
    expect(problems).toEqual([
      { variable: 'COUNT', message: 'must be a whole number from 1 to 10' },
      { variable: 'LABEL', message: 'must be set' },
      { variable: 'CA_FILE', message: 'names a file that does not exist' },
      { variable: 'KEY', message: 'is not wanted' },
    ])
  })

  it('names the file and the line of what is wrong in a file with a form of its own', () => {
    const listed = z.object({
      LIST_FILE: variable.parsedFile(
        (text) => {
          const line = text.split('\n').indexOf('bad') + 1
          if (line > 0) throw Object.assign(new Error('is bad'), { line })
          return text
        },
        (error) => error as Error & { line: number },
      ),
    })
    const readFile = holding({ '/etc/good': file('a\nb\n'), '/etc/list': file('a\nbad\n') })
    expect(readVariables(listed, { env: { LIST_FILE: '/etc/good' }, readFile }).values.LIST_FILE).toBe('a\nb')
    expect(() => readVariables(listed, { env: { LIST_FILE: '/etc/list' }, readFile })).toThrow(
      'LIST_FILE names /etc/list, whose line 2 is bad',
    )
  })

  it('judges no rule by a variable that is wrong already', () => {
    const rule: VariableRule<{ KEY?: unknown }> = {
      reads: ['KEY'],
      check: () => [{ variable: 'KEY', message: 'was judged' }],
    }
    const { problems } = refusal({ LABEL: 'x', KEY_FILE: '/none' }, holding({}), [rule])
    expect(problems.map(({ message }) => message)).toEqual(['names a file that does not exist'])
  })

  it('shows no value in a problem, an error or an inspection', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z0-9]{12,40}$/), (tail) => {
        const marker = `marker${tail}`
        const env = { COUNT: marker, LABEL: `${marker}\0`, KEY: marker, KEY_FILE: marker, CA_FILE: marker }
        const error = refusal(env, holding({ [marker]: file(marker) }))
        expect(error.problems).toHaveLength(4)
        expect(inspect(error, { depth: 9 }) + JSON.stringify(error)).not.toContain(marker)
      }),
      { numRuns: 50 },
    )
  })
})

describe('a secret', () => {
  const env = { LABEL: 'x', KEY_FILE: '/key' }

  it.each([
    ['abc\n', 'abc'],
    ['abc\r\n', 'abc'],
    ['abc\n\n', 'abc\n'],
    [' abc ', ' abc '],
  ])('from the file %j is %j: one final newline goes', (text, expected) => {
    const { values } = readVariables(schema, { env, readFile: holding({ '/key': file(text) }) })
    expect(values.KEY?.reveal()).toBe(expected)
  })

  it('from two sources is refused, since either could be meant', () => {
    const { problems } = refusal({ ...env, KEY: 'x' }, holding({ '/key': file('x') }))
    expect(problems).toEqual([{ variable: 'KEY', message: 'and KEY_FILE are both set; keep one of them' }])
  })

  it('from an empty file is refused rather than taken for unset', () => {
    const { problems } = refusal(env, holding({ '/key': file('\n') }))
    expect(problems).toEqual([{ variable: 'KEY_FILE', message: 'names an empty file' }])
  })

  it('in the environment is a finding, in a private file it is none', () => {
    expect(readVariables(schema, { env: { LABEL: 'x', KEY: 'x' } }).findings).toMatchObject([
      { code: 'ENV_BACKEND', variable: 'KEY', remedy: 'write it to a file and set KEY_FILE' },
    ])
    expect(readVariables(schema, { env, readFile: holding({ '/key': file('x') }) }).findings).toEqual([])
  })

  it.each([{ readableByOthers: true }, { writableByOthers: true }])(
    'in a file with %j is a finding',
    (open) => {
      const { findings } = readVariables(schema, { env, readFile: holding({ '/key': file('x', open) }) })
      expect(findings).toMatchObject([{ code: 'FILE_PERMS', variable: 'KEY_FILE' }])
    },
  )
})
