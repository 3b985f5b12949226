import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { createReplyReader } from './reply-reader.ts'

function reader() {
  const replies: [string, boolean][] = []
  let overflows = 0
  const read = createReplyReader({
    onReply: (reply, isLast) => void replies.push([reply, isLast]),
    onOverflow: () => void (overflows += 1),
  })
  return { read: (text: string) => read(Buffer.from(text, 'latin1')), replies, overflows: () => overflows }
}

describe('createReplyReader', () => {
  it('tells replies of one line and several apart, and whether more was said', () => {
    const { read, replies } = reader()
    read('250 a\r\n250-b\r\n250-c\n250 d\r\n35')
    read('4 e\r\n')
    expect(replies).toEqual([
      ['250 a', false],
      ['250-b\n250-c\n250 d', false],
      ['354 e', true],
    ])
  })

  it('reads the same replies however they are cut into pieces', () => {
    const line = fc.tuple(
      fc.constantFrom('250-', '250 ', '550-', '421 ', 'x', ''),
      fc.string({ maxLength: 5 }),
    )
    fc.assert(
      fc.property(fc.array(line), fc.array(fc.nat(200)), (lines, cuts) => {
        const text = lines.map(([code, words]) => `${code}${words.replaceAll(/[\r\n]/g, '')}\r\n`).join('')
        const whole = reader()
        whole.read(text)
        const pieces = reader()
        const places = [0, ...cuts.toSorted((a, b) => a - b), text.length]
        for (const [index, place] of places.entries())
          pieces.read(text.slice(place, places[index + 1] ?? place))
        expect(pieces.replies.map(([reply]) => reply)).toEqual(whole.replies.map(([reply]) => reply))
      }),
    )
  })

  it.each(['x'.repeat(20_000), '250-more\r\n'.repeat(2_000), '\r\n'.repeat(10_000)])(
    'gives up on what is too long to be a reply',
    (text) => {
      const { read, replies, overflows } = reader()
      read(text)
      expect(replies).toEqual([])
      expect(overflows()).toBe(1)
    },
  )
})
