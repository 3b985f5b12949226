import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

export type ServiceProcess = {
  /** Settles with a line saying how the process ended, once its last output was printed. */
  ended: Promise<string>
  /** Asks with SIGTERM, and after the limit insists with SIGKILL; settles when the process is gone. */
  stop(limitMs: number): Promise<void>
}

/** Runs one service in a process group of its own (Ctrl-C reaches only the playground) and prints its output under its name. */
export function startServiceProcess(options: {
  name: string
  command: readonly [file: string, ...args: string[]]
  env: Record<string, string>
  print: (line: string) => void
}): ServiceProcess {
  const [file, ...args] = options.command
  const child = spawn(file, args, {
    env: options.env,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  for (const output of [child.stdout, child.stderr]) {
    createInterface({ input: output }).on('line', (line) => options.print(`${options.name} | ${line}`))
  }
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`${options.name} did not start: ${error.message}`))
    child.once('close', (code, signal) =>
      resolve(`${options.name} ended with ${signal ?? `exit code ${code}`}.`),
    )
  })

  return {
    ended,
    async stop(limitMs) {
      child.kill('SIGTERM')
      const insist = setTimeout(() => child.kill('SIGKILL'), limitMs)
      await ended
      clearTimeout(insist)
    },
  }
}
