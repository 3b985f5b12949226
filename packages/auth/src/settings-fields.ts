import { z } from 'zod'
import { servicePattern } from './signature-v1.ts'

/** Fields that several kinds of configured keys have. */
export const serviceField = z.string().regex(servicePattern)

/** An ISO 8601 time with its zone, as milliseconds since the epoch. */
export const timeField = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text))
