import { createAccessTokens, TokenRefused, type AccessTokens } from './access-tokens.ts'
import type { UpstreamAuth } from './mailer.ts'
import type { Offer } from './reply-text.ts'
import type { Fault, Login, Opening } from './opening.ts'

const unusable: Fault = { phase: 'auth', cause: 'auth' }

/** Proves who we are by a mechanism that the server offers; resolves to why that failed. Takes `ms` at most, tokens included. */
export type Authenticate = (opening: Opening, offer: Offer, ms: number) => Promise<Fault | undefined>

/** Prepares what all connections of one account share. */
export function createAuthenticate(auth: UpstreamAuth, deps: { now: () => number }): Authenticate {
  if ('grant' in auth) {
    const tokens = createAccessTokens(auth.grant, deps)
    return (opening, offer, ms) => presentToken(opening, { user: auth.user, tokens }, offer, ms)
  }
  return async (opening, offer, ms) => {
    const login = passwordLogin(auth, offer)
    return login ? faultOf(await opening.login(ms, login)) : unusable
  }
}

async function presentToken(
  opening: Opening,
  { user, tokens }: { user: string; tokens: AccessTokens },
  offer: Offer,
  ms: number,
): Promise<Fault | undefined> {
  if (!offer.authMechanisms.has('XOAUTH2')) return unusable
  let tokenFault: Fault | undefined
  const token: Extract<Login, { method: 'XOAUTH2' }>['token'] = async (options) => {
    try {
      return (await tokens.get(options)).reveal()
    } catch (error) {
      tokenFault = error instanceof TokenRefused ? unusable : { phase: 'auth', cause: 'connection' }
      throw error
    }
  }
  const fault = faultOf(await opening.login(ms, { method: 'XOAUTH2', user, token }))
  return fault && (tokenFault ?? fault)
}

function passwordLogin(
  { user, password, method }: Extract<UpstreamAuth, { password: unknown }>,
  { authMechanisms }: Offer,
): Login | undefined {
  const methods = method ? ([method] as const) : (['PLAIN', 'LOGIN'] as const)
  const usable = methods.find((name) => authMechanisms.has(name))
  return usable && { method: usable, user, password: password.reveal() }
}

function faultOf(step: Awaited<ReturnType<Opening['login']>>): Fault | undefined {
  return step.ok ? undefined : step.fault
}
