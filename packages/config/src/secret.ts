import { inspect } from 'node:util'

const mask = '[secret]'

/** A text that no log, error or serialiser shows; only `reveal` gives it away. */
export type Secret = { reveal(): string }

/** Turning the result into a string, JSON or an inspection yields `[secret]`. */
export function createSecret(text: string): Secret {
  const secret = {
    reveal: () => text,
    toString: () => mask,
    toJSON: () => mask,
    [inspect.custom]: () => mask,
  }
  return Object.freeze(secret)
}
