import { z } from 'zod'

const timeoutMs = 5000

const readiness = z.object({
  checks: z.object({
    primary: z.string(),
    keys: z.array(z.object({ id: z.string(), state: z.string(), kcv: z.string() })),
  }),
})

export type ReplicaKeys = z.output<typeof readiness>['checks']

/** Why a replica does not agree; undefined when it does. */
type Judge = (keys: ReplicaKeys) => string | undefined

/** Asks every `/readyz` what keys it has; an answer for each that does not agree, does not answer or is not ready. */
export async function disagreeing(urls: readonly string[], judge: Judge): Promise<string[]> {
  const answers = await Promise.all(
    urls.map(async (url) => {
      const problem = await ask(url, judge)
      return problem === undefined ? undefined : `${url} ${problem}`
    }),
  )
  return answers.filter((answer) => answer !== undefined)
}

async function ask(url: string, judge: Judge): Promise<string | undefined> {
  try {
    const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(timeoutMs) })
    if (!response.ok) return `is not ready (${response.status})`
    const answer = readiness.safeParse(await response.json())
    return answer.success ? judge(answer.data.checks) : 'does not answer as herald-totp does'
  } catch {
    return 'does not answer'
  }
}

/** A replica can open with the key, and has the same one. */
export function canOpenWith(id: string, kcv: string): Judge {
  return ({ keys }) => {
    const key = keys.find((candidate) => candidate.id === id)
    if (!key) return `does not have key ${id}`
    if (key.kcv !== kcv) return `has another key ${id} (check value ${key.kcv} instead of ${kcv})`
    return key.state === 'disabled' ? `has key ${id} disabled` : undefined
  }
}

/** A replica seals with another key. */
export function sealsWithoutKey(id: string): Judge {
  return ({ primary }) => (primary === id ? `still seals with key ${id}` : undefined)
}
