import { html } from 'hono/html'
import type { Mail } from './inbox.ts'

/** The whole inbox as one page; every value of a mail is escaped. */
export function renderInboxPage(mails: readonly Mail[]) {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${mails.length > 0 ? `(${mails.length}) ` : ''}Inbox</title>
        <link rel="stylesheet" href="/inbox.css" />
        <script src="/inbox.js" defer></script>
      </head>
      <body data-newest="${mails[0]?.id ?? ''}">
        <h1>Inbox</h1>
        <p class="faint">
          What herald-smtp sends ends here and is delivered nowhere. The page follows new mail.
          <a href="/gallery">All mails in all languages</a>
        </p>
        <main>
          ${mails.length > 0 ? mails.map(renderMail) : html`<article><p>No mail yet.</p></article>`}
        </main>
      </body>
    </html>`
}

function renderMail(mail: Mail) {
  const htmlLink = mail.html === undefined ? '' : html`<a href="/messages/${mail.id}/html">HTML part</a> · `
  return html`<article>
    <h2>${mail.subject || '(no subject)'}</h2>
    <p class="faint">
      ${mail.from} to ${mail.recipients.join(', ')} ·
      <time datetime="${mail.receivedAt}">${mail.receivedAt.slice(11, 19)} UTC</time>
    </p>
    <pre>${mail.text}</pre>
    <p class="faint">${htmlLink}<a href="/messages/${mail.id}/source">Source</a></p>
  </article>`
}
