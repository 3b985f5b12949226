import { ConfigError } from '@herald/config'
import { generateKeyPairSync } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, it, onTestFinished } from 'vitest'
import { readSettings } from './config.ts'

const needed = {
  ENVIRONMENT: 'test',
  SMTP_HOST: '127.0.0.1',
  SMTP_FROM: 'noreply@mail.herald.example',
}
const read = (env: Record<string, string>) => readSettings({ ...needed, ...env })

async function problemsOf(env: Record<string, string>): Promise<string[]> {
  try {
    await read(env)
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems.map(({ variable, message }) => `${variable} ${message}`)
  }
}

function writeLayout(text: string, mode = 0o644): string {
  const folder = mkdtempSync(join(tmpdir(), 'herald-layout-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'layout.html')
  writeFileSync(path, text)
  chmodSync(path, mode)
  return path
}

const pemOf = (modulusLength: number) =>
  generateKeyPairSync('rsa', {
    modulusLength,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  }).privateKey
const pem = pemOf(2048)

describe('the brand of a mail', () => {
  it('is the display name or the domain of the sender unless it is given', async () => {
    const brandOf = async (env: Record<string, string>) => (await read(env)).settings.brand
    expect(await brandOf({})).toEqual({ name: 'mail.herald.example', logo: 'M', color: '#2563eb' })
    expect(await brandOf({ SMTP_FROM_NAME: 'ünder' })).toMatchObject({ name: 'ünder', logo: 'Ü' })
    expect(
      await brandOf({ MAIL_BRAND_NAME: '👩‍🚀 Space', MAIL_BRAND_COLOR: '#AA0000', SMTP_FROM_NAME: 'x' }),
    ).toEqual({ name: '👩‍🚀 Space', logo: '👩‍🚀', color: '#AA0000' })
    expect(await brandOf({ MAIL_LOGO_TEXT: 'ACME' })).toMatchObject({ logo: 'ACME' })
  })

  it.each(['red', '#fff', '2563eb', '#2563eb;x', 'url(x)'])('takes %j for no colour', async (color) => {
    expect(await problemsOf({ MAIL_BRAND_COLOR: color })).toEqual([
      'MAIL_BRAND_COLOR must be a colour such as #2563eb',
    ])
  })
})

describe('a layout of the operator', () => {
  it('takes the place of the built-in one', async () => {
    const { settings, findings } = await read({
      MAIL_LAYOUT_FILE: writeLayout('<b>{{brand}}</b>{{content}}\n'),
    })
    expect(settings.layout({ brand: 'A & B', content: '<p>' })).toBe('<b>A &amp; B</b><p>')
    expect(findings.map(({ code }) => code)).not.toContain('FILE_PERMS')
  })

  it('that is broken is refused by the names of its file and line', async () => {
    const path = writeLayout('<p>\n{{content}}\n<i>{{code}}</i>\n')
    expect(await problemsOf({ MAIL_LAYOUT_FILE: path })).toEqual([
      `MAIL_LAYOUT_FILE names ${path}, whose line 3 asks for {{code}}, which does not exist`,
    ])
    expect(await problemsOf({ MAIL_LAYOUT_FILE: `${path}.none` })).toEqual([
      'MAIL_LAYOUT_FILE names a file that does not exist',
    ])
  })

  it('that other users can change is a finding', async () => {
    const { findings } = await read({ MAIL_LAYOUT_FILE: writeLayout('{{content}}', 0o666) })
    expect(findings).toMatchObject(
      [{ code: 'NO_AUTH' }, { code: 'FILE_PERMS', variable: 'MAIL_LAYOUT_FILE' }].toReversed(),
    )
  })
})

describe('the identity that signs mails', () => {
  it('is the domain of the sender, or one above it', async () => {
    const domainOf = async (env: Record<string, string>) =>
      (await read({ DKIM_KEY: pem, DKIM_SELECTOR: 'k1', ...env })).settings.dkim?.domain
    expect(await domainOf({})).toBe('mail.herald.example')
    expect(await domainOf({ DKIM_DOMAIN: 'Herald.example' })).toBe('herald.example')
    expect((await read({})).settings.dkim).toBeUndefined()
  })

  it.each([
    [{ DKIM_KEY: pem }, 'DKIM_SELECTOR'],
    [{ DKIM_SELECTOR: 'k1' }, 'DKIM_KEY'],
    [{ DKIM_DOMAIN: 'herald.example' }, 'DKIM_KEY'],
    [{ DKIM_KEY: pem, DKIM_SELECTOR: 'k1; d=x' }, 'DKIM_SELECTOR'],
    [{ DKIM_KEY: pem, DKIM_SELECTOR: 'k1', DKIM_DOMAIN: 'other.example' }, 'DKIM_DOMAIN'],
    [{ DKIM_KEY: pem, DKIM_SELECTOR: 'k1', DKIM_DOMAIN: 'rald.example' }, 'DKIM_DOMAIN'],
    [{ DKIM_KEY: pem, DKIM_SELECTOR: 'k1', DKIM_DOMAIN: 'example' }, 'DKIM_DOMAIN'],
    [{ DKIM_KEY: pemOf(1024), DKIM_SELECTOR: 'k1' }, 'DKIM_KEY'],
    [{ DKIM_KEY: 'not a key', DKIM_SELECTOR: 'k1' }, 'DKIM_KEY'],
  ])('is refused where no receiver could use it: %#', async (env, variable) => {
    const problems = await problemsOf(env)
    expect(problems).toHaveLength(1)
    expect(problems[0]).toMatch(new RegExp(`^${variable} must`))
  })

  it('signs for no upstream that sends from a domain beyond its own', async () => {
    const problems = (from: string) =>
      problemsOf({
        SMTP_HOST: '',
        SMTP_UPSTREAMS: JSON.stringify([{ name: 'reserve', host: '127.0.0.1', from }]),
        DKIM_KEY: pem,
        DKIM_SELECTOR: 'k1',
        DKIM_DOMAIN: 'herald.example',
      })
    expect(await problems('codes@other.herald.example')).toEqual([])
    expect(await problems('codes@herald.example.net')).toEqual([
      'SMTP_UPSTREAMS has reserve send from a domain that DKIM_DOMAIN does not speak for',
    ])
  })

  it('gives its key away neither in settings that are shown nor in a refusal', async () => {
    const [line = ''] = pem.split('\n').slice(1)
    const { settings } = await read({ DKIM_KEY: pem, DKIM_SELECTOR: 'k1' })
    expect(inspect(settings.dkim) + JSON.stringify(settings.dkim)).not.toContain(line)
    expect((await problemsOf({ DKIM_KEY: `x${pem}`.replace('BEGIN', 'x') })).join()).not.toContain(line)
  })
})
