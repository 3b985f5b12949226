import { createServer } from 'node:net'
import { listeners, type Ports } from './settings.ts'

/** One line for each port that something else holds, naming the port and what wanted it. */
export async function findTakenPorts(ports: Ports): Promise<string[]> {
  const lines = await Promise.all(
    listeners.map(async ({ name, variable }) => {
      if (!(await isTaken(ports[name]))) return []
      return [
        `Port ${ports[name]} is taken, and ${name} needs it: stop what listens there or set ${variable}.`,
      ]
    }),
  )
  return lines.flat()
}

function isTaken(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(true) : reject(error),
    )
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(false)))
  })
}
