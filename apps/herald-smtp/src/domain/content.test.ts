import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createComposer, namesUnknownTemplate, templates } from './content.ts'
import { compileLayout } from './templates/layout.ts'
import { defaultLayout } from './templates/default-layout.ts'
import { verificationTexts } from './templates/verification.ts'

const brand = { name: 'Herald', logo: 'H', color: '#2563eb' }
const compose = createComposer({ brand, layout: compileLayout(defaultLayout) })
const params = { code: '482913' }

describe('what a mail says', () => {
  it('is the body before params.code, params.code before the fixed sentence', () => {
    expect(compose({ body: 'Only this.', params }).text).toBe('Only this.')
    expect(compose({ params }).text).toMatch(/^Your verification code is: 482913\n/)
    expect(compose({ body: '', params: { code: '' } }).text).toBe(
      'You have a verification message. Please check your code.',
    )
  })

  it('has a subject of its own for a request without one', () => {
    expect(compose({}).subject).toBe('Verification code')
    expect(compose({ subject: '' }).subject).toBe('Verification code')
    expect(compose({ subject: 'Login', params, locale: 'de' }).subject).toBe('Login')
    expect(compose({ params, locale: 'de' }).subject).toBe('Bestätigungscode')
  })

  it('counts a template as unknown only where the mail would have come from it', () => {
    expect(namesUnknownTemplate({ template: 'otp' })).toBe(true)
    expect(namesUnknownTemplate({ template: 'otp', body: 'x' })).toBe(false)
    expect(namesUnknownTemplate({ template: 'verification', params })).toBe(false)
    expect(namesUnknownTemplate({})).toBe(false)
  })

  it('names a span of time in the words of its language, and passes on any other wording', () => {
    const validity = (locale: string, expires_in: string) =>
      compose({ params: { ...params, expires_in }, locale }).text.split('\n\n')[1]
    expect(validity('en', '300')).toBe('Valid for: 5 minutes')
    expect(validity('ru', '3600')).toBe('Срок действия: 1 час')
    expect(validity('ar', '600')).toBe('مدة الصلاحية: 10 دقائق')
    expect(validity('de', 'bis Mitternacht')).toBe('Gültigkeit: bis Mitternacht')
  })

  it('shows the product in place of the brand where a caller names one', () => {
    const { text, html } = compose({ params: { ...params, product: 'Acme <Pay>' } })
    expect(text).toMatch(/\n\nAcme <Pay>$/)
    expect(html).toContain('Acme &lt;Pay&gt;</span>')
    expect(html).not.toContain('>Herald<')
  })

  it('shows markup as text, whatever field it came in', () => {
    const hostile =
      '</title></style><script>alert(1)</script>"\'><img src=x onerror=alert(1)>{{content}}&amp;'
    const shown = '&lt;/title&gt;&lt;/style&gt;&lt;script&gt;alert(1)&lt;/script&gt;'
    const requests = [
      { body: hostile },
      { params, subject: hostile },
      { params: { code: hostile } },
      { params: { ...params, expires_in: hostile } },
      { params: { ...params, product: hostile } },
    ]
    const tags = (html: string) => html.match(/<[a-z/!][^>]*>/gi)?.length
    for (const request of requests) {
      const { html } = compose(request)
      const harmless = JSON.parse(
        JSON.stringify(request).replaceAll(JSON.stringify(hostile).slice(1, -1), 'x'),
      )
      expect(html).toContain(shown)
      expect(html).toContain('{{content}}&amp;amp;')
      expect(tags(html)).toBe(tags(compose(harmless).html))
    }
  })

  it('adds no tag and no attribute for any text, brand and locale', () => {
    const skeleton = (html: string) => html.match(/<[^>]*>/g)?.filter((tag) => tag !== '<br>')
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), fc.string(), (text, name, locale) => {
        const composeBranded = createComposer({
          brand: { ...brand, name, logo: name },
          layout: compileLayout(defaultLayout),
        })
        const harmless = compose({ body: 'x', locale })
        expect(skeleton(composeBranded({ body: text || 'x', subject: text, locale }).html)).toEqual(
          skeleton(harmless.html),
        )
      }),
      { numRuns: 300 },
    )
  })
})

describe('how long a code is valid', () => {
  it('is said where the caller says it, and left out where it says nothing or zero', () => {
    const textOf = (expires_in: string) => compose({ params: { code: '123456', expires_in } }).text
    expect(textOf('300')).toContain('Valid for: 5 minutes')
    expect(textOf('until noon')).toContain('Valid for: until noon')
    expect(textOf('0')).toBe(textOf(''))
    expect(textOf('0')).not.toContain('Valid for')
  })
})

describe('the language of a mail', () => {
  it.each([
    [undefined, 'en'],
    ['', 'en'],
    ['en-US', 'en'],
    ['EN-gb', 'en'],
    ['zh', 'zh-CN'],
    ['zh-Hans', 'zh-CN'],
    ['zh-Hans-TW', 'zh-CN'],
    ['zh-SG', 'zh-CN'],
    ['zh-Hant', 'zh-TW'],
    ['zh-Hant-CN', 'zh-TW'],
    ['zh-hant-hk', 'zh-TW'],
    ['zh-TW', 'zh-TW'],
    ['zh_TW', 'zh-TW'],
    ['zh-HK', 'zh-TW'],
    ['cmn-Hant', 'zh-TW'],
    ['pt', 'pt-BR'],
    ['pt-PT', 'pt-BR'],
    ['de-CH-1996', 'de'],
    ['de-u-co-phonebk', 'de'],
    ['fr-x-private', 'fr'],
    ['ar-EG', 'ar'],
    ['ru-Cyrl-RU', 'ru'],
    ['tlh', 'en'],
    ['x-private', 'en'],
    ['not a locale', 'en'],
    ['../../etc/passwd', 'en'],
    ['toString', 'en'],
  ])('%s is looked up as RFC 4647 has it: %s', (locale, expected) => {
    const { html, language } = compose({ params, locale })
    expect(language?.lang).toBe(expected)
    expect(html).toContain(`<html lang="${expected}" dir="${expected === 'ar' ? 'rtl' : 'ltr'}">`)
  })

  it('of a given body is that of its locale, with its direction, or is left open', () => {
    const head = (locale?: string) => compose({ body: 'x', locale }).html.match(/<html [^>]*>/)?.[0]
    expect(head('he-IL')).toBe('<html lang="he-IL" dir="rtl">')
    expect(head('tlh')).toBe('<html lang="tlh" dir="ltr">')
    expect(head()).toBe('<html lang="" dir="auto">')
    expect(head('"><script>')).toBe('<html lang="" dir="auto">')
  })

  it('is a wish where the body is in another: its words run as their own letters do', () => {
    const { html } = compose({ body: 'Your verification code is: 482913.', locale: 'ar' })
    expect(html).toMatch(/<p [^>]*dir="auto"[^>]*>Your verification code is: 482913\.<\/p>/)
  })

  it('is one of those that are listed, and each of those is a language of its own', () => {
    const listed = templates.find(({ name }) => name === 'verification')?.locales ?? []
    expect(listed).toEqual('en zh-CN zh-TW ja ko de fr es it pt-BR ru ar'.split(' '))
    const texts = listed.map((locale) => compose({ params, locale }).text)
    expect(new Set(texts).size).toBe(listed.length)
    for (const text of texts) expect(text).toContain('482913')
  })

  it('keeps the code apart from the words around it', () => {
    for (const { lead, validity } of verificationTexts) {
      expect(lead).toMatch(/[\s：]$/)
      expect(validity).toMatch(/[\s：]$/)
    }
  })
})

describe('the colour of a brand', () => {
  it.each([
    ['#000000', '#ffffff'],
    ['#2563eb', '#ffffff'],
    ['#FFD400', '#000000'],
    ['#ffffff', '#000000'],
  ])('%s carries text in %s', (color, ink) => {
    const branded = createComposer({
      brand: { ...brand, color },
      layout: compileLayout('{{ink}}{{content}}'),
    })
    expect(branded({ body: 'x' }).html).toMatch(new RegExp(`^${ink}<p`))
  })
})
