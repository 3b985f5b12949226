import type { Audit } from '@herald/audit'
import { addClockGauge, enforceGate, type StartContext, type StartedService } from '@herald/service'
import { clockSkew, createNonces } from '@herald/storage'
import { createApp } from './app.ts'
import { startTrail } from './audit.ts'
import { createCallers, credentialsOf } from './callers.ts'
import { createOrigins, readSettings, type Settings } from './config.ts'
import { openConfiguredStore, probeFindings } from './configured-store.ts'
import { obtainDigestKey } from './digest-key.ts'
import { brandLayout, createComposer } from './domain/content.ts'
import { createDelivery } from './domain/delivery.ts'
import { createDkimSigner } from './domain/dkim.ts'
import { createDigests, type Digests } from './domain/fingerprint.ts'
import { createIdempotency } from './domain/idempotency.ts'
import { createMessageBuilder } from './domain/message.ts'
import { createProtection } from './domain/protection.ts'
import { createSending } from './domain/sending.ts'
import { createMessageTrace } from './domain/message-trace.ts'
import { createSmtpMetrics, type SmtpMetrics } from './metrics.ts'
import { createReadiness } from './readiness.ts'
import { refusals } from './refusals.ts'
import { createRelays, type Relays } from './relays.ts'
import { describeRefusal } from './routes/refuse.ts'
import type { OpenedStore } from './store/open-smtp-store.ts'
import type { World } from './world.ts'

type Parts = StartContext &
  World & {
    settings: Settings
    store: OpenedStore
    relays: Relays
    smtpMetrics: SmtpMetrics
    audit: Audit
    digestKey: Buffer
  }

/** Environment, gate, store, gate again with what the store says of itself, mailer, app; throws before anything is served. */
export async function start(context: StartContext, world: World): Promise<StartedService> {
  const { logger } = context
  const { settings, findings } = await readSettings(world.env)
  logger.level = settings.logLevel
  enforceGate(findings, settings.gate, context)
  const store = await openConfiguredStore(settings.store, { ...world, logger })
  try {
    enforceGate(await probeFindings(store, { ...world, logger }), settings.gate, context)
    return await startOn(store, settings, { ...context, ...world })
  } catch (error) {
    await store.calls.close()
    throw error
  }
}

async function startOn(
  store: OpenedStore,
  settings: Settings,
  context: StartContext & World,
): Promise<StartedService> {
  const { logger, metrics, now } = context
  const smtpMetrics = createSmtpMetrics(metrics.registry)
  const relays = createRelays(settings.upstreams, { now, logger, metrics: smtpMetrics })
  warn(settings, { logger, smtpMetrics })

  const digestKey = await obtainDigestKey(credentialsOf(settings.auth), { ...context, once: store.once })
  const audit = await startTrail(store.handle, settings, { ...context, digestKey })
  addClockGauge(metrics.registry, () => clockSkew(store.handle, now))

  return {
    app: build({ ...context, settings, store, relays, smtpMetrics, audit, digestKey }),
    host: settings.host,
    port: settings.port,
    ...(settings.tls && { tls: settings.tls }),
    randomBytes: context.randomBytes,
    bodyBytesMax: settings.bodyBytesMax,
    describeRefusal: (reason, requestId, retryAfterSeconds) => ({
      status: refusals[reason].status,
      body: describeRefusal(reason, requestId, { retryAfterSeconds }),
    }),
    graceMs: settings.shutdownGraceMs,
    drainTimeoutMs: settings.shutdownTimeoutMs,
    close: async () => {
      await relays.drain()
      await audit.close()
      await store.calls.close()
    },
  }
}

/** What an operator has chosen and should be reminded of at every start. */
function warn(
  { store, auth }: Settings,
  { logger, smtpMetrics }: Pick<Parts, 'logger' | 'smtpMetrics'>,
): void {
  smtpMetrics.noAuthAllowed(auth.allowNoAuthFrom !== undefined)
  if (auth.allowNoAuthFrom) {
    logger.warn('ALLOW_NO_AUTH_FROM lets requests without credentials send mail: do not publish the port')
  }
  if (store.engine === 'sqlite' && store.path === ':memory:') {
    logger.warn(
      'no store is configured: idempotency and limits end with this process; set SQLITE_PATH or REDIS_ADDR',
    )
  }
}

function build(parts: Parts) {
  const { settings, store, relays, logger, metrics, smtpMetrics, now, randomBytes, isDraining } = parts
  const digests = createDigests(parts.digestKey)
  const onFault = (verb: string, fault: unknown) => {
    smtpMetrics.storeFault(verb)
    logger.error({ verb, err: fault }, 'store fault')
  }
  const pingStore = async () => void (await Promise.all([store.calls.ping(), store.handle.probeWrite()]))
  const readiness = createReadiness({ upstreams: relays.all, pingStore, now })
  void readiness.probe()
  return createApp(
    {
      authenticator: createCallers(settings.auth, { now }),
      spendNonce: createNonces(store.handle, { prefix: 'smtp:nonce:', now }),
      idempotency: createIdempotency(
        { store: store.calls, now, randomBytes, onFault },
        { ttlMs: settings.idempotencyTtlMs },
      ),
      sendMail: createSendMail(parts, digests, onFault),
      trace: createMessageTrace({ store: store.calls, now, onFault }, { ttlMs: settings.messageTtlMs }),
      composeContent: createComposer({ brand: settings.brand, layout: settings.layout }),
      digests,
      metrics: smtpMetrics,
      serviceMetrics: metrics,
      audit: parts.audit,
      logger,
      now,
      randomBytes,
      ready: readiness.ready,
      isDraining,
    },
    {
      name: settings.name,
      senderDomain: settings.sender.domain,
      sendDeadlineMs: settings.sendDeadlineMs,
      bodyBytesMax: settings.bodyBytesMax,
    },
  )
}

function createSendMail(parts: Parts, digests: Digests, onFault: (verb: string, fault: unknown) => void) {
  const { settings, store, relays, smtpMetrics, now, randomBytes } = parts
  const random = () => randomBytes(4).readUInt32BE() / 2 ** 32
  return createSending(
    {
      protection: createProtection(
        { buckets: store.buckets, digestAddress: (text) => digests.address(text), now },
        settings.limits,
      ),
      deliver: createDelivery({
        upstreams: relays.all,
        now,
        random,
        patienceMs: settings.sendDeadlineMs / 2,
        onAttempt: (attempt) => smtpMetrics.attempted(attempt),
      }),
      buildMessage: createMessageBuilder(brandLayout(settings).standing),
      sign: settings.dkim && createDkimSigner(settings.dkim),
      now,
      onFault: (fault) => onFault('limit', fault),
    },
    { originOf: createOrigins(settings) },
  )
}
