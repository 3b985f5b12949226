import type { Audit } from '@herald/audit'
import { addClockGauge, enforceGate, type StartContext, type StartedService } from '@herald/service'
import { clockSkew, createHashes, createNonces, createOnce, createTokenBuckets } from '@herald/storage'
import { bodyBytesMax, createApp } from './app.ts'
import { auditKeyring, startTrail } from './audit.ts'
import { createCallers } from './callers.ts'
import { readSettings, type Settings } from './config.ts'
import { openConfiguredKeyring } from './configured-keyring.ts'
import { openConfiguredStore, probeFindings } from './configured-store.ts'
import { createKeyringMetrics } from './keyring-metrics.ts'
import { watchKeyring } from './keyring-reload.ts'
import type { LiveKeyring } from './live-keyring.ts'
import { refusals } from './refusals.ts'
import { describeRefusal } from './routes/refuse.ts'
import type { OpenTotpStore } from './store/open-totp-store.ts'
import type { World } from './world.ts'

const drainTimeoutMs = 10_000

/** Environment, gate, store, gate again with what the store says of itself, keys, app; throws before anything is served. */
export async function start(context: StartContext, world: World): Promise<StartedService> {
  const { logger } = context
  const { settings, findings } = await readSettings(world.env)
  logger.level = settings.logLevel
  enforceGate(findings, settings.gate, context)
  const store = await openConfiguredStore(settings, { ...world, logger, noticesStops: true })
  try {
    enforceGate(await probeFindings(store), settings.gate, context)
    return await startOn(store, settings, { ...context, ...world })
  } catch (error) {
    await store.close()
    throw error
  }
}

async function startOn(
  store: OpenTotpStore,
  settings: Settings,
  parts: StartContext & World,
): Promise<StartedService> {
  const metrics = createKeyringMetrics(parts.metrics.registry)
  const opened = await openConfiguredKeyring(settings, {
    ...parts,
    hashes: createHashes(store.handle, { prefix: 'totp:' }),
    onBoxError: (code) => metrics.boxFailed(code),
  })
  const audit = await startTrail(store.handle, settings, parts)
  const live = auditKeyring(opened, audit)
  addClockGauge(parts.metrics.registry, () => clockSkew(store.handle, parts.now))
  const unwatch = watchKeyring({ ...parts, live, gate: settings.gate, metrics })
  return {
    app: build(store, settings, { ...parts, ...live, audit }),
    host: settings.host,
    port: settings.port,
    ...(settings.tls && { tls: settings.tls }),
    randomBytes: parts.randomBytes,
    bodyBytesMax,
    describeRefusal: (reason, requestId, retryAfterSeconds) => ({
      status: refusals[reason].status,
      body: describeRefusal({ reason, retryAfterSeconds }, requestId),
    }),
    graceMs: settings.shutdownGraceMs,
    drainTimeoutMs,
    async close() {
      unwatch()
      await audit.close()
      await store.close()
    },
  }
}

function build(
  store: OpenTotpStore,
  settings: Settings,
  parts: StartContext & World & { audit: Audit } & Pick<LiveKeyring, 'keyring' | 'digest' | 'canaries'>,
) {
  return createApp(
    {
      ...parts,
      store,
      buckets: createTokenBuckets(store.handle, { prefix: 'totp:address:' }),
      requests: createOnce(store.handle, { prefix: 'totp:request:' }),
      authenticator: createCallers(settings.auth, parts),
      spendNonce: createNonces(store.handle, { prefix: 'totp:nonce:', now: parts.now }),
    },
    settings.app,
  )
}
