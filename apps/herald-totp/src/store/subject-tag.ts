import { hash } from 'node:crypto'

const tagLength = 22

/** Of the subjects that were named last: one request names its subject three times. */
const recentTags = new Map<string, string>()
const recentMax = 256

/** Names a subject in keys and record ids without showing it: 22 base64url characters (132 bits) of its SHA-256. */
export function subjectTag(subject: string): string {
  const known = recentTags.get(subject)
  if (known !== undefined) return known
  if (recentTags.size === recentMax) recentTags.clear()
  const tag = hash('sha256', subject, 'base64url').slice(0, tagLength)
  recentTags.set(subject, tag)
  return tag
}

/** A new unguessable enrolment id (128 bits) that carries its subject's tag, so that the id alone finds the record. */
export function newEnrollmentId(subject: string, randomBytes: (size: number) => Buffer): string {
  return `e_${subjectTag(subject)}${randomBytes(16).toString('base64url')}`
}

/** The tag inside an enrolment id; undefined when the id cannot be one of ours. */
export function tagOfEnrollmentId(id: string): string | undefined {
  return /^e_([\w-]{22})[\w-]{22}$/.exec(id)?.[1]
}
