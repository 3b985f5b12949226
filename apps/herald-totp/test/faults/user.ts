import { setTimeout as delay } from 'node:timers/promises'
import { codeOf } from '../domain-harness.ts'
import type { Random } from '../history/random.ts'
import type { Answer, Caller } from '../service-harness.ts'
import type { Event } from './ledger.ts'

/** What a subject has enrolled, as far as its caller knows. */
type Held = { enrollment: string; secret: string; backupCodes: readonly string[] }

export type User = {
  /** One step of its life: enrol, verify at every replica at once, look, revoke. */
  act: () => Promise<unknown>
  /** Offers again what was accepted of its last enrolment, and looks. */
  lookBack: () => Promise<void>
}

type Deps = {
  replicas: readonly Caller[]
  random: Random
  heard: (event: Event, status: number) => void
}

export function createUser(subject: string, { replicas, random, heard }: Deps): User {
  let held: Held | undefined
  let used: string[] = []
  /** The last confirm or revoke may have happened or not. */
  let isUnsure = false
  /** Nothing was heard the last time, and nothing is changed before it is known how things are. */
  let isCutOff = false

  async function hear(
    event: Omit<Event, 'subject' | 'answer'>,
    asked: Promise<Answer>,
  ): Promise<{ answer: Event['answer']; body: Answer['body'] }> {
    const { status, body }: Answer = await asked.catch(() => ({ status: 0, body: {}, text: '' }))
    const isLost = status === 0 || status >= 500
    const answer = status === 200 ? 'yes' : isLost ? 'unknown' : 'no'
    const isEnabled = event.call === 'status' && status === 200 ? body['totp_enabled'] === true : undefined
    const told = { reason: body['reason'], ...(isEnabled !== undefined && { isEnabled }) }
    heard({ subject, ...event, answer, ...told }, status)
    return { answer, body }
  }

  async function enrol(): Promise<void> {
    const caller = random.pick(replicas)
    const started = await caller.post('/v1/enroll/start', { subject }).catch(() => undefined)
    isUnsure = started?.status === 409
    isCutOff = started?.status !== 200
    if (started?.status !== 200) return
    const enrollment = String(started.body['enroll_id'])
    const secret = String(started.body['secret_base32'])
    const code = codeOf(secret, Date.now(), -1)
    const confirmed = caller.post('/v1/enroll/confirm', { enroll_id: enrollment, code })
    const { answer, body } = await hear({ enrollment, call: 'confirm', code }, confirmed)
    isUnsure = isCutOff = answer === 'unknown'
    if (answer !== 'yes') return
    held = { enrollment, secret, backupCodes: body['backup_codes'] as string[] }
    used = []
  }

  async function revoke(): Promise<void> {
    const revoked = random.pick(replicas).post('/v1/revoke', { subject })
    const { answer } = await hear({ enrollment: held?.enrollment ?? '', call: 'revoke' }, revoked)
    isUnsure = isCutOff = answer === 'unknown'
    if (answer === 'yes') held = undefined
  }

  async function look(): Promise<void> {
    const { answer } = await hear({ enrollment: '', call: 'status' }, random.pick(replicas).status(subject))
    isCutOff = answer === 'unknown'
    // A service that is down refuses at once.
    if (isCutOff) await delay(20)
  }

  /** TOTP codes come up again and again while they last, backup codes for ever. */
  async function verify({ enrollment, secret, backupCodes }: Held): Promise<void> {
    const isBackup = random.once(3)
    const code = isBackup ? random.pick(backupCodes) : codeOf(secret, Date.now(), random.below(3) - 1)
    await offer({ enrollment, call: 'verify', code, isBackup })
  }

  async function offer(event: Omit<Event, 'subject' | 'answer'> & { code: string }): Promise<void> {
    const answers = await Promise.all(
      replicas.map((caller) => hear(event, caller.verify(subject, event.code))),
    )
    isCutOff = answers.some(({ answer }) => answer === 'unknown')
    if (answers.some(({ answer }) => answer === 'yes')) used.push(event.code)
  }

  return {
    async act() {
      if (isCutOff) return look()
      if (isUnsure) return revoke()
      if (!held) return enrol()
      if (random.once(8)) return revoke()
      return random.once(4) ? look() : verify(held)
    },
    async lookBack() {
      for (const code of held ? used : []) await offer({ enrollment: held!.enrollment, call: 'verify', code })
      do await look()
      while (isCutOff)
    },
  }
}
