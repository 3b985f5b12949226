import type { AuditSink } from '@herald/audit'
import { destination } from 'pino'

type Output = ReturnType<typeof destination>

/** As many bytes as are written at once: a write wakes another thread, which costs as much as several lines. */
const writeBytes = 15 * 1024

/**
 * Writes in the background, at most a tenth of a second later; what is pending is written before the process exits, be
 * it by `exit` or by an uncaught error. Two of them would tear each other's lines.
 */
export function openStandardOutput(descriptor = 1): Output {
  return destination({ dest: descriptor, sync: false, minLength: writeBytes, periodicFlush: 100 })
}

/** For lines of the audit trail among those of the log. */
export function asSink(output: Output): AuditSink {
  return {
    write: (line) => void output.write(line),
    async flush() {
      // While a write is under way the first says no more than that it is over; what waited behind it goes with the second.
      await flush(output)
      await flush(output)
    },
  }
}

function flush(output: Output): Promise<void> {
  return new Promise((resolve, reject) => {
    output.flush((error) => {
      // A pipe or a terminal has taken the lines and cannot be synced.
      const isTaken = !error || ['EINVAL', 'ENOTSUP'].includes((error as NodeJS.ErrnoException).code ?? '')
      if (isTaken) resolve()
      else reject(error)
    })
  })
}
