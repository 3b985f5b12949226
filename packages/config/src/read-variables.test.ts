import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { ConfigError } from './config-error.ts'
import type { GateFinding } from './gate.ts'
import type { FileReading, ReadFile } from './read-file.ts'
import { type Env, readVariables, type VariableRule } from './read-variables.ts'
import { serviceVariables } from './service-variables.ts'
import { variable } from './variable.ts'

const schema = z.object({
  COUNT: variable.integer({ min: 1, max: 10 }).prefault('3'),
  LABEL: variable.text({ maxLength: 20 }),
  KEY: variable.secret().optional(),
  CA_FILE: variable.certificateFile().optional(),
})

const finding = (code: GateFinding['code'], name: string): GateFinding => ({
  code,
  variable: name,
  message: 'is so',
  remedy: 'do so',
})

const file = (text: string, open: Partial<FileReading> = {}): FileReading =>
  ({ ok: true, text, writableByOthers: false, readableByOthers: false, ...open }) as FileReading
const holding =
  (files: Record<string, FileReading>): ReadFile =>
  (path) =>
    files[path] ?? { ok: false, message: 'names a file that does not exist' }

async function refusal(
  env: Env,
  readFile?: ReadFile,
  rules: VariableRule<z.output<typeof schema>>[] = [],
): Promise<ConfigError> {
  try {
    await readVariables(schema, { env, ...(readFile && { readFile }) }, rules)
  } catch (error) {
    if (error instanceof ConfigError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

describe('readVariables', () => {
  it('fills defaults, and takes an empty variable for an unset one', async () => {
    const { values } = await readVariables(schema, {
      env: { LABEL: 'x', COUNT: '', KEY: '', KEY_FILE: '' },
    })
    expect(values).toEqual({ COUNT: 3, LABEL: 'x' })
  })

  it('freezes what it answers', async () => {
    expect(Object.isFrozen((await readVariables(schema, { env: { LABEL: 'x' } })).values)).toBe(true)
  })

  it('names every problem at once, those of the rules included', async () => {
    const rule: VariableRule<{ LABEL: string }> = {
      reads: ['KEY' as never],
      check: () => [{ variable: 'KEY', message: 'is not wanted' }],
    }
    const { problems } = await refusal({ COUNT: '11', CA_FILE: '/none', KEY: 'x' }, holding({}), [rule])
    expect(problems).toEqual([
      { variable: 'COUNT', message: 'must be a whole number from 1 to 10' },
      { variable: 'LABEL', message: 'must be set' },
      { variable: 'CA_FILE', message: 'names a file that does not exist' },
      { variable: 'KEY', message: 'is not wanted' },
    ])
  })

  it('names beside a malformed value what the gate refuses of everything that could be read', async () => {
    const rules: VariableRule<{ LABEL?: unknown; COUNT?: unknown }>[] = [
      { reads: ['LABEL'], find: () => [finding('NO_AUTH', 'LABEL'), finding('CLOCK_SKEW', 'LABEL')] },
      { reads: ['COUNT'], find: () => Promise.resolve([finding('WEAK_KEY', 'COUNT')]) },
    ]
    const open = file('x', { writableByOthers: true })
    const { problems } = await refusal(
      { LABEL: 'x', COUNT: '11', KEY_FILE: '/key' },
      holding({ '/key': open }),
      rules,
    )
    expect(problems).toMatchObject([
      { variable: 'COUNT', message: 'must be a whole number from 1 to 10' },
      { variable: 'KEY_FILE', code: 'FILE_PERMS', remedy: expect.any(String) },
      { variable: 'LABEL', code: 'NO_AUTH' },
    ])
  })

  it.each([
    [{ ENVIRONMENT: 'development' }, ['COUNT']],
    [{ GATE_ACCEPT: 'NO_AUTH' }, ['COUNT']],
    [{ GATE_ACCEPT: 'WEAK_KEY' }, ['COUNT', 'LABEL']],
    [{ ENVIRONMENT: 'Development' }, ['COUNT', 'ENVIRONMENT', 'LABEL']],
    [{ GATE_ACCEPT: 'NO_AUTH,NONE' }, ['COUNT', 'GATE_ACCEPT', 'LABEL']],
  ])('opens the gate no wider than %j says', async (policy, expected) => {
    const gated = z.object({ ...schema.shape, ...serviceVariables({ name: 'herald-test', port: 0 }) })
    const rule: VariableRule<{ LABEL?: unknown }> = {
      reads: ['LABEL'],
      find: () => [finding('NO_AUTH', 'LABEL')],
    }
    const env = { LABEL: 'x', COUNT: '11', ...policy }
    const error: unknown = await readVariables(gated, { env }, [rule]).catch((thrown: unknown) => thrown)
    expect((error as ConfigError).problems.map((problem) => problem.variable)).toEqual(expected)
  })

  it('names the file and the line of what is wrong in a file with a form of its own', async () => {
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
    const { values } = await readVariables(listed, { env: { LIST_FILE: '/etc/good' }, readFile })
    expect(values.LIST_FILE).toBe('a\nb')
    await expect(readVariables(listed, { env: { LIST_FILE: '/etc/list' }, readFile })).rejects.toThrow(
      'LIST_FILE names /etc/list, whose line 2 is bad',
    )
  })

  it('judges no rule by a variable that is wrong already', async () => {
    const rule: VariableRule<{ KEY?: unknown }> = {
      reads: ['KEY'],
      check: () => [{ variable: 'KEY', message: 'was judged' }],
    }
    const { problems } = await refusal({ LABEL: 'x', KEY_FILE: '/none' }, holding({}), [rule])
    expect(problems.map(({ message }) => message)).toEqual(['names a file that does not exist'])
  })

  it('shows no value in a problem, an error or an inspection', async () => {
    await fc.assert(
      fc.asyncProperty(fc.stringMatching(/^[a-z0-9]{12,40}$/), async (tail) => {
        const marker = `marker${tail}`
        const env = { COUNT: marker, LABEL: `${marker}\0`, KEY: marker, KEY_FILE: marker, CA_FILE: marker }
        const error = await refusal(env, holding({ [marker]: file(marker) }))
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
  ])('from the file %j is %j: one final newline goes', async (text, expected) => {
    const { values } = await readVariables(schema, { env, readFile: holding({ '/key': file(text) }) })
    expect(values.KEY?.reveal()).toBe(expected)
  })

  it('from two sources is refused, since either could be meant', async () => {
    const { problems } = await refusal({ ...env, KEY: 'x' }, holding({ '/key': file('x') }))
    expect(problems).toEqual([{ variable: 'KEY', message: 'and KEY_FILE are both set; keep one of them' }])
  })

  it('from an empty file is refused rather than taken for unset', async () => {
    const { problems } = await refusal(env, holding({ '/key': file('\n') }))
    expect(problems).toEqual([{ variable: 'KEY_FILE', message: 'names an empty file' }])
  })

  it('in the environment is a finding, in a private file it is none', async () => {
    const open = await readVariables(schema, { env: { LABEL: 'x', KEY: 'x' } })
    expect(open.findings).toMatchObject([
      { code: 'ENV_BACKEND', variable: 'KEY', remedy: 'write it to a file and set KEY_FILE' },
    ])
    const closed = await readVariables(schema, { env, readFile: holding({ '/key': file('x') }) })
    expect(closed.findings).toEqual([])
  })

  it.each([{ readableByOthers: true }, { writableByOthers: true }])(
    'in a file with %j is a finding',
    async (open) => {
      const { findings } = await readVariables(schema, {
        env,
        readFile: holding({ '/key': file('x', open) }),
      })
      expect(findings).toMatchObject([{ code: 'FILE_PERMS', variable: 'KEY_FILE' }])
    },
  )
})
