import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  openSync,
  write as writeTo,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import type { AuditSink } from './audit.ts'

/** A file that must not, or cannot, hold the trail. */
export class AuditFileRefused extends Error {
  override name = 'AuditFileRefused'
}

/** Characters that wait in memory while the file takes nothing, at most. */
const waitingMax = 8 * 1024 * 1024
const retryMs = 1000
/** How long a write that is under way is let go first when the process ends. */
const lastWriteMs = 100

export type AuditFile = AuditSink & {
  /** Writes on at the path, where a rotation has put another file; throws AuditFileRefused and then writes on where it was. */
  reopen: () => void
  /** Writes what waits before it returns, as far as the file takes it; for a process that is about to end. */
  flushNow: () => void
}

/**
 * Appends to a file of mode 0600 in the background. When a write fails, lines wait and are written in order once one
 * succeeds; those that do not fit any more are lost and told. Throws AuditFileRefused.
 */
export function openAuditFile(
  path: string,
  on: { fault: (error: unknown) => void; written: () => void; lost: () => void },
): AuditFile {
  let file = openSafely(path)
  let nextFile: number | undefined
  let waiting: string[] = []
  let waitingLength = 0
  let pending: Buffer = Buffer.alloc(0)
  let isWriting = false
  let isTorn = false
  let flushed: { resolve: () => void; reject: (error: unknown) => void }[] = []

  function nextBatch(): boolean {
    // A line that a full disk cut short is finished where it began.
    if (nextFile !== undefined && !isTorn) {
      closeSync(file)
      file = nextFile
      nextFile = undefined
    }
    if (pending.length > 0) return true
    pending = Buffer.from(waiting.join(''))
    waiting = []
    waitingLength = 0
    return pending.length > 0
  }

  function pump(): void {
    if (isWriting) return
    if (!nextBatch()) return settle((one) => one.resolve())
    isWriting = true
    writeTo(file, pending, (error, count) => {
      isWriting = false
      if (error) return fail(error)
      pending = pending.subarray(count)
      isTorn = pending.length > 0
      on.written()
      pump()
    })
  }

  function fail(error: unknown): void {
    on.fault(error)
    settle((one) => one.reject(error))
    setTimeout(pump, retryMs).unref()
  }

  function settle(end: (one: (typeof flushed)[number]) => void): void {
    const ending = flushed
    flushed = []
    ending.forEach(end)
  }

  return {
    write(line) {
      if (waitingLength + line.length > waitingMax) return on.lost()
      waiting.push(line)
      waitingLength += line.length
      // What one turn of the event loop writes goes out together.
      if (waiting.length === 1) setImmediate(pump)
    },
    flush: () =>
      new Promise((resolve, reject) => {
        flushed.push({ resolve, reject })
        pump()
      }),
    reopen() {
      const opened = openSafely(path)
      if (nextFile !== undefined) closeSync(nextFile)
      nextFile = opened
      pump()
    },
    flushNow() {
      // What is being written is written by the system, also after the process has ended: the rest comes after it.
      if (isWriting) {
        pending = Buffer.alloc(0)
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, lastWriteMs)
      }
      try {
        while (nextBatch()) pending = pending.subarray(writeSync(file, pending))
      } catch (error) {
        on.fault(error)
      }
    },
  }
}

/** Throws AuditFileRefused where `openAuditFile` would, and makes no file: it would belong to who asks. */
export function checkAuditFile(path: string): void {
  if (existsSync(path)) closeSync(openSafely(path))
  else orRefuse(() => accessSync(`${dirname(path)}/`, constants.W_OK))
}

function openSafely(path: string): number {
  const file = orRefuse(() => openSync(path, 'a', 0o600))
  const { mode } = fstatSync(file)
  if ((mode & 0o022) === 0 || !fstatSync(file).isFile()) return file
  closeSync(file)
  throw new AuditFileRefused('can be written by others; chmod it to 0600')
}

function orRefuse<T>(open: () => T): T {
  try {
    return open()
  } catch (error) {
    throw new AuditFileRefused(`cannot be opened for appending (${(error as NodeJS.ErrnoException).code})`)
  }
}
