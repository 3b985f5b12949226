import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Gallery } from '../gallery/gallery.ts'
import { createInbox, type Inbox } from './inbox.ts'
import { createInboxApp } from './inbox-app.ts'
import { startMailCatcher } from './mail-catcher.ts'

const now = () => Date.UTC(2026, 0, 2, 3, 4, 5)
const gallery: Gallery = {
  listTemplates: async () => [{ name: 'verification', locales: ['en', 'ar'] }],
  preview: async (template, locale) => {
    if (locale === 'none') throw new Error('refused')
    const css = '@media (prefers-color-scheme: dark) {} @media (prefers-color-scheme:light) {}'
    return { subject: template, html: `<style>${css}</style><p>${locale}</p>` }
  },
}
const mail = (subject: string, body = 'Hello') =>
  Buffer.from(
    `From: Herald <herald@example.com>\r\nTo: someone@example.com\r\nSubject: ${subject}\r\n\r\n${body}\r\n`,
  )

describe('the inbox', () => {
  it('keeps the newest mails first and drops the oldest beyond its limit', async () => {
    const inbox = createInbox({ mailsMax: 2, now })
    for (const subject of ['one', 'two', 'three']) await inbox.add(mail(subject), ['a@example.com'])

    expect(inbox.list().map(({ subject }) => subject)).toEqual(['three', 'two'])
    expect(inbox.find('1')).toBeUndefined()
    expect(inbox.find('3')).toMatchObject({
      from: 'Herald <herald@example.com>',
      recipients: ['a@example.com'],
    })
  })
})

describe('the inbox page', () => {
  let inbox: Inbox
  let app: ReturnType<typeof createInboxApp>
  beforeEach(() => {
    inbox = createInbox({ mailsMax: 200, now })
    app = createInboxApp(inbox, gallery)
  })
  const get = (path: string, host = '127.0.0.1:8025') => app.request(`http://${host}${path}`)

  it('shows every part of a mail escaped, and allows its own script and style alone', async () => {
    const hostile = '<script>alert(1)</script>'
    await inbox.add(mail(hostile, hostile), [`"${hostile}"@example.com`])
    const response = await get('/')
    const page = await response.text()

    expect(page).not.toContain(hostile)
    expect(page.match(/&lt;script&gt;alert\(1\)&lt;\/script&gt;/g)).toHaveLength(3)
    expect(response.headers.get('content-security-policy')).toMatch(/default-src 'none'.*script-src 'self'/)
    expect(page.match(/(src|href)="(?!\/)/g)).toBeNull()
  })

  it('serves what the page refers to', async () => {
    const page = await (await get('/')).text()
    const paths = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path!)

    expect(paths).toHaveLength(3)
    for (const path of paths) expect((await get(path)).status).toBe(200)
  })

  it('lets the HTML of a mail run nothing and load nothing', async () => {
    const html = 'Content-Type: text/html\r\n\r\n<p>Hi</p><script>alert(1)</script>'
    await inbox.add(Buffer.from(`From: a@example.com\r\n${html}`), ['b@example.com'])
    const response = await get('/messages/1/html')

    expect(response.status).toBe(200)
    expect(response.headers.get('content-security-policy')).toMatch(/^sandbox; default-src 'none'/)
  })

  it('gives a mail as it came as plain text', async () => {
    await inbox.add(mail('one'), ['b@example.com'])
    const response = await get('/messages/1/source')

    expect(response.headers.get('content-type')).toMatch(/^text\/plain/)
    expect(response.headers.get('x-content-type-options')).toBe('nosniff')
    expect(await response.text()).toBe(mail('one').toString())
  })

  it('answers 404 for a mail it does not keep', async () => {
    for (const path of ['/messages/9/html', '/messages/9/source', '/x'])
      expect((await get(path)).status).toBe(404)
  })

  it('answers under the names of the loopback address alone', async () => {
    expect((await get('/api/messages', 'localhost:8025')).status).toBe(200)
    expect((await get('/api/messages', '[::1]:8025')).status).toBe(200)
    expect((await get('/api/messages', 'rebound.example:8025')).status).toBe(403)
    expect((await get('/api/messages', '127.0.0.1.rebound.example')).status).toBe(403)
  })
})

describe('the gallery', () => {
  const app = createInboxApp(createInbox({ mailsMax: 1, now }), gallery)
  const get = (path: string) => app.request(`http://127.0.0.1:8025${path}`)

  it('shows every template in every locale, light and dark', async () => {
    const page = await (await get('/gallery')).text()
    const frames = [...page.matchAll(/<iframe[^>]*src="([^"]+)"[^>]*sandbox/g)].map(([, path]) => path!)

    expect(frames).toHaveLength(4)
    for (const path of frames) {
      const response = await get(path)
      expect(response.status).toBe(200)
      expect(response.headers.get('content-security-policy')).toMatch(/^sandbox; default-src 'none'/)
    }
  })

  it('shows a mail as a reader with that preference sees it', async () => {
    const show = async (scheme: string) => (await get(`/gallery/verification/ar/${scheme}`)).text()
    expect(await show('dark')).toContain('@media (min-width: 0) {} @media (width: 0) {}')
    expect(await show('light')).toContain('@media (width: 0) {} @media (min-width: 0) {}')
    expect((await get('/gallery/verification/ar/grey')).status).toBe(404)
  })

  it('says so when herald-smtp does not answer', async () => {
    expect((await get('/gallery/verification/none/dark')).status).toBe(502)
  })
})

describe('the mail catcher', () => {
  let inbox: Inbox
  let catcher: Awaited<ReturnType<typeof startMailCatcher>>
  beforeEach(async () => {
    inbox = createInbox({ mailsMax: 200, now })
    catcher = await startMailCatcher({ inbox, port: 0 })
  })
  afterEach(() => catcher.close())

  /** Speaks the commands one by one and gives the last line of each reply, greeting first. */
  async function speak(commands: readonly string[]): Promise<string[]> {
    const socket = connect(catcher.port, '127.0.0.1')
    const waiting = [...commands]
    const replies: string[] = []
    for await (const line of createInterface({ input: socket })) {
      if (line[3] === '-') continue
      replies.push(line)
      const next = waiting.shift()
      if (next === undefined) socket.end()
      else socket.write(`${next}\r\n`)
    }
    return replies
  }

  it('keeps a mail under the recipients of its envelope', async () => {
    const replies = await speak([
      'EHLO me',
      'MAIL FROM:<herald@example.com>',
      'RCPT TO:<alice@example.com>',
      'DATA',
      `${mail('Grüße', 'Your code is 123456').toString()}.`,
      'QUIT',
    ])

    expect(replies[5]).toBe('250 2.0.0 Ok: queued as 1')
    const response = await createInboxApp(inbox, gallery).request('http://localhost/api/messages')
    const { messages } = (await response.json()) as { messages: unknown[] }
    expect(messages).toEqual([
      {
        id: '1',
        receivedAt: '2026-01-02T03:04:05.000Z',
        recipients: ['alice@example.com'],
        from: 'Herald <herald@example.com>',
        subject: 'Grüße',
        text: expect.stringContaining('Your code is 123456'),
      },
    ])
  })

  it('refuses a mail beyond its size and stays up', async () => {
    const start = ['EHLO me', 'MAIL FROM:<a@example.com>', 'RCPT TO:<b@example.com>', 'DATA']
    const replies = await speak([
      ...start,
      `Subject: big\r\n\r\n${`${'x'.repeat(998)}\r\n`.repeat(1100)}.`,
      'QUIT',
    ])

    expect(replies[5]).toMatch(/^552/)
    expect(inbox.list()).toEqual([])
    expect((await speak(['QUIT']))[0]).toMatch(/^220/)
  })
})
