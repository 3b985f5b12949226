import { setTimeout as delay } from 'node:timers/promises'
import { ask, openConnection, type Connection } from './connection.ts'
import { quantile } from './figures.ts'
import { runLoad, type Load, type Plan } from './load.ts'
import {
  codeOf,
  millisecondsToNextStep,
  signedRequest,
  stepAt,
  verifyRequest,
  wrongCodeOf,
  type Account,
} from './totp-requests.ts'

export type Mode = 'verify' | 'wrong' | 'replay' | 'status'

export type Shape = { requests: number; connections: number; rate?: number }

/** Enrolled subjects of one service, and which steps they have used there. */
export type Population = {
  /** Enrols by start and confirm; the two calls count as one request. */
  enrol: (count: number, connections: number) => Promise<Load>
  /** Takes accounts on that are in the store already. */
  adopt: (accounts: readonly Account[]) => void
  /** Everything that is not to be measured, waiting for the next step included. */
  prepare: (mode: Mode, shape: Shape) => Promise<Plan>
}

type Member = Account & { /** The last step that the service accepted, or may have. */ usedStep: number }

export function createPopulation(port: number): Population {
  const members: Member[] = []
  let offset = 0

  /** Goes on where the last one stopped, so that no subject collects failures. */
  function nextMembers(count: number): Member[] {
    const from = offset
    offset += count
    return Array.from({ length: count }, (_, n) => members[(from + n) % members.length] as Member)
  }

  /** A subject succeeds once in a step, and the code that confirmed its enrolment counts. */
  async function unusedMembers(count: number): Promise<{ step: number; found: Member[] }> {
    if (count > members.length) throw new Error(`${count} codes in a step need as many subjects`)
    for (;;) {
      const step = stepAt(Date.now())
      const found: Member[] = []
      for (let looked = 0; looked < members.length && found.length < count; looked += 1)
        found.push(...nextMembers(1).filter(({ usedStep }) => usedStep < step))
      if (found.length === count) return { step, found }
      await delay(millisecondsToNextStep(Date.now()) + 20)
    }
  }

  async function prepareVerify(count: number): Promise<Pick<Plan, 'requests' | 'expected' | 'onExpected'>> {
    const { step, found } = await unusedMembers(count)
    for (const member of found) member.usedStep = step
    return {
      requests: found.map((member) => verifyRequest(member, codeOf(member, step))),
      expected: { status: 200, text: '"ok":true' },
    }
  }

  /** Codes of this step that were accepted in it. */
  async function prepareReplay(count: number): Promise<Pick<Plan, 'requests' | 'expected'>> {
    const accepted: { member: Member; code: string }[] = []
    while (accepted.length < count) {
      const { step, found } = await unusedMembers(count - accepted.length)
      const tried = found.map((member) => ({ member, code: codeOf(member, step) }))
      for (const { member } of tried) member.usedStep = step
      await runLoad({
        port,
        connections: 32,
        requests: tried.map(({ member, code }) => verifyRequest(member, code)),
        expected: { status: 200, text: '"ok":true' },
        onExpected: (index) => accepted.push(...tried.slice(index, index + 1)),
      })
    }
    return {
      requests: accepted.map(({ member, code }) => verifyRequest(member, code)),
      expected: { status: 400, text: '"replay"' },
    }
  }

  async function prepareRequests(mode: Mode, count: number): Promise<Pick<Plan, 'requests' | 'expected'>> {
    if (mode === 'verify') return prepareVerify(count)
    if (mode === 'replay') return prepareReplay(count)
    if (mode === 'status') {
      return {
        requests: nextMembers(count).map(({ subject }) =>
          signedRequest('GET', `/v1/status?subject=${subject}`, undefined),
        ),
        expected: { status: 200, text: '"totp_enabled":true' },
      }
    }
    const step = stepAt(Date.now())
    return {
      requests: nextMembers(count).map((member) => verifyRequest(member, wrongCodeOf(member, step))),
      expected: { status: 401, text: '"invalid"' },
    }
  }

  return {
    async enrol(count, connections) {
      const first = members.length
      const { load, enrolled } = await enrolAll(port, { first, count, connections })
      for (const member of enrolled) members.push(member)
      return load
    },
    adopt(accounts) {
      for (const account of accounts) members.push({ ...account, usedStep: 0 })
    },
    async prepare(mode, { requests: count, connections, rate }) {
      return {
        port,
        connections,
        ...(await prepareRequests(mode, count)),
        ...(rate !== undefined && { rate }),
      }
    },
  }
}

async function enrolAll(
  port: number,
  { first, count, connections }: { first: number; count: number; connections: number },
): Promise<{ load: Load; enrolled: Member[] }> {
  const enrolled: Member[] = []
  const tookMs: number[] = []
  const cpu = process.cpuUsage()
  const startedAt = performance.now()
  let next = first
  async function work(): Promise<void> {
    const connection = await openConnection(port)
    while (next < first + count) {
      const subject = `bench-${String(next).padStart(7, '0')}`
      next += 1
      const since = performance.now()
      enrolled.push(await enrolOne(connection, subject))
      tookMs.push(performance.now() - since)
    }
    connection.close()
  }
  await Promise.all(Array.from({ length: connections }, work))
  const seconds = (performance.now() - startedAt) / 1000
  const { user, system } = process.cpuUsage(cpu)
  const load = {
    requests: count,
    expected: count,
    seconds,
    perSecond: count / seconds,
    p50: quantile(tookMs, 0.5),
    p99: quantile(tookMs, 0.99),
    max: quantile(tookMs, 1),
    generatorCpuMs: (user + system) / 1000 / count,
  }
  return { load, enrolled }
}

async function enrolOne(connection: Connection, subject: string): Promise<Member> {
  const post = async (target: string, content: object): Promise<Record<string, unknown>> => {
    const { status, body } = await ask(connection, signedRequest('POST', target, content))
    if (status !== 200) throw new Error(`${target}: ${status} ${body}`)
    return JSON.parse(body) as Record<string, unknown>
  }
  const started = await post('/v1/enroll/start', { subject, label: `${subject}@example.net` })
  const secret = secretOf(started)
  const step = confirmingStep(Date.now())
  await post('/v1/enroll/confirm', {
    enroll_id: started['enroll_id'],
    code: codeOf({ subject, secret }, step),
  })
  return { subject, secret, usedStep: step }
}

/** The step before this one, so that the code of this one is still to be used, unless it is about to be too old. */
function confirmingStep(now: number): number {
  return millisecondsToNextStep(now) > 5000 ? stepAt(now) - 1 : stepAt(now)
}

/** Unless it is told to, the original gives the secret within the URI alone. */
function secretOf({ secret_base32: shown, otpauth_uri: uri }: Record<string, unknown>): Buffer {
  const text = (typeof shown === 'string' && shown) || new URL(String(uri)).searchParams.get('secret') || ''
  const bits = [...text.replace(/=+$/, '')].map((symbol) =>
    'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(symbol).toString(2).padStart(5, '0'),
  )
  return Buffer.from((bits.join('').match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)))
}
