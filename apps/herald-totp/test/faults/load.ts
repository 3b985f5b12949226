import { setTimeout as delay } from 'node:timers/promises'
import type { Random } from '../history/random.ts'
import type { Caller } from '../service-harness.ts'
import type { Event } from './ledger.ts'
import { createUser } from './user.ts'

export type Load = {
  /** In the order of the answers. */
  events: readonly Event[]
  /** Each status that was heard; 0 is no answer at all. */
  statuses: ReadonlySet<number>
  /** Resolves when so many answers more were none, or said that the store cannot be relied on. */
  losses: (times: number) => Promise<void>
  /** Resolves when a confirm, a verify and a revoke have each been answered with 200 so many times more. */
  progress: (times: number) => Promise<void>
  end: () => Promise<void>
  /** Ends it and has everybody look back. */
  finish: () => Promise<void>
}

/** Lets users enrol, verify and revoke without pause. */
export function startLoad(replicas: readonly Caller[], options: { users: number; random: Random }): Load {
  const events: Event[] = []
  const statuses = new Set<number>()
  let isOver = false
  function heard(event: Event, status: number): void {
    events.push(event)
    statuses.add(status)
  }
  const users = subjectsOf(options.users).map((subject) =>
    createUser(subject, { replicas, random: options.random.fork(subject), heard }),
  )
  const working = users.map(async (user) => {
    while (!isOver) await user.act()
  })
  const counted = (isMeant: (event: Event) => boolean) => events.filter(isMeant).length

  async function end(): Promise<void> {
    isOver = true
    await Promise.all(working)
  }

  async function reach(times: number, isMeant: (event: Event) => boolean): Promise<void> {
    const wanted = counted(isMeant) + times
    while (counted(isMeant) < wanted) await delay(5)
  }

  return {
    events,
    statuses,
    losses: (times) => reach(times, ({ answer }) => answer === 'unknown'),
    async progress(times) {
      const calls = ['confirm', 'verify', 'revoke'] as const
      const isDone = (wanted: Event['call']) => (event: Event) =>
        event.call === wanted && event.answer === 'yes'
      await Promise.all(calls.map((call) => reach(times, isDone(call))))
    },
    end,
    async finish() {
      await end()
      await Promise.all(users.map((user) => user.lookBack()))
    },
  }
}

export const subjectsOf = (users: number): string[] => Array.from({ length: users }, (_, n) => `subject-${n}`)
