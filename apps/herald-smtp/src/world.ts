/** What `main.ts` hands in of the process and its machine. */
export type World = {
  env: Readonly<Record<string, string | undefined>>
  now: () => number
  randomBytes: (size: number) => Buffer
  /** Called back on each SIGHUP. */
  onHangup: (listener: () => void) => void
}

/** The same for a command, and where its answer goes. */
export type CommandWorld = Omit<World, 'onHangup'> & { print: (line: string) => void }
