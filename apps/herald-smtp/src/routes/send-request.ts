import { z } from 'zod'

/** Go clients send their zero values: null, and an empty text, mean that the field is absent. */
const absent = (text: string | null | undefined) => text || undefined

const text = (lengthMax: number) =>
  z
    .string()
    .max(lengthMax)
    // oxlint-disable-next-line no-control-regex -- the point of the check
    .refine((value) => !/[\0-\x08\v\f\x0e-\x1f\x7f]/.test(value), 'must not contain control characters')

const line = (lengthMax: number) =>
  text(lengthMax).refine((value) => !/[\p{Cc}\u2028\u2029]/u.test(value), 'must be one line')

const parameter = z
  .union([text(1_000), z.number(), z.boolean(), z.null()])
  .transform((value) => String(value ?? ''))

/** The body of POST /v1/send; unknown fields are ignored. Lengths are in UTF-16 units. */
export const sendRequest = z.object({
  channel: z.enum(['email', '']).nullish().transform(absent),
  to: z.string().nullish().transform(absent),
  template: line(128).nullish().transform(absent),
  params: z
    .record(line(64), parameter)
    .refine((params) => Object.keys(params).length <= 32, 'must have at most 32 entries')
    .nullish()
    .transform((params) => params ?? undefined),
  subject: line(255).nullish().transform(absent),
  body: text(100_000).nullish().transform(absent),
  locale: line(64).nullish().transform(absent),
  idempotency_key: line(255).nullish().transform(absent),
  timeout_seconds: z
    .int()
    .min(0)
    .max(86_400)
    .nullish()
    .transform((seconds) => seconds || undefined),
})

export type SendRequest = z.output<typeof sendRequest>
