import { createKeyring } from '@herald/crypto'
import { enforceGate, type StartContext, type StartedService } from '@herald/service'
import { createOnce, createTokenBuckets } from '@herald/storage'
import { createApp } from './app.ts'
import { createCallers } from './callers.ts'
import { readSettings, type Settings } from './config.ts'
import { openConfiguredStore, probeFindings } from './configured-store.ts'
import { createDigests } from './digests.ts'
import { refusals } from './refusals.ts'
import { describeRefusal } from './routes/refuse.ts'
import type { OpenTotpStore } from './store/open-totp-store.ts'

export type World = {
  env: Readonly<Record<string, string | undefined>>
  now: () => number
  randomBytes: (size: number) => Buffer
}

const drainTimeoutMs = 10_000

/** Environment, gate, store, gate again with what the store says of itself, app; throws before anything is served. */
export async function start(context: StartContext, world: World): Promise<StartedService> {
  const { logger } = context
  const { settings, findings } = await readSettings(world.env)
  logger.level = settings.logLevel
  enforceGate(findings, settings.gate, context)
  const store = await openConfiguredStore(settings, { ...world, logger })
  try {
    enforceGate(await probeFindings(store, settings), settings.gate, context)
  } catch (error) {
    await store.close()
    throw error
  }
  return {
    app: build(settings, store, { ...context, ...world }),
    host: settings.host,
    port: settings.port,
    ...(settings.tls && { tls: settings.tls }),
    randomBytes: world.randomBytes,
    describeRefusal: (reason, requestId) => ({
      status: refusals[reason].status,
      body: describeRefusal({ reason }, requestId),
    }),
    drainTimeoutMs,
    close: () => store.close(),
  }
}

function build(settings: Settings, store: OpenTotpStore, parts: StartContext & World) {
  const { now, randomBytes } = parts
  return createApp(
    {
      ...parts,
      store,
      buckets: createTokenBuckets(store.handle, { prefix: 'totp:address:' }),
      requests: createOnce(store.handle, { prefix: 'totp:request:' }),
      keyring: createKeyring({ ...settings.keyring, randomBytes }),
      digest: createDigests(settings.keyring),
      authenticator: createCallers(settings.auth, { now }),
    },
    settings.app,
  )
}
