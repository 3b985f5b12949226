import { write as writeTo, writeSync } from 'node:fs'
import type { AuditSink } from '@herald/audit'

type Done = (error?: Error) => void

/** Takes whole lines and writes them in the background, at most a tenth of a second later. Two would tear each other's lines. */
export type StandardOutput = {
  /** False for a line that is lost, because as many wait as may. */
  write: (line: string) => boolean
  /** Calls back once all that was taken before was handed to the system, or a write failed, or none is taken any more. */
  flush: (done: Done) => void
  /** Writes what waits before it returns, as far as it is taken; for a process that is about to end. */
  flushNow: () => void
}

/** As many characters as are written at once: a write wakes another thread, which costs as much as several lines. */
const writeLength = 15 * 1024
const writeEveryMs = 100
/** Characters that wait in memory while a full disk or a slow reader takes nothing, at most. */
const waitingMax = 8 * 1024 * 1024
/** How long a flush waits for a reader: what is to end must not wait for one that has stopped. */
const flushMs = 2000
/** How often a pipe that is full is tried at the end of the process. */
const lastTries = 10

const nothing = Buffer.alloc(0)

/** What cannot be written waits and is tried again: nobody is shut out because of the log. */
export function openStandardOutput(descriptor = 1): StandardOutput {
  let waiting = ''
  let taken = 0
  let pending: Buffer = nothing
  let pendingUpTo = 0
  let isWriting = false
  let timer: NodeJS.Timeout | undefined
  let flushes: { upTo: number; done: Done }[] = []

  function pump(): void {
    if (isWriting) return
    if (pending.length === 0) {
      pending = Buffer.from(waiting)
      pendingUpTo = taken
      waiting = ''
    }
    if (pending.length === 0) return settle()
    isWriting = true
    writeTo(descriptor, pending, (error, count) => {
      isWriting = false
      if (error?.code === 'EAGAIN') return pumpLater()
      if (error) return fail(error)
      pending = pending.subarray(count)
      if (pending.length === 0) settle()
      if (pending.length > 0 || flushes.length > 0 || waiting.length >= writeLength) pump()
      else if (waiting !== '') pumpLater()
    })
  }

  function settle(): void {
    const ended = flushes.filter(({ upTo }) => upTo <= pendingUpTo)
    flushes = flushes.filter(({ upTo }) => upTo > pendingUpTo)
    for (const { done } of ended) done()
  }

  function fail(error: Error): void {
    const ended = flushes
    flushes = []
    for (const { done } of ended) done(error)
    pumpLater()
  }

  function pumpLater(): void {
    timer ??= setTimeout(() => {
      timer = undefined
      pump()
    }, writeEveryMs).unref()
  }

  return {
    write(line) {
      if (waiting.length + line.length > waitingMax) return false
      waiting += line
      taken += line.length
      // While something is pending it goes first, and what waits follows it.
      if (waiting.length >= writeLength && pending.length === 0) pump()
      else pumpLater()
      return true
    },
    flush(done) {
      const waits = { upTo: taken, done: end }
      // Keeps the process until then, since nothing else may.
      const deadline = setTimeout(() => {
        flushes = flushes.filter((one) => one !== waits)
        end(new Error('the standard output takes nothing'))
      }, flushMs)
      function end(error?: Error): void {
        clearTimeout(deadline)
        done(error)
      }
      flushes.push(waits)
      pump()
    },
    flushNow() {
      // What is being written is written by the system, also after the process has ended: the rest comes after it.
      if (isWriting) pause()
      const rest = Buffer.concat([isWriting ? nothing : pending, Buffer.from(waiting)])
      pending = nothing
      waiting = ''
      writeAtOnce(descriptor, rest)
    },
  }
}

function writeAtOnce(descriptor: number, bytes: Buffer): void {
  let rest = bytes
  for (let tries = 0; rest.length > 0 && tries < lastTries;) {
    try {
      rest = rest.subarray(writeSync(descriptor, rest))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return
      tries += 1
      pause()
    }
  }
}

/** Holds all up but what the system has been given. */
function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, writeEveryMs)
}

/** For lines of the audit trail among those of the log; `lost` hears of each that is. */
export function asSink(output: StandardOutput, lost: () => void): AuditSink {
  return {
    write(line) {
      if (!output.write(line)) lost()
    },
    flush: () =>
      new Promise((resolve, reject) => {
        output.flush((error) => (error ? reject(error) : resolve()))
      }),
  }
}
