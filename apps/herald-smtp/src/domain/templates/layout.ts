import { escapeHtml } from './escape-html.ts'

export type LayoutValues = {
  /** Empty when the language is unknown. */
  lang: string
  dir: 'ltr' | 'rtl' | 'auto'
  subject: string
  brand: string
  logo: string
  /** `#rrggbb`, and what can be read upon it. */
  color: string
  ink: string
  /** HTML of our own making. */
  content: string
}

/** Gives the values that have not been filled in. */
export type Layout = ((values: Partial<LayoutValues>) => string) & {
  /** What stands in every text it makes: whole lines with their ends, in their order. */
  standing: readonly string[]
  /** The same layout with some of its values filled in for good. */
  complete(values: Partial<LayoutValues>): Layout
}

/** What is wrong in which line of a layout, the first being 1; the message reads on after "line 1". */
export class LayoutError extends Error {
  readonly line: number

  constructor(line: number, message: string) {
    super(message)
    this.name = 'LayoutError'
    this.line = line
  }
}

type Name = keyof LayoutValues

/** Escaping makes a value safe in text alone, so only values that need none may stand in tags, styles and comments. */
const places: Record<Name, 'anywhere' | 'text'> = {
  lang: 'anywhere',
  dir: 'anywhere',
  color: 'anywhere',
  ink: 'anywhere',
  subject: 'text',
  brand: 'text',
  logo: 'text',
  content: 'text',
}

const isName = (text: string): text is Name => Object.hasOwn(places, text)

const notText =
  /<!--[^]*?(?:-->|$)|<style\b[^]*?(?:<\/style\s*>|$)|<[a-z/!?](?:"[^"]*(?:"|$)|'[^']*(?:'|$)|[^'">])*(?:>|$)/gi

/**
 * Reads HTML with `{{name}}` where a value goes. That is the whole syntax: a layout decides how a mail looks and can run
 * nothing, neither its own words nor a caller's. Throws a LayoutError.
 */
export function compileLayout(source: string): Layout {
  const lineOf = (index: number) => source.slice(0, index).split('\n').length
  const script = source.search(/<script\b/i)
  if (script !== -1) throw new LayoutError(lineOf(script), 'holds a script, which no mail may')

  const markup = [...source.matchAll(notText)].map(({ index, 0: { length } }) => [index, index + length])
  const isText = (at: number) => !markup.some(([from = 0, to = 0]) => from <= at && at < to)
  const texts: string[] = []
  const names: Name[] = []
  let end = 0
  for (const match of source.matchAll(/\{\{([^}\n]*)(\}\})?/g)) {
    const [whole, inner = '', close] = match
    const name = inner.trim()
    const refuse = (message: string) => new LayoutError(lineOf(match.index), message)
    if (close === undefined) throw refuse('opens {{ and does not close it')
    if (!isName(name)) throw refuse(`asks for {{${name.slice(0, 40)}}}, which does not exist`)
    if (places[name] === 'text' && !isText(match.index)) {
      throw refuse(`has {{${name}}} inside a tag, a style or a comment`)
    }
    if (name === 'content' && names.includes(name)) throw refuse('has {{content}} a second time')
    texts.push(source.slice(end, match.index))
    names.push(name)
    end = match.index + whole.length
  }
  if (!names.includes('content')) throw new LayoutError(lineOf(source.length), 'ends without {{content}}')

  return createLayout([...texts, source.slice(end)], names)
}

/** Texts that stand before, between and after the named values. */
function createLayout(texts: readonly string[], names: readonly Name[]): Layout {
  const [first = '', ...others] = texts
  const render = (values: Partial<LayoutValues>) =>
    names.reduce((text, name, index) => text + valueOf(name, values[name]) + (others[index] ?? ''), first)

  function complete(values: Partial<LayoutValues>): Layout {
    const filled = [first]
    const open: Name[] = []
    for (const [index, name] of names.entries()) {
      const value = values[name]
      const text = others[index] ?? ''
      if (value === undefined) {
        open.push(name)
        filled.push(text)
      } else filled.push(`${filled.pop() ?? ''}${valueOf(name, value)}${text}`)
    }
    return createLayout(filled, open)
  }

  // Braces mark where a value goes.
  const standing = texts.join('{{').match(/^(?:(?!.*\{\{).*\n)+/gm) ?? []
  return Object.assign(render, { standing, complete })
}

function valueOf(name: Name, value = ''): string {
  return name === 'content' ? value : escapeHtml(value)
}
