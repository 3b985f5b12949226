const nanosecondsOf: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
}

const wholeForm = /^[+-]?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/
const term = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g

/** Reads Go's `time.ParseDuration` form, such as `1h30m` or `300ms`, as seconds; undefined when it is not one. */
export function parseDuration(text: string): number | undefined {
  if (/^[+-]?0$/.test(text)) return 0
  if (text.length > 64 || !wholeForm.test(text)) return undefined
  let nanoseconds = 0
  for (const [, amount = '', unit = ''] of text.matchAll(term)) {
    nanoseconds += Number(amount) * (nanosecondsOf[unit] ?? Number.NaN)
  }
  return (text.startsWith('-') ? -nanoseconds : nanoseconds) / 1e9
}
