import { describe, expect, it } from 'vitest'
import { compileLayout, LayoutError } from './layout.ts'

const values = {
  lang: 'de',
  dir: 'ltr',
  subject: 'S',
  brand: 'B & Co',
  logo: 'B',
  color: '#123456',
  ink: '#ffffff',
  content: '<p>Hello</p>',
} as const

function refusalOf(source: string): { line: number; message: string } {
  try {
    compileLayout(source)
  } catch (error) {
    if (error instanceof LayoutError) return { line: error.line, message: error.message }
    throw error
  }
  throw new Error('the layout was accepted')
}

describe('compileLayout', () => {
  it('puts each value where it is asked for, escaped unless it is the content', () => {
    const layout = compileLayout(
      '<html lang="{{lang}}" dir={{ dir }}><p style="color:{{color}}">{{brand}}: {{subject}}</p>{{content}} {x}\n',
    )
    expect(layout(values)).toBe(
      '<html lang="de" dir=ltr><p style="color:#123456">B &amp; Co: S</p><p>Hello</p> {x}\n',
    )
  })

  it('does not read values as layout', () => {
    const layout = compileLayout('{{subject}}{{content}}')
    expect(layout({ ...values, subject: '{{brand}}$&', content: '{{brand}}' })).toBe(
      '{{brand}}$&amp;{{brand}}',
    )
  })

  it('makes the same of values that are filled in beforehand, and tells what stands in every text', () => {
    const layout = compileLayout('<p>\n{{logo}}{{brand}}\n</p>\n{{color}}\n\n{{content}} {{logo}}')
    const filled = layout.complete({ logo: '<&>', color: '#123456' })
    expect(filled(values)).toBe(layout({ ...values, logo: '<&>' }))
    expect(layout.standing).toEqual(['<p>\n', '</p>\n', '\n'])
    expect(filled.standing).toEqual(['<p>\n', '</p>\n#123456\n\n'])
  })

  it.each([
    ['<p>\n{{contents}}', 2, 'asks for {{contents}}, which does not exist'],
    ['{{content}}\n\n{{toString}}', 3, 'asks for {{toString}}, which does not exist'],
    ['{{content}}\n{{subject}', 2, 'opens {{ and does not close it'],
    ['{{content\n}}', 1, 'opens {{ and does not close it'],
    ['<p>\n</p>\n', 3, 'ends without {{content}}'],
    ['{{content}}\n{{content}}', 2, 'has {{content}} a second time'],
    ['{{content}}\n<SCRIPT>', 2, 'holds a script, which no mail may'],
    ['{{content}}\n<p title="{{subject}}">', 2, 'has {{subject}} inside a tag, a style or a comment'],
    ["{{content}}\n<p title='>' class={{brand}}>", 2, 'has {{brand}} inside a tag, a style or a comment'],
    ['{{content}}\n<style>\n{{logo}}</style>', 3, 'has {{logo}} inside a tag, a style or a comment'],
    ['<!-- <p>\n{{content}} -->', 2, 'has {{content}} inside a tag, a style or a comment'],
    ['{{content}}<p title="{{subject}}', 1, 'has {{subject}} inside a tag, a style or a comment'],
    ['{{content}}<p {{subject}}', 1, 'has {{subject}} inside a tag, a style or a comment'],
  ])('refuses %j and names the line', (source, line, message) => {
    expect(refusalOf(source)).toEqual({ line, message })
  })
})
