import type { Principal } from '@herald/auth'
import type { HttpBindings } from '@hono/node-server'

/** What the middlewares of this package leave for those after them and for the routes. */
export type ServiceEnv = {
  Variables: {
    requestId: string
    /** What `answerJson` answers under. */
    answerHeaders: Record<string, string>
    /** The bytes as they arrived; empty for GET and HEAD. */
    body: Buffer
    principal: Principal
    /** Added to the one log line of the request; never a code, a body, a subject or a full address. */
    logFields: Record<string, unknown>
  }
  /** Absent altogether when the app is asked without a socket. */
  Bindings: Partial<HttpBindings>
}
