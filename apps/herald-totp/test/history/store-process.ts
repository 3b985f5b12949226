import type { StoreSettings } from '@herald/storage'
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { StorePolicy } from '../../src/store/store.ts'
import type { Answered } from './store-program.ts'

/** The store did not answer, or said that it cannot be relied on: the call may have taken effect. */
export class Unknown extends Error {}

export type StoreProcess = {
  /** Runs a verb there; Unknown when the store is unavailable or the process ends first. */
  call: (verb: string, ...args: unknown[]) => Promise<unknown>
  /** Resolves once its store answers. */
  back: () => Promise<void>
  /** SIGSTOP, until `resume`. */
  pause: () => void
  resume: () => void
  /** SIGKILL, and another one in its place. */
  replace: () => Promise<void>
  stop: () => Promise<void>
}

export type ProcessOptions = { policy: StorePolicy; now: () => number }

/** A client of the store in a process of its own, whose clock is that of the test. */
export async function startStoreProcess(
  settings: StoreSettings,
  options: ProcessOptions,
): Promise<StoreProcess> {
  let peer = await launch(settings, options)

  async function back(): Promise<void> {
    for (;;) {
      try {
        await peer.call('ping')
        return
      } catch (error) {
        if (!(error instanceof Unknown)) throw error
        await delay(10)
      }
    }
  }

  return {
    call: (verb, ...args) => peer.call(verb, ...args),
    back,
    pause: () => void peer.child.kill('SIGSTOP'),
    resume: () => void peer.child.kill('SIGCONT'),
    async replace() {
      const { child } = peer
      child.kill('SIGKILL')
      await once(child, 'exit')
      peer = await launch(settings, options)
    },
    async stop() {
      peer.child.disconnect()
      await once(peer.child, 'exit')
    },
  }
}

type Waiting = { resolve: (value: unknown) => void; reject: (error: Error) => void }

async function launch(settings: StoreSettings, { policy, now }: ProcessOptions) {
  const program = join(import.meta.dirname, 'store-program.ts')
  const child = fork(program, [JSON.stringify({ settings, policy, now: now() })], {
    execArgv: [],
    serialization: 'advanced',
  })
  const onExit = (): void => void child.kill('SIGKILL')
  process.once('exit', onExit)
  const waiting = new Map<number, Waiting>()
  let asked = 0
  child.on('message', ({ id, value, fault }: Answered) => {
    const asker = waiting.get(id)
    waiting.delete(id)
    if (fault) asker?.reject(asError(fault))
    else asker?.resolve(value)
  })
  child.once('exit', () => {
    process.off('exit', onExit)
    for (const { reject } of waiting.values()) reject(new Unknown('the process ended'))
    waiting.clear()
  })
  const answer = (id: number) =>
    new Promise<unknown>((resolve, reject) => {
      waiting.set(id, { resolve, reject })
    })
  await answer(0)
  return { child, call: (verb: string, ...args: unknown[]) => ask(child, { verb, args }) }

  function ask(to: ChildProcess, what: { verb: string; args: unknown[] }): Promise<unknown> {
    if (!to.connected) return Promise.reject(new Unknown('the process has ended'))
    const id = ++asked
    to.send({ id, ...what, now: now() }, (error) => {
      if (error) waiting.get(id)?.reject(new Unknown('the process has ended'))
    })
    return answer(id)
  }
}

function asError({ code, message }: NonNullable<Answered['fault']>): Error {
  // A damaged record is a defect in a history that nobody meddled with.
  return code === 'STORE_UNAVAILABLE' && !/damaged/i.test(message) ? new Unknown(message) : new Error(message)
}
