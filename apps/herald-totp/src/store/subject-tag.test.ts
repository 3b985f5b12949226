import { expect, it } from 'vitest'
import { subjectTag } from './subject-tag.ts'

it('names a subject the same way however many others were named in between', () => {
  const subjects = Array.from({ length: 300 }, (_, n) => `subject-${n}`)
  const tags = subjects.map(subjectTag)
  expect(new Set(tags).size).toBe(300)
  expect(subjects.map(subjectTag)).toEqual(tags)
  // The first 22 characters of the SHA-256 in base64url.
  expect(subjectTag('alice')).toBe('K9gGyX8OAK8aH8Myj6djqS')
})
