import { readFileSync } from 'node:fs'

export type Template = { name: string; locales: readonly string[] }
export type Preview = { subject: string; html: string }

/** The mails that herald-smtp has built in, as it would send them. */
export type Gallery = {
  listTemplates(): Promise<readonly Template[]>
  /** Rejects when herald-smtp does not answer. */
  preview(template: string, locale: string): Promise<Preview>
}

/** Asks the running service with its administrator's key; nothing is sent. */
export function createGallery(options: { smtpUrl: string; adminKeyFile: string }): Gallery {
  const ask = async (path: string, init?: RequestInit): Promise<unknown> => {
    const headers = { 'X-API-Key': readFileSync(options.adminKeyFile, 'utf8').trim() }
    const response = await fetch(`${options.smtpUrl}${path}`, {
      ...init,
      headers: { ...headers, 'Content-Type': 'application/json' },
    })
    if (response.ok) return response.json()
    throw new Error(`herald-smtp answered ${response.status} to ${path}`)
  }
  return {
    async listTemplates() {
      const { templates } = (await ask('/v1/templates')) as { templates: readonly Template[] }
      return templates
    },
    async preview(template, locale) {
      const body = JSON.stringify({ template, locale, params: { code: '482913', expires_in: '300' } })
      return (await ask('/v1/preview', { method: 'POST', body })) as Preview
    },
  }
}
