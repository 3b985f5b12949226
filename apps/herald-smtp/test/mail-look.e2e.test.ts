import { afterAll, describe, expect, it } from 'vitest'
import { locales, mailIn, openBrowser } from './mail-browser.ts'

/** Runs in the page: what each element says, and its contrast (WCAG 2.2) upon what lies behind it. */
const readWords = `
  const luminance = (color) => {
    const [red, green, blue] = color.match(/[\\d.]+/g).slice(0, 3).map((channel) => {
      const share = Number(channel) / 255
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
  }
  const groundOf = (element) => {
    const { backgroundColor } = getComputedStyle(element)
    return backgroundColor === 'rgba(0, 0, 0, 0)' ? groundOf(element.parentElement) : backgroundColor
  }
  ;[...document.querySelectorAll('p, span')].map((element) => {
    const colors = [getComputedStyle(element).color, groundOf(element)]
    const [darker, lighter] = colors.map(luminance).sort((a, b) => a - b)
    return { words: element.textContent.trim(), contrast: (lighter + 0.05) / (darker + 0.05) }
  })
`

const looks = (['light', 'dark'] as const).flatMap((colorScheme) =>
  [320, 600].map((width) => ({ colorScheme, width })),
)

const browser = await openBrowser()
afterAll(() => browser?.close())

describe.skipIf(browser === undefined)('a mail in a browser', () => {
  const openPage = (options = {}) => browser!.newPage(options)

  it.each(looks)(
    'is readable $colorScheme and $width wide, in every language',
    async ({ colorScheme, width }) => {
      const page = await openPage({ colorScheme, viewport: { width, height: 700 } })
      for (const locale of locales) {
        await page.setContent(mailIn(locale).html)
        expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width)
        const shown = await page.evaluate<{ words: string; contrast: number }[]>(readWords)
        expect(shown.map(({ words }) => words)).toContain('482913')
        for (const { words, contrast } of shown) {
          expect.soft(contrast, `${locale}: ${words}`).toBeGreaterThan(4.5)
        }
      }
      await page.close()
    },
  )

  it('loads nothing and runs nothing', async () => {
    const page = await openPage()
    const asked: string[] = []
    page.on('request', (request) => asked.push(request.url()))
    page.on('console', (message) => asked.push(message.text()))
    for (const locale of locales) await page.setContent(mailIn(locale).html)
    expect(asked).toEqual([])
    await page.close()
  })

  it('has the words of its text part, and a code that is selected whole', async () => {
    const page = await openPage()
    for (const locale of locales) {
      const { text, html } = mailIn(locale)
      await page.setContent(html)
      expect((await page.innerText('.main')).split(/\s+/).join('')).toBe(text.split(/\s+/).join(''))
      await page.click('.code')
      expect(await page.evaluate('getSelection().toString().trim()')).toBe('482913')
    }
    await page.close()
  })
})
