import type { z } from 'zod'

/** One short sentence about the first issue: the field and what it must be, never the value nor a name that was sent. */
export function describeIssues(error: z.ZodError): string {
  const [issue] = error.issues
  if (issue === undefined) return 'the request is not well formed'
  const field = issue.path.map(String).filter(isOrdinaryName).join('.')
  return `${field === '' ? 'the request' : field} ${wordingOf(issue)}`
}

function wordingOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `must be of type ${issue.expected}`
    case 'too_small':
      return 'is too short or too small'
    case 'too_big':
      return 'is too long or too large'
    case 'unrecognized_keys':
      return 'has a field that does not belong there'
    case 'custom':
      return issue.message
    default:
      return 'is not valid'
  }
}

function isOrdinaryName(name: string): boolean {
  return /^[a-z0-9_]{1,32}$/.test(name)
}
