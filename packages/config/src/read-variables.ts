import { z } from 'zod'
import { ConfigError, type ConfigProblem } from './config-error.ts'
import { type GateFinding, gatePolicy, judge } from './gate.ts'
import { type FileReading, type ReadFile, readConfigFile } from './read-file.ts'
import { piecesOf, sourceOf } from './variable-source.ts'

export type Env = Readonly<Record<string, string | undefined>>

/** What variables mean together; it is asked only when each of those it reads is right by itself. */
export type VariableRule<V> = {
  reads: readonly (keyof V & string)[]
  /** What cannot be meant: it refuses every start. */
  check?: (values: V) => readonly ConfigProblem[]
  /** What the gate is to judge. */
  find?: (values: V) => readonly GateFinding[] | Promise<readonly GateFinding[]>
}

type Settled = { value: unknown; problem?: undefined } | { problem: ConfigProblem }
type Lookup = { text?: string; problem?: ConfigProblem; findings: readonly GateFinding[] }

/**
 * Reads the variables of a schema; an empty one counts as unset. Throws a ConfigError with every problem at once, those
 * of the rules and what the gate refuses included. Without a problem it leaves the findings to the gate. Variables are
 * judged one by one: what spans several is a rule, not a refinement of the object.
 */
export async function readVariables<S extends z.ZodObject>(
  schema: S,
  source: { env: Env; readFile?: ReadFile },
  rules: readonly VariableRule<z.output<S>>[] = [],
): Promise<{ values: z.output<S>; findings: readonly GateFinding[] }> {
  const values: Record<string, unknown> = {}
  const findings: GateFinding[] = []
  const problems: ConfigProblem[] = []
  const wrong = new Set<string>()
  for (const [name, piece] of piecesOf(schema)) {
    const found = lookUp(name, piece, source.env, source.readFile ?? readConfigFile)
    const result: Settled = found.problem
      ? { problem: found.problem }
      : settle(name, piece, found.text, source.env[name])
    findings.push(...found.findings)
    if (result.problem) {
      problems.push(result.problem)
      wrong.add(name)
    } else {
      values[name] = result.value
    }
  }
  const settled = Object.freeze(values) as z.output<S>
  const askable = rules.filter((rule) => !rule.reads.some((name) => wrong.has(name)))
  problems.push(...askable.flatMap((rule) => rule.check?.(settled) ?? []))
  findings.push(
    ...(await Promise.all(askable.map(async (rule) => (await rule.find?.(settled)) ?? []))).flat(),
  )
  if (problems.length > 0)
    throw new ConfigError([...problems, ...judge(findings, gatePolicy(values)).refused])
  return { values: settled, findings }
}

function settle(
  name: string,
  piece: z.core.$ZodType,
  text: string | undefined,
  path: string | undefined,
): Settled {
  const result = z.safeParse(piece, text)
  if (result.success) return { value: result.data }
  const message =
    text === undefined ? 'must be set' : result.error.issues.map((issue) => wordIssue(issue, path)).join(', ')
  return { problem: { variable: name, message } }
}

/** An issue of a line belongs to a file, whose path is the variable's own text. */
function wordIssue(issue: z.core.$ZodIssue, path: string | undefined): string {
  const line: unknown = issue.code === 'custom' ? issue.params?.['line'] : undefined
  return typeof line === 'number' ? `names ${path}, whose line ${line} ${issue.message}` : issue.message
}

function lookUp(name: string, piece: z.core.$ZodType, env: Env, readFile: ReadFile): Lookup {
  const text = env[name] || undefined
  const source = sourceOf(piece)
  if (source === 'text') return { ...(text !== undefined && { text }), findings: [] }
  if (source !== 'secret')
    return text === undefined ? { findings: [] } : fromFile(name, name, readFile(text), source)

  const fileVariable = `${name}_FILE`
  const path = env[fileVariable] || undefined
  if (path === undefined)
    return text === undefined ? { findings: [] } : { text, findings: [inEnvironment(name)] }
  if (text === undefined) return fromFile(name, fileVariable, readFile(path), source)
  const message = `and ${fileVariable} are both set; keep one of them`
  return { problem: { variable: name, message }, findings: [] }
}

function fromFile(
  name: string,
  variable: string,
  reading: FileReading,
  source: 'secret' | 'file' | 'secret file',
) {
  if (!reading.ok) return { problem: { variable, message: reading.message }, findings: [] }
  const text = reading.text.replace(/\r?\n$/, '')
  if (text === '') return { problem: { variable, message: 'names an empty file' }, findings: [] }
  const open = reading.writableByOthers || (reading.readableByOthers && source !== 'file')
  return { text, findings: open ? [openToOthers(name, variable, reading)] : [] }
}

function openToOthers(name: string, variable: string, reading: { writableByOthers: boolean }): GateFinding {
  const can = reading.writableByOthers ? 'change' : 'read'
  return {
    code: 'FILE_PERMS',
    variable,
    message: `names a file that other users can ${can}`,
    remedy: `chmod 600 the file of ${name}, owned by the user of the service`,
  }
}

function inEnvironment(name: string): GateFinding {
  return {
    code: 'ENV_BACKEND',
    variable: name,
    message: 'is a secret that stands in the environment',
    remedy: `write it to a file and set ${name}_FILE`,
  }
}
