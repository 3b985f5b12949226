import { readFileSync } from 'node:fs'
import { nothingRuns, type Listening } from './listening.ts'
import { PlaygroundError } from './settings.ts'

export type Enrollment = { enroll_id: string; otpauth_uri: string }

/** Speaks to the running herald-totp; an answer that is neither success nor expected throws PlaygroundError. */
export function createTotpClient({ totpUrl, headerFile }: Listening) {
  const post = async (path: string, body: Record<string, string>) => {
    const headers = new Headers({ 'Content-Type': 'application/json' })
    headers.set('X-API-Key', readFileSync(headerFile, 'utf8').replace('X-API-Key:', '').trim())
    const request = { method: 'POST', headers, body: JSON.stringify(body) }
    const response = await fetch(`${totpUrl}${path}`, request).catch(() => {
      throw nothingRuns()
    })
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }
  const unexpected = ({ status, body }: { status: number; body: Record<string, unknown> }) =>
    new PlaygroundError(`herald-totp refused with ${status}: ${String(body.reason)}.`)

  return {
    async start(subject: string): Promise<Enrollment | 'already_enrolled'> {
      const answer = await post('/v1/enroll/start', { subject })
      if (answer.status === 200) return answer.body as Enrollment
      if (answer.status === 409) return 'already_enrolled'
      throw unexpected(answer)
    },
    /** The backup codes, or undefined when the code was wrong or none at all and another may be tried. */
    async confirm(enrollId: string, code: string): Promise<string[] | undefined> {
      const answer = await post('/v1/enroll/confirm', { enroll_id: enrollId, code })
      if (answer.status === 200) return answer.body.backup_codes as string[]
      const { reason } = answer.body
      if (reason === 'invalid' || reason === 'invalid_request') return undefined
      if (reason === 'expired') throw new PlaygroundError('The enrolment is over: run `npm run enrol` again.')
      throw unexpected(answer)
    },
  }
}
