import { answerJson, parseJson, type ServiceEnv, type Trail } from '@herald/service'
import type { Context } from 'hono'
import { z } from 'zod'
import type { TotpStore } from '../store/store.ts'
import { subjectField } from './fields.ts'

const unlockRequest = z.object({ subject: subjectField })

type Deps = { store: Pick<TotpStore, 'unlock'>; trail: Trail }

/** POST /v1/unlock */
export function unlock({ store, trail }: Deps) {
  return async (c: Context<ServiceEnv>): Promise<Response> => {
    const { subject } = parseJson(c, unlockRequest)
    await store.unlock(subject)
    trail(c, 'unlocked', { subject })
    return answerJson(c, { ok: true, subject })
  }
}
