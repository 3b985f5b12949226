import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openState } from './state.ts'

const mode = (path: string) => statSync(path).mode & 0o777

describe('openState', () => {
  let folder: string
  beforeEach(() => {
    folder = join(mkdtempSync(join(tmpdir(), 'herald-state-')), '.herald')
  })
  afterEach(() => rmSync(join(folder, '..'), { recursive: true }))

  it('makes folders for the owner alone and every file readable by the owner alone', () => {
    const state = openState(folder, randomBytes)

    for (const path of [folder, join(folder, 'keys'), state.dataFolder]) expect(mode(path)).toBe(0o700)
    for (const path of [...Object.values(state.keyFiles), state.headerFile]) expect(mode(path)).toBe(0o600)
  })

  it('makes keys that a service takes as they are, and a header file that curl takes as it is', () => {
    const { keyFiles, headerFile } = openState(folder, randomBytes)
    const apiKey = readFileSync(keyFiles.apiKey, 'utf8')

    expect(apiKey).toMatch(/^[\w-]{43}$/)
    expect(readFileSync(keyFiles.adminApiKey, 'utf8')).toMatch(/^[\w-]{43}$/)
    expect(readFileSync(keyFiles.hmacSecret, 'utf8')).toMatch(/^[\w-]{43}$/)
    expect(readFileSync(keyFiles.encryptionKey, 'utf8')).toMatch(/^base64:[A-Za-z0-9+/]{43}=$/)
    expect(readFileSync(headerFile, 'utf8')).toBe(`X-API-Key: ${apiKey}\n`)
  })

  it('keeps keys from one start to the next and takes back rights given since', () => {
    const first = openState(folder, randomBytes)
    const keys = Object.values(first.keyFiles).map((path) => readFileSync(path, 'utf8'))
    chmodSync(first.keyFiles.apiKey, 0o644)
    chmodSync(folder, 0o755)

    const second = openState(folder, randomBytes)

    expect(Object.values(second.keyFiles).map((path) => readFileSync(path, 'utf8'))).toEqual(keys)
    expect(new Set(keys).size).toBe(4)
    expect(mode(second.keyFiles.apiKey)).toBe(0o600)
    expect(mode(folder)).toBe(0o700)
    expect(readdirSync(join(folder, 'keys')).toSorted()).toEqual([
      'admin-api-key',
      'api-key',
      'encryption-key',
      'hmac-secret',
    ])
  })
})
