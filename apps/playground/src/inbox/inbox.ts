import PostalMime, { type Address } from 'postal-mime'

export type Mail = {
  id: string
  receivedAt: string
  /** The envelope's recipients: whom the server was told to deliver to, whatever the headers say. */
  recipients: readonly string[]
  from: string
  subject: string
  text: string
  html: string | undefined
  raw: Uint8Array
}

export type Inbox = {
  /** Parses and keeps one message; the oldest falls out beyond the limit. */
  add(raw: Uint8Array, recipients: readonly string[]): Promise<Mail>
  /** Newest first. */
  list(): readonly Mail[]
  find(id: string): Mail | undefined
}

/** A mailbox in memory for everybody: what a developer sends is shown, nothing is delivered. */
export function createInbox(options: { mailsMax: number; now: () => number }): Inbox {
  const mails: Mail[] = []
  let received = 0

  return {
    async add(raw, recipients) {
      const message = await PostalMime.parse(raw)
      received += 1
      const mail: Mail = {
        id: String(received),
        receivedAt: new Date(options.now()).toISOString(),
        recipients,
        from: formatAddress(message.from),
        subject: message.subject ?? '',
        text: message.text ?? '',
        html: message.html,
        raw,
      }
      mails.unshift(mail)
      mails.splice(options.mailsMax)
      return mail
    },
    list: () => mails,
    find: (id) => mails.find((mail) => mail.id === id),
  }
}

function formatAddress(address: Address | undefined): string {
  if (!address?.address) return address?.name ?? ''
  return address.name ? `${address.name} <${address.address}>` : address.address
}
