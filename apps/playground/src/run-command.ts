import { parseArgs, type ParseArgsConfig } from 'node:util'
import { PlaygroundError, readSettings } from './settings.ts'

type Options = NonNullable<ParseArgsConfig['options']>
type Values<O extends Options> = ReturnType<typeof parseArgs<{ options: O }>>['values']

/** Runs one of the playground's commands with its parsed options; what the person can put right is one line and exit code 1. */
export async function runCommand<const O extends Options>(
  options: O,
  command: (context: {
    values: Values<O>
    folder: string
    pastedIn: string
    print: (line: string) => void
  }) => Promise<void>,
): Promise<void> {
  try {
    await command({
      values: parseArgs({ options }).values,
      folder: readSettings(process.env).folder,
      pastedIn: process.env.INIT_CWD ?? process.cwd(),
      print: (line) => process.stdout.write(`${line}\n`),
    })
  } catch (error) {
    if (!(error instanceof PlaygroundError) && !isUsageError(error)) throw error
    process.stderr.write(`${(error as Error).message}\n`)
    process.exitCode = 1
  }
}

function isUsageError(error: unknown): boolean {
  return (
    error instanceof TypeError && String((error as NodeJS.ErrnoException).code).startsWith('ERR_PARSE_ARGS')
  )
}
