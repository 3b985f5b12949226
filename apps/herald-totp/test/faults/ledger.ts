/** What a caller asked of the running services and heard. The calls of one subject follow each other, but for equal verifies at once. */
export type Event = {
  subject: string
  /** The enrolment that the call is about; of no matter to a revoke and a status. */
  enrollment: string
  call: 'confirm' | 'verify' | 'revoke' | 'status'
  code?: string
  /** Whether the code is one of the backup codes, which never grow old. */
  isBackup?: boolean
  /** 200, a refusal, or neither: no answer, or that the store cannot be relied on. */
  answer: 'yes' | 'no' | 'unknown'
  /** Of a refusal. */
  reason?: unknown
  /** What a status told. */
  isEnabled?: boolean
}

/** The enrolments that may be in force for a subject, by what its caller was told; undefined stands for none. */
type Possible = ReadonlySet<string | undefined>

/** The promises that events in the order of their answers break: none accepted twice, no confirm and no revoke that was answered with 200 lost. */
export function brokenPromises(events: readonly Event[]): string[] {
  const possible = new Map<string, Possible>()
  const accepted = new Set<string>()
  return events.flatMap((event) => {
    const before = possible.get(event.subject) ?? new Set([undefined])
    possible.set(event.subject, after(before, event))
    const broken = isAcceptedAgain(accepted, event)
      ? 'a code was accepted twice'
      : contradiction(before, event)
    return broken === undefined ? [] : [`${broken}: ${JSON.stringify(event)}`]
  })
}

function after(before: Possible, { call, answer, enrollment }: Event): Possible {
  if (answer === 'no' || (call !== 'confirm' && call !== 'revoke')) return before
  const target = call === 'confirm' ? enrollment : undefined
  return answer === 'yes' ? new Set([target]) : new Set([...before, target])
}

/** The code of a confirm is used up as well. */
function isAcceptedAgain(accepted: Set<string>, { enrollment, code, answer }: Event): boolean {
  if (code === undefined || answer !== 'yes') return false
  const name = `${enrollment} ${code}`
  if (accepted.has(name)) return true
  accepted.add(name)
  return false
}

function contradiction(possible: Possible, event: Event): string | undefined {
  const { call, answer, enrollment, isEnabled, isBackup, reason } = event
  if (call === 'verify' && answer === 'yes' && !possible.has(enrollment))
    return 'a code was accepted after the revoke of its enrolment'
  if (
    call === 'verify' &&
    isBackup &&
    reason === 'invalid' &&
    possible.size === 1 &&
    possible.has(enrollment)
  )
    return 'a backup code of a confirmed enrolment is unknown'
  if (isEnabled === false && !possible.has(undefined)) return 'a confirmed enrolment is gone'
  if (isEnabled === true && possible.size === 1 && possible.has(undefined))
    return 'a revoked enrolment is back'
  return undefined
}
