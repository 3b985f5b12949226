import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { mailIn, openBrowser } from './mail-browser.ts'

const pictures = join(import.meta.dirname, '../../../docs/pictures')

/** A browser draws boxes in place of letters that it has no font for. */
function canDrawChinese(): boolean {
  try {
    return execFileSync('fc-list', [':lang=zh-cn', 'family']).length > 0
  } catch {
    return false
  }
}

const browser = canDrawChinese() ? await openBrowser() : undefined
afterAll(() => browser?.close())

it.skipIf(browser === undefined)('shows mails in the documents as they look now', async () => {
  for (const locale of ['en', 'ar', 'zh-CN']) {
    for (const colorScheme of ['light', 'dark'] as const) {
      const path = join(pictures, `verification-${locale}-${colorScheme}.png`)
      const page = await browser!.newPage({ colorScheme, viewport: { width: 560, height: 200 } })
      await page.setContent(mailIn(locale).html)
      await page.screenshot({ path, fullPage: true })
      await page.close()
      expect(readFileSync(path).length).toBeLessThan(40_000)
    }
  }
})
