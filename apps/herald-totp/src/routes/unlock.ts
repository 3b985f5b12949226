import { parseJson, type ServiceEnv } from '@herald/service'
import type { Context } from 'hono'
import { z } from 'zod'
import type { TotpStore } from '../store/store.ts'
import { subjectField } from './fields.ts'

export const unlockRequest = z.object({ subject: subjectField })

/** POST /v1/unlock */
export function unlock({ store, now }: { store: Pick<TotpStore, 'unlock'>; now: () => number }) {
  return async (c: Context<ServiceEnv>): Promise<Response> => {
    const { subject } = parseJson(c, unlockRequest)
    await store.unlock(subject, now())
    return c.json({ ok: true, subject })
  }
}
