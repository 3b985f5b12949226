import { createTestCertificates } from '@herald/testing'
import { beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { ConfigError } from './config-error.ts'
import { describeVariables } from './describe-variables.ts'
import type { ReadFile } from './read-file.ts'
import { readVariables } from './read-variables.ts'
import { serviceVariables } from './service-variables.ts'
import { tlsRule, tlsSettings, tlsVariables } from './tls-settings.ts'
import { variable } from './variable.ts'

const read = (piece: z.ZodType, text: string) => {
  const result = piece.safeParse(text)
  return result.success ? result.data : 'refused'
}

describe('variable.bool', () => {
  it('takes the forms of strconv.ParseBool and no others', () => {
    const readBool = (text: string) => read(variable.bool(), text)
    expect(['1', 't', 'T', 'TRUE', 'true', 'True'].map(readBool)).toEqual(
      Array.from({ length: 6 }, () => true),
    )
    expect(['0', 'f', 'F', 'FALSE', 'false', 'False'].map(readBool)).toEqual(
      Array.from({ length: 6 }, () => false),
    )
    expect(['yes', 'on', 'tRUE', ' true', '2', ''].map(readBool)).toEqual(
      Array.from({ length: 6 }, () => 'refused'),
    )
  })
})

describe('variable.yesOrNo', () => {
  it('takes what the original herald-totp takes for yes, the contrary, and no guesses', () => {
    const readAnswer = (text: string) => read(variable.yesOrNo(), text)
    expect(['yes', 'YES', '1', 'true', 'tRUE', ' true ', 'T'].map(readAnswer)).toEqual(
      Array.from({ length: 7 }, () => true),
    )
    expect(['no', 'No', '0', 'false', ' FALSE', 'f'].map(readAnswer)).toEqual(
      Array.from({ length: 6 }, () => false),
    )
    expect(['on', 'off', 'y', '2', ''].map(readAnswer)).toEqual(Array.from({ length: 5 }, () => 'refused'))
  })
})

describe('the log level', () => {
  const readLevel = (text: string) => read(serviceVariables({ name: 'herald', port: 1 }).LOG_LEVEL, text)

  it('takes every word that the Go services take, in any case', () => {
    const words = ['INFO', ' Warn ', 'warning', 'err', 'ERROR', 'panic', 'fatal', 'disabled', 'Off', 'trace']
    const levels = 'info warn warn error error fatal fatal silent silent trace'
    expect(words.map(readLevel).join(' ')).toBe(levels)
  })

  it('refuses words that name no level', () => {
    expect(['loud', 'constructor', '3'].map(readLevel)).toEqual(['refused', 'refused', 'refused'])
  })
})

describe('variable.integer', () => {
  it.each([
    ['5', 5],
    ['+5', 5],
    ['-1', -1],
    ['007', 7],
    ['11', 'refused'],
    ['-2', 'refused'],
    ['1.0', 'refused'],
    ['1e1', 'refused'],
    ['0x5', 'refused'],
    ['', 'refused'],
    ['9'.repeat(30), 'refused'],
  ])('reads %j within -1 to 10 as %s', (text, expected) => {
    expect(read(variable.integer({ min: -1, max: 10 }), text)).toBe(expected)
  })
})

describe('variable.port', () => {
  it.each([
    [':8084', 8084],
    ['8084', 8084],
    ['0', 0],
    ['65535', 65_535],
    ['65536', 'refused'],
    ['127.0.0.1:8084', 'refused'],
    ['::8084', 'refused'],
    ['-1', 'refused'],
  ])('reads %j as %s', (text, expected) => {
    expect(read(variable.port(), text)).toBe(expected)
  })
})

describe('variable.text', () => {
  it.each(['a\nb', 'a\0', 'a\u0085b', 'abcdef'])('refuses %j', (text) => {
    expect(read(variable.text({ maxLength: 5 }), text)).toBe('refused')
  })
})

describe('variable.duration', () => {
  it('holds both bounds', () => {
    const piece = variable.duration({ minSeconds: 1, maxSeconds: 60 })
    expect(['1s', '1m', '999ms', '61s', '-1s', '60'].map((text) => read(piece, text))).toEqual([
      1,
      60,
      'refused',
      'refused',
      'refused',
      'refused',
    ])
  })
})

describe('variable.parsedSecret', () => {
  it('words what was thrown without repeating the text', () => {
    const piece = variable.parsedSecret(JSON.parse, () => 'must be JSON')
    expect(piece.safeParse('{marker').error?.issues).toMatchObject([{ message: 'must be JSON' }])
    expect(JSON.stringify(piece.safeParse('{marker'))).not.toContain('marker')
  })
})

describe('the TLS files of a listener', () => {
  const files: Record<string, string> = {}
  const readFile: ReadFile = (path) => {
    const text = files[path]
    if (text === undefined) return { ok: false, message: 'names a file that does not exist' }
    return { ok: true, text, writableByOthers: false, readableByOthers: path.includes('open') }
  }
  const schema = z.object(tlsVariables)
  const settle = async (env: Record<string, string>) => {
    const { values, findings } = await readVariables(schema, { env, readFile }, [tlsRule])
    return { settings: tlsSettings(values), findings }
  }
  beforeAll(async () => {
    const { ca, valid, wrongName } = await createTestCertificates()
    Object.assign(files, {
      ca,
      cert: valid.cert,
      'open-cert': valid.cert,
      key: valid.key,
      'open-key': valid.key,
      'other-key': wrongName.key,
    })
  })

  it('are read into PEM texts, the key as a secret', async () => {
    const { settings } = await settle({
      TLS_CERT_FILE: 'cert',
      TLS_KEY_FILE: 'key',
      TLS_CLIENT_CA_FILE: 'ca',
    })
    expect(settings?.cert).toContain('BEGIN CERTIFICATE')
    expect(settings?.clientCa).toContain('BEGIN CERTIFICATE')
    expect(settings?.key.reveal()).toContain('PRIVATE KEY')
    expect(JSON.stringify(settings)).not.toContain('PRIVATE KEY')
  })

  it('may be absent altogether', async () => {
    expect((await settle({})).settings).toBeUndefined()
  })

  it('may be open to others if they are not private', async () => {
    const { findings } = await settle({ TLS_CERT_FILE: 'open-cert', TLS_KEY_FILE: 'open-key' })
    expect(findings).toMatchObject([{ code: 'FILE_PERMS', variable: 'TLS_KEY_FILE' }])
  })

  it.each([
    [{ TLS_CERT_FILE: 'cert' }, 'TLS_KEY_FILE'],
    [{ TLS_KEY_FILE: 'key' }, 'TLS_CERT_FILE'],
    [{ TLS_CLIENT_CA_FILE: 'ca' }, 'TLS_CLIENT_CA_FILE'],
    [{ TLS_CERT_FILE: 'key', TLS_KEY_FILE: 'key' }, 'TLS_CERT_FILE'],
    [{ TLS_CERT_FILE: 'cert', TLS_KEY_FILE: 'cert' }, 'TLS_KEY_FILE'],
    [{ TLS_CERT_FILE: 'none', TLS_KEY_FILE: 'key' }, 'TLS_CERT_FILE'],
    [{ TLS_CERT_FILE: 'cert', TLS_KEY_FILE: 'other-key' }, 'TLS_KEY_FILE'],
  ])('refuse %j by naming %s', async (env, name) => {
    const settled = settle(env)
    await expect(settled).rejects.toThrow(ConfigError)
    await expect(settled).rejects.toThrow(new RegExp(`^${name} [^;]*$`))
  })
})

describe('describeVariables', () => {
  it('says of each variable what documentation needs, through every wrapper', () => {
    const schema = z.object({
      PORT: variable.port().prefault(':8084').describe('Port'),
      HOST: variable.text({ maxLength: 9 }).describe('Host'),
      KEY: variable.secret().optional().describe('Key'),
      KEYS: variable
        .parsedSecret(JSON.parse, () => '')
        .describe('Keys')
        .optional(),
      MODE: z
        .union([z.literal('off'), variable.integer({ min: 1, max: 2 })])
        .prefault('off')
        .describe('Mode'),
    })
    expect(describeVariables(schema)).toEqual([
      { name: 'PORT', description: 'Port', default: ':8084', required: false, secret: false },
      { name: 'HOST', description: 'Host', required: true, secret: false },
      { name: 'KEY', description: 'Key', required: false, secret: true },
      { name: 'KEYS', description: 'Keys', required: false, secret: true },
      { name: 'MODE', description: 'Mode', default: 'off', required: false, secret: false },
    ])
  })
})
