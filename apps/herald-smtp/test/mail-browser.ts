import { obtainChromium } from '@herald/testing'
import { chromium, type Browser } from 'playwright-core'
import { createComposer, templates, type Composition } from '../src/domain/content.ts'
import { compileLayout } from '../src/domain/templates/layout.ts'
import { defaultLayout } from '../src/domain/templates/default-layout.ts'

const compose = createComposer({
  brand: { name: 'Herald', logo: 'H', color: '#2563eb' },
  layout: compileLayout(defaultLayout),
})

export const locales: readonly string[] = templates.flatMap((template) => template.locales)

export function mailIn(locale: string): Composition {
  return compose({ template: 'verification', locale, params: { code: '482913', expires_in: '300' } })
}

/** Undefined, after saying so once, where there is no browser. */
export async function openBrowser(): Promise<Browser | undefined> {
  const executablePath = await obtainChromium()
  if (executablePath === undefined) {
    process.stderr.write('Nothing looked at the mails: there is no chromium on PATH.\n')
    return undefined
  }
  // Its own sandbox does not work for root, and it shows our own pages only.
  return chromium.launch({ executablePath, args: ['--no-sandbox'] })
}
