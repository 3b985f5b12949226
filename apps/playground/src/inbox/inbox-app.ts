import { Hono, type MiddlewareHandler } from 'hono'
import type { Gallery } from '../gallery/gallery.ts'
import { fixScheme, renderGalleryPage, schemes } from '../gallery/gallery-page.ts'
import type { Inbox, Mail } from './inbox.ts'
import { inboxScript, inboxStyle } from './inbox-assets.ts'
import { renderInboxPage } from './inbox-page.ts'

const pagePolicy =
  "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
/** A mail's own HTML is foreign: no scripts, no origin, nothing loaded. */
const mailPolicy = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"

/** The inbox for people (page) and for programs (`/api/messages`), and the gallery of what herald-smtp can send. */
export function createInboxApp(inbox: Inbox, gallery: Gallery): Hono {
  const app = new Hono()
  app.use(answerLoopbackOnly)
  app.use(async (c, next) => {
    c.header('Content-Security-Policy', pagePolicy)
    c.header('X-Content-Type-Options', 'nosniff')
    c.header('Referrer-Policy', 'no-referrer')
    c.header('Cache-Control', 'no-store')
    await next()
  })

  app.get('/', (c) => c.html(renderInboxPage(inbox.list())))
  app.get('/inbox.css', (c) => c.body(inboxStyle, 200, { 'Content-Type': 'text/css; charset=utf-8' }))
  app.get('/inbox.js', (c) => c.body(inboxScript, 200, { 'Content-Type': 'text/javascript; charset=utf-8' }))
  app.get('/api/messages', (c) => c.json({ messages: inbox.list().map(describeMail) }))
  app.get('/messages/:id/html', (c) => {
    const mail = inbox.find(c.req.param('id'))
    if (mail?.html === undefined) return c.notFound()
    c.header('Content-Security-Policy', mailPolicy)
    return c.html(mail.html)
  })
  app.get('/messages/:id/source', (c) => {
    const mail = inbox.find(c.req.param('id'))
    return mail ? c.text(Buffer.from(mail.raw).toString('utf8')) : c.notFound()
  })

  app.get('/gallery', async (c) => c.html(renderGalleryPage(await gallery.listTemplates())))
  app.get('/gallery/:template/:locale/:scheme', async (c) => {
    const scheme = schemes.find((each) => each === c.req.param('scheme'))
    if (scheme === undefined) return c.notFound()
    const mail = await gallery.preview(c.req.param('template'), c.req.param('locale'))
    c.header('Content-Security-Policy', mailPolicy)
    return c.html(fixScheme(mail.html, scheme))
  })
  app.onError((_, c) => c.text('herald-smtp does not answer: its output in the terminal says why.', 502))
  return app
}

/** Refuses names other than the loopback's, so that a web page cannot read the codes by rebinding its own name. */
const answerLoopbackOnly: MiddlewareHandler = async (c, next) => {
  const { hostname } = new URL(c.req.url)
  if (!['127.0.0.1', 'localhost', '[::1]'].includes(hostname)) {
    return c.text('The inbox answers under localhost and 127.0.0.1 only.', 403)
  }
  await next()
}

function describeMail({ raw: _raw, ...mail }: Mail) {
  return mail
}
