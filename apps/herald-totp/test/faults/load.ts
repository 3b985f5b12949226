import { setTimeout as delay } from 'node:timers/promises'
import { codeOf } from '../domain-harness.ts'
import type { Random } from '../history/random.ts'
import type { Answer, Caller } from '../service-harness.ts'
import type { Event } from './ledger.ts'

/** What a subject has enrolled, as far as its caller knows. */
type Held = { enrollment: string; secret: string; backupCodes: readonly string[] }
type User = { subject: string; random: Random; held?: Held; isUnsure: boolean }

export type Load = {
  /** In the order of the answers. */
  events: readonly Event[]
  /** How often each status was heard; 0 is no answer at all. */
  statuses: ReadonlySet<number>
  /** How many answers were none, or said that the store cannot be relied on. */
  lost: () => number
  /** Resolves when a confirm, a verify and a revoke have each been answered with 200 so many times more. */
  progress: (times: number) => Promise<void>
  /** Ends the load, then offers again what was accepted of those who are still enrolled and asks for every status. */
  finish: () => Promise<void>
}

/** Lets subjects enrol, verify and revoke without pause, each verify at every replica at once. */
export function startLoad(replicas: readonly Caller[], options: { subjects: number; random: Random }): Load {
  const events: Event[] = []
  const statuses = new Set<number>()
  let isOver = false
  const users = Array.from({ length: options.subjects }, (_, n): User => {
    const subject = `subject-${n}`
    return { subject, random: options.random.fork(subject), isUnsure: false }
  })

  async function hear(
    event: Omit<Event, 'answer'>,
    asked: Promise<Answer>,
  ): Promise<{ event: Event; answer: Answer }> {
    const answer: Answer = await asked.catch(() => ({ status: 0, body: {}, text: '' }))
    const { status, body } = answer
    statuses.add(status)
    const isLost = status === 0 || status >= 500
    const heard: Event = {
      ...event,
      answer: status === 200 ? 'yes' : isLost ? 'unknown' : 'no',
      ...(body['reason'] !== undefined && { reason: body['reason'] }),
      ...(event.call === 'status' && status === 200 && { isEnabled: body['totp_enabled'] === true }),
    }
    events.push(heard)
    // A service that is down refuses at once.
    if (isLost) await delay(20)
    return { event: heard, answer }
  }

  async function enrol(user: User): Promise<void> {
    const { subject, random } = user
    const caller = random.pick(replicas)
    const started = await caller.post('/v1/enroll/start', { subject }).catch(() => undefined)
    if (started?.status !== 200) return started?.status === 409 ? revoke(user) : delay(20)
    const enrollment = String(started.body['enroll_id'])
    const secret = String(started.body['secret_base32'])
    const code = codeOf(secret, Date.now(), -1)
    const confirm = { subject, enrollment, call: 'confirm', code } as const
    const { event, answer } = await hear(
      confirm,
      caller.post('/v1/enroll/confirm', { enroll_id: enrollment, code }),
    )
    user.isUnsure = event.answer === 'unknown'
    if (event.answer === 'yes')
      user.held = { enrollment, secret, backupCodes: answer.body['backup_codes'] as string[] }
  }

  async function revoke(user: User): Promise<void> {
    const { subject, held, random } = user
    const asked = random.pick(replicas).post('/v1/revoke', { subject })
    const { event } = await hear({ subject, enrollment: held?.enrollment ?? '', call: 'revoke' }, asked)
    user.isUnsure = event.answer === 'unknown'
    if (event.answer === 'yes') delete user.held
  }

  async function status({ subject, random }: User): Promise<Event> {
    const asked = random.pick(replicas).status(subject)
    return (await hear({ subject, enrollment: '', call: 'status' }, asked)).event
  }

  /** TOTP codes come up again and again while they last; those of backup codes for ever. */
  async function verify({ subject, random }: User, { enrollment, secret, backupCodes }: Held): Promise<void> {
    const isBackup = random.once(3)
    const code = isBackup ? random.pick(backupCodes) : codeOf(secret, Date.now(), random.below(3) - 1)
    await offer({ subject, enrollment, call: 'verify', code, isBackup })
  }

  async function offer(event: Omit<Event, 'answer'>): Promise<void> {
    await Promise.all(replicas.map((caller) => hear(event, caller.verify(event.subject, event.code!))))
  }

  async function act(user: User): Promise<unknown> {
    const { random, held, isUnsure } = user
    if (isUnsure) {
      await status(user)
      return revoke(user)
    }
    if (!held) return enrol(user)
    if (random.once(8)) return revoke(user)
    return random.once(4) ? status(user) : verify(user, held)
  }

  /** Codes of earlier enrolments would only count as guesses. */
  async function lookBack(user: User): Promise<void> {
    const isUsed = ({ subject, enrollment, call, answer }: Event) =>
      subject === user.subject &&
      enrollment === user.held?.enrollment &&
      call === 'verify' &&
      answer === 'yes'
    for (const { subject, enrollment, call, code } of events.filter(isUsed))
      await offer({ subject, enrollment, call, code: code! })
    while ((await status(user)).answer === 'unknown') await delay(20)
  }

  const working = users.map(async (user) => {
    while (!isOver) await act(user)
  })
  const answered = (call: Event['call']) =>
    events.filter((event) => event.call === call && event.answer === 'yes').length

  return {
    events,
    statuses,
    lost: () => events.filter(({ answer }) => answer === 'unknown').length,
    async progress(times) {
      const wanted = (['confirm', 'verify', 'revoke'] as const).map(
        (call) => [call, answered(call) + times] as const,
      )
      while (wanted.some(([call, count]) => answered(call) < count)) await delay(5)
    },
    async finish() {
      isOver = true
      await Promise.all(working)
      await Promise.all(users.map(lookBack))
    },
  }
}
