import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { checkSecret } from './check-secret.ts'
import { createSecret } from './secret.ts'

const strong = createHash('sha256').update('a strong value').digest('hex')
const codesOf = (text: string) =>
  checkSecret('API_KEY', createSecret(text), { minBytes: 32 }).map(({ code }) => code)

describe('checkSecret', () => {
  it.each([
    strong,
    `hk_live_${strong}`,
    `base64:${Buffer.from(strong, 'hex').toString('base64')}`,
    `hex:${strong}`,
  ])('has nothing against %s', (text) => {
    expect(codesOf(text)).toEqual([])
  })

  it.each([
    '0123456789abcdef0123456789abcdef',
    `hex:${Buffer.from('0123456789abcdef0123456789abcdef').toString('hex')}`,
    `base64:${Buffer.from('0123456789abcdef0123456789abcdef').toString('base64')}`,
    'your-32-byte-encryption-key-here!!',
    'your_shared_secret_of_enough_length_1',
    'YOUR-API-KEY-0123456789-abcdefghijkl',
    `change-me-${strong}`,
    `ChangeMe${strong}`,
    `replace_with_${strong}`,
  ])('knows %s as an example', (text) => {
    expect(codesOf(text)).toContain('EXAMPLE_VALUE')
  })

  it.each([
    'short',
    strong.slice(0, 31),
    'ab'.repeat(40),
    `hex:${'00'.repeat(32)}`,
    `base64:${strong.slice(0, 8)}`,
  ])('calls %s weak', (text) => {
    expect(codesOf(text)).toContain('WEAK_KEY')
  })

  it('knows a key that is meant for tests', () => {
    expect(codesOf(`hk_test_${strong}`)).toEqual(['TEST_KEY'])
  })

  it('repeats nothing of the value', () => {
    const findings = checkSecret('API_KEY', createSecret('your-marker'), { minBytes: 32 })
    expect(JSON.stringify(findings)).not.toContain('marker')
  })
})
