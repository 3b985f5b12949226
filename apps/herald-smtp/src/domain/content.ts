import { escapeHtml } from './templates/escape-html.ts'
import { createLanguages, lookUp, type Language } from './templates/language.ts'
import type { Layout } from './templates/layout.ts'
import { verificationTexts, type VerificationTexts } from './templates/verification.ts'

export type Content = { subject: string; text: string; html: string }

export type ContentRequest = {
  subject?: string | undefined
  body?: string | undefined
  template?: string | undefined
  params?: Readonly<Record<string, string>> | undefined
  locale?: string | undefined
}

/** How the operator's mail presents itself; `color` is `#rrggbb`. */
export type Brand = { name: string; logo: string; color: string }

/** What was made of a request, and by what: the built-in template and its locale, or the words of the request. */
export type Composition = Content & { template?: string; language?: Language }

export type ComposeContent = (request: ContentRequest) => Composition

/** The built-in templates and the locales that each of them speaks. */
export const templates = [{ name: 'verification', locales: verificationTexts.map(({ locale }) => locale) }]

const languageOf = createLanguages(verificationTexts.map(({ locale, dir }) => ({ lang: locale, dir })))

const defaultSubject = 'Verification code'
const defaultText = 'You have a verification message. Please check your code.'

const verificationRanges: ReadonlyMap<string, VerificationTexts> = new Map(
  verificationTexts.flatMap((texts) =>
    [texts.locale, ...(texts.ranges ?? [])].map((range) => [range.toLowerCase(), texts] as const),
  ),
)

/**
 * What the mail says: the caller's body, else the built-in template around `params.code` in the language of `locale`,
 * else a fixed sentence; as text, and as HTML of the same words in the layout.
 */
export function createComposer(options: { brand: Brand; layout: Layout }): ComposeContent {
  const { brand } = options
  const layout = brandLayout(options)
  const formatSpan = createSpanFormat()

  return ({ subject, body, params, locale }) => {
    const asked = languageOf(locale)
    const letter =
      !body && params?.['code']
        ? verificationLetter(params, asked?.lang, formatSpan)
        : plainLetter(body, asked)
    const { text, content, language, template } = letter
    const chosenSubject = subject || letter.subject
    const html = layout({
      lang: language?.lang ?? '',
      dir: language?.dir ?? 'auto',
      subject: chosenSubject,
      brand: params?.['product'] || brand.name,
      content,
    })
    return {
      subject: chosenSubject,
      text,
      html,
      ...(language && { language }),
      ...(template && { template }),
    }
  }
}

/** The layout with what is the same in every mail of this brand; `product` can take the place of its name. */
export function brandLayout({ brand, layout }: { brand: Brand; layout: Layout }): Layout {
  return layout.complete({ logo: brand.logo, color: brand.color, ink: inkUpon(brand.color) })
}

/** The request relies on a template that does not exist here; it is sent all the same, and counted. */
export function namesUnknownTemplate({ body, template }: ContentRequest): boolean {
  return !body && Boolean(template) && !templates.some(({ name }) => name === template)
}

type Letter = { subject: string; text: string; content: string; language?: Language; template?: string }

function plainLetter(body: string | undefined, asked: Language | undefined): Letter {
  const text = body || defaultText
  const language = body ? asked : languageOf('en')
  return {
    subject: defaultSubject,
    text,
    content: paragraph('text', 'margin:0;font-size:16px;line-height:1.5', escapeLines(text), 'auto'),
    ...(language && { language }),
  }
}

function verificationLetter(
  params: Readonly<Record<string, string>>,
  tag: string | undefined,
  formatSpan: FormatSpan,
): Letter {
  const texts = (tag && lookUp(tag, verificationRanges)) || verificationTexts[0]
  const { code = '', expires_in: expiresIn, product } = params
  // A client's zero value says nothing.
  const validity =
    Number(expiresIn) !== 0 && expiresIn ? texts.validity + formatSpan(expiresIn, texts.locale) : undefined
  return {
    template: 'verification',
    subject: texts.subject,
    text: [texts.lead + code, validity, texts.caution, product].filter(Boolean).join('\n\n'),
    content: [
      paragraph('text', 'margin:0 0 12px;font-size:16px;line-height:1.5', escapeHtml(texts.lead.trim())),
      codeBlock(code),
      ...(validity
        ? [paragraph('text', 'margin:0 0 12px;font-size:14px;line-height:1.5', escapeLines(validity))]
        : []),
      paragraph('faint', 'margin:0;font-size:14px;line-height:1.5', escapeHtml(texts.caution)),
    ].join('\n'),
    language: { lang: texts.locale, dir: texts.dir },
  }
}

const inks = { text: '#15181d', faint: '#5b6270' }

/** With `auto` the letters decide which way it runs: Herald has no Arabic words, but passes on that they were asked for. */
function paragraph(ink: keyof typeof inks, style: string, html: string, dir?: 'auto'): string {
  const direction = dir ? ` dir="${dir}"` : ''
  return `<p class="${ink}"${direction} style="${style};color:${inks[ink]};overflow-wrap:anywhere">${html}</p>`
}

/** Left to right in every language, and one piece of text, so that it is selected and read out whole. */
function codeBlock(code: string): string {
  const look =
    'margin:0 0 20px;padding:14px 12px;border:1px solid #dfe3e8;border-radius:8px;background:#f4f6f8;color:#0b0d10;' +
    'font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:32px;font-weight:700;line-height:1.25;' +
    'letter-spacing:4px;text-align:center;overflow-wrap:anywhere;-webkit-user-select:all;user-select:all'
  return `<p class="code" dir="ltr" style="${look}">${escapeHtml(code)}</p>`
}

function escapeLines(text: string): string {
  return escapeHtml(text).replaceAll(/\r\n|\r|\n/g, '<br>\n')
}

type FormatSpan = (text: string, locale: string) => string

/** Whole seconds become a span of time in words; anything else is the caller's own wording. */
function createSpanFormat(): FormatSpan {
  const formats = new Map<string, Intl.DurationFormat>()
  return (text, locale) => {
    if (!/^\d{1,7}$/.test(text)) return text
    const seconds = Number(text)
    const format = formats.get(locale) ?? new Intl.DurationFormat(`${locale}-u-nu-latn`, { style: 'long' })
    formats.set(locale, format)
    return format.format({
      hours: Math.floor(seconds / 3600),
      minutes: Math.floor((seconds % 3600) / 60),
      seconds: seconds % 60,
    })
  }
}

/** Black or white, whichever stands out more (WCAG 2.2, relative luminance). */
function inkUpon(color: string): string {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const share = Number.parseInt(color.slice(at, at + 2), 16) / 255
    return share <= 0.040_45 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? '#000000' : '#ffffff'
}
