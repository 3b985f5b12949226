import { answerJson, parseJson, type ServiceEnv, type Trail } from '@herald/service'
import type { Context } from 'hono'
import { z } from 'zod'
import type { TotpStore } from '../store/store.ts'
import { subjectField } from './fields.ts'

/** Strict: a body signed for another call, which carries more, must not remove anybody's second factor. */
const revokeRequest = z.strictObject({ subject: subjectField })

type Deps = { store: Pick<TotpStore, 'revoke'>; now: () => number; trail: Trail }

/** POST /v1/revoke. A repeated v1 signature gets the first answer again and deletes nothing a second time. */
export function revoke({ store, now, trail }: Deps) {
  return async (c: Context<ServiceEnv>): Promise<Response> => {
    const { subject } = parseJson(c, revokeRequest)
    await store.revoke(subject, c.get('principal').signature?.toString('base64url'), now())
    trail(c, 'revoked', { subject })
    return answerJson(c, { ok: true, subject })
  }
}
