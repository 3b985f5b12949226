import { once } from 'node:events'
import type { Server } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { serve } from '@hono/node-server'
import type { Hono } from 'hono'
import { renderBanner } from './banner.ts'
import { createGallery } from './gallery/gallery.ts'
import { createInbox } from './inbox/inbox.ts'
import { createInboxApp } from './inbox/inbox-app.ts'
import { startMailCatcher } from './inbox/mail-catcher.ts'
import { removeListening, writeListening } from './listening.ts'
import { findTakenPorts } from './ports.ts'
import { startServiceProcess } from './service-process.ts'
import { describeServices, loopbackUrl } from './services.ts'
import { PlaygroundError, type Settings } from './settings.ts'
import { openState } from './state.ts'

const stopLimitMs = 10_000
const healthLimitMs = 30_000

export type PlaygroundDeps = {
  /** Aborted when the person wants to stop. */
  signal: AbortSignal
  print: (line: string) => void
  now: () => number
  randomBytes: (size: number) => Buffer
  /** The Node that runs the services. */
  nodePath: string
  /** The folder from which printed commands will be run. */
  pastedIn: string
}

/** Runs catcher, inbox page and both services until told to stop; throws PlaygroundError when one of them cannot run on. */
export async function runPlayground({ folder, ports }: Settings, deps: PlaygroundDeps): Promise<void> {
  const taken = await findTakenPorts(ports)
  if (taken.length > 0) throw new PlaygroundError(taken.join('\n'))
  const state = openState(folder, deps.randomBytes)

  await using running = new AsyncDisposableStack()
  const inbox = createInbox({ mailsMax: 200, now: deps.now })
  const catcher = await startMailCatcher({ inbox, port: ports['mail catcher'] })
  running.defer(() => catcher.close())

  const services = describeServices(ports, state)
  const gallery = createGallery({ smtpUrl: services.smtp.url, adminKeyFile: state.keyFiles.adminApiKey })
  running.defer(await serveInbox(createInboxApp(inbox, gallery), ports['inbox page']))
  const ended = runServices(services, running, deps)
  await Promise.race([ended, waitUntilHealthy(services, running)])
  if (deps.signal.aborted) return

  const { totp, smtp } = services
  const inboxUrl = loopbackUrl(ports['inbox page'])
  writeListening(folder, { totpUrl: totp.url, headerFile: state.headerFile })
  running.defer(() => removeListening(folder))
  deps.print(
    renderBanner({
      totpUrl: totp.url,
      smtpUrl: smtp.url,
      inboxUrl,
      mailPort: ports['mail catcher'],
      headerFile: state.headerFile,
      pastedIn: deps.pastedIn,
    }),
  )
  await ended
}

type Services = ReturnType<typeof describeServices>

async function serveInbox(app: Hono, port: number): Promise<() => Promise<void>> {
  const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port }) as Server
  await once(server, 'listening')
  return async () => {
    const closed = promisify(server.close).call(server)
    server.closeAllConnections()
    await closed
  }
}

/** Settles when the person wants to stop; rejects when a service ended by itself. */
async function runServices(
  { totp, smtp }: Services,
  running: AsyncDisposableStack,
  { nodePath, print, signal }: PlaygroundDeps,
): Promise<void> {
  const processes = [totp, smtp].map(({ name, entry, env }) =>
    startServiceProcess({ name, command: [nodePath, entry], env, print }),
  )
  running.defer(async () => {
    await Promise.all(processes.map((process) => process.stop(stopLimitMs)))
  })
  const line = await Promise.race([whenAborted(signal), ...processes.map((process) => process.ended)])
  if (line !== undefined) throw new PlaygroundError(`${line} Everything else was stopped too.`)
}

async function whenAborted(signal: AbortSignal): Promise<undefined> {
  if (!signal.aborted) await once(signal, 'abort')
}

async function waitUntilHealthy({ totp, smtp }: Services, running: AsyncDisposableStack): Promise<void> {
  const deadline = AbortSignal.timeout(healthLimitMs)
  for (const { name, url } of [totp, smtp]) {
    while (!(await isHealthy(url))) {
      if (running.disposed) return
      if (deadline.aborted) throw new PlaygroundError(`${name} did not become healthy in time.`)
      await delay(100)
    }
  }
}

async function isHealthy(url: string): Promise<boolean> {
  const response = await fetch(`${url}/healthz`).catch(() => undefined)
  await response?.body?.cancel()
  return response?.status === 200
}
