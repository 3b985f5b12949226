import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as smtpConfig from '../apps/herald-smtp/src/config.ts'
import { refusals as smtpRefusals } from '../apps/herald-smtp/src/refusals.ts'
import * as totpConfig from '../apps/herald-totp/src/config.ts'
import { refusals as totpRefusals } from '../apps/herald-totp/src/refusals.ts'
import { describeVariables } from '../packages/config/src/index.ts'

const root = join(import.meta.dirname, '..')

/** The documents that hold tables made from the code, each between `<!-- table: name -->` and `<!-- end -->`. */
export const documents = [
  'README.md',
  'docs/api/herald-totp.md',
  'docs/api/herald-smtp.md',
  'docs/operations/redis.md',
]

const totpRows = environmentRows(totpConfig.variables)
const smtpRows = environmentRows(smtpConfig.variables)
const environmentHead = ['Variable', 'Default', 'What it is']

const tables: Record<string, string> = {
  'users of Redis': `\`\`\`\n${readFileSync(join(root, 'infra/redis/users.acl'), 'utf8')}\`\`\``,
  'environment of both': table(
    environmentHead,
    totpRows.filter((row) => smtpRows.includes(row)),
  ),
  'environment of herald-totp': table(
    environmentHead,
    totpRows.filter((row) => !smtpRows.includes(row)),
  ),
  'environment of herald-smtp': table(
    environmentHead,
    smtpRows.filter((row) => !totpRows.includes(row)),
  ),
  'refusals of herald-totp': table(
    ['Status', '`reason`', '`message`'],
    Object.entries(totpRefusals)
      .map(([name, refusal]) => ({ name, ...refusal }))
      .toSorted((a, b) => a.status - b.status)
      .map(({ name, status, message, ...other }) =>
        cells(status, `\`${'reason' in other ? other.reason : name}\``, message),
      ),
  ),
  'refusals of herald-smtp': table(
    ['Status', '`error_code`', '`reason`', '`error_message`'],
    Object.entries(smtpRefusals)
      .toSorted(([, a], [, b]) => a.status - b.status)
      .map(([reason, { status, code, text }]) => cells(status, `\`${code}\``, `\`${reason}\``, text)),
  ),
}

/** A document as it stands, and as it would stand with every table of it made anew. */
export function readDocument(file: string): { path: string; found: string; expected: string } {
  const path = join(root, file)
  const found = readFileSync(path, 'utf8')
  const expected = found.replaceAll(
    /(<!-- table: (.*) -->\n)[^]*?(<!-- end -->)/g,
    (_, start: string, name: string, end: string) => {
      const made = tables[name]
      if (made === undefined) throw new Error(`${file} asks for a table that does not exist: ${name}`)
      return `${start}\n${made}\n\n${end}`
    },
  )
  return { path, found, expected }
}

function environmentRows(schema: Parameters<typeof describeVariables>[0]): string[] {
  return describeVariables(schema).map(({ name, description, default: preset, required, secret }) =>
    cells(
      `\`${name}\`${secret ? ' 🔑' : ''}`,
      required ? 'required' : preset === undefined ? '' : `\`${preset}\``,
      description,
    ),
  )
}

function table(head: string[], rows: string[]): string {
  return [cells(...head), cells(...head.map(() => '---')), ...rows].join('\n')
}

function cells(...texts: (string | number)[]): string {
  return `| ${texts.map((text) => String(text).replaceAll('|', '\\|')).join(' | ')} |`
}
