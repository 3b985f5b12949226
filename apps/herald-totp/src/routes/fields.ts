import { z } from 'zod'

/** Text of at most `max` bytes of UTF-8. */
function text(max: number) {
  return z.string().refine((value) => Buffer.byteLength(value) <= max, `must be at most ${max} bytes`)
}

/** The caller's name for a person. */
export const subjectField = text(256)
  .min(1)
  .describe('Whose credential it is; exact in case and Unicode form')

export const labelField = text(128).describe(
  'Account name that the authenticator shows; empty or absent means the subject',
)

export const challengeIdField = text(256)
  .min(1)
  .describe("The caller's challenge; accepted once for a subject")

/** Any text names an enrolment; one that is not ours is expired. */
export const enrollmentIdField = z.string().min(1).describe('As enroll/start answered it')

/** Counted in characters, whatever their bytes. */
export const codeField = z
  .string()
  .min(1)
  .refine((code) => [...code].length <= 64, 'must be at most 64 characters')
  .describe('As it was typed: blanks, dashes and ASCII case do not matter')
