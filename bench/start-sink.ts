import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Profile } from './sink.ts'

export type Sink = {
  port: number
  /** Milliseconds that each mail took since the last look, by recipient. */
  look: () => Promise<Map<string, number>>
  stop: () => void
}

/** The mail server of `sink.ts`, once it listens. */
export async function startSink(profile: Profile): Promise<Sink> {
  const child = fork(join(import.meta.dirname, 'sink.ts'), [JSON.stringify(profile)])
  const [port] = (await once(child, 'message')) as [number]
  return {
    port,
    async look() {
      child.send('look')
      const [tookMs] = (await once(child, 'message')) as [[string, number][]]
      return new Map(tookMs)
    },
    stop: () => void child.kill(),
  }
}
