import type { TrailProblem, TrailReport } from './verify-trail.ts'

/** A report for people to read, line by line. */
export function describeReport({ ok, lines, chains, problems }: TrailReport): string[] {
  const running = chains.filter(({ ended }) => !ended).length
  const open = running === 0 ? '' : `, ${running} of them without an end: still running, or killed`
  const summary = `${lines} lines in ${chains.length} chains${open}`
  return [
    ...problems.map(describeProblem),
    ok ? `the trail is whole: ${summary}` : `the trail was bent: ${summary}`,
  ]
}

function describeProblem({ kind, chain, file, line, message }: TrailProblem): string {
  const place = file === undefined ? '' : ` ${file}:${line}`
  return `${kind}${place} ${file === undefined ? 'the chain' : 'the line'} ${message}${chain === undefined ? '' : ` (chain ${chain})`}`
}
