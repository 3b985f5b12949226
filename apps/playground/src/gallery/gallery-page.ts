import { html } from 'hono/html'
import type { Template } from './gallery.ts'

export const schemes = ['light', 'dark'] as const
export type Scheme = (typeof schemes)[number]

/** Every template in every locale, light and dark side by side, each in a frame of its own. */
export function renderGalleryPage(templates: readonly Template[]) {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>Mails</title>
        <link rel="stylesheet" href="/inbox.css" />
      </head>
      <body class="wide">
        <h1>Mails</h1>
        <p class="faint">
          What herald-smtp makes of a code, in every language that it speaks. Nothing is sent. Back to the
          <a href="/">inbox</a>.
        </p>
        <main>
          ${templates.map(
            ({ name, locales }) =>
              html`<h2>${name}</h2>
                ${locales.map((locale) => renderPair(name, locale))}`,
          )}
        </main>
      </body>
    </html>`
}

function renderPair(template: string, locale: string) {
  const frames = schemes.map((scheme) => {
    const path = `/gallery/${encodeURIComponent(template)}/${encodeURIComponent(locale)}/${scheme}`
    return html`<iframe
      title="${template} in ${locale}, ${scheme}"
      src="${path}"
      loading="lazy"
      sandbox
    ></iframe>`
  })
  return html`<section>
    <h3>${locale}</h3>
    <div class="pair">${frames}</div>
  </section>`
}

const preference = /\(prefers-color-scheme:\s*(light|dark)\)/g

/** The mail as a reader with that preference sees it, whatever the browser's own is. */
export function fixScheme(mail: string, scheme: Scheme): string {
  return mail.replaceAll(preference, (_, asked) => (asked === scheme ? '(min-width: 0)' : '(width: 0)'))
}
