import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { createSecret } from './secret.ts'

describe('createSecret', () => {
  it('gives its text to no serialiser, only to reveal', () => {
    const secret = createSecret('marker-7f3a')
    const shown = [
      ''.concat(secret as never),
      JSON.stringify({ secret }),
      inspect({ secret }, { depth: 9, showHidden: true }),
    ]
    expect(shown.join()).not.toContain('marker')
    expect(shown[1]).toBe('{"secret":"[secret]"}')
    expect(Object.values(secret).map(String).join()).not.toContain('marker')
    expect(secret.reveal()).toBe('marker-7f3a')
  })
})
