import { randomBytes } from 'node:crypto'
import { type GateFinding, gatePolicy, readVariables, serviceVariables, variable } from '@herald/config'
import { Hono } from 'hono'
import { z } from 'zod'
import { describeRefusal } from './app.fixture.ts'
import { enforceGate } from './enforce-gate.ts'
import { runService } from './run-service.ts'
import { asSink } from './standard-output.ts'

const schema = z.object({
  ...serviceVariables({ name: 'herald-test', port: 0 }),
  COUNT: variable.integer({ min: 1, max: 2 }).prefault('1'),
  FINDINGS: variable.parsedSecret(JSON.parse, () => 'must be JSON').prefault('[]'),
})

/** A whole service in a process of its own, as small as it can be. */
await runService({
  service: 'herald-test',
  process,
  start: async ({ logger, metrics, output, onExit }) => {
    const { values } = await readVariables(schema, { env: process.env })
    enforceGate(values.FINDINGS as GateFinding[], gatePolicy(values), { logger, metrics })
    if (process.env['HANG'] !== undefined) await new Promise(() => setInterval(() => {}, 1000))
    const app = new Hono()
    app.get('/metrics', async (c) => c.text(await metrics.registry.metrics()))
    app.get('/slow', async (c) => {
      logger.info('arrived')
      logger.flush()
      await new Promise((resolve) => setTimeout(resolve, 200))
      return c.text('done')
    })
    app.get('/stuck', () => {
      logger.info('arrived')
      logger.flush()
      return new Promise<Response>(() => {})
    })
    app.get('/flood', (c) => {
      for (let line = 0; line < 10_000; line += 1) logger.info({ line }, 'in a flood')
      return c.text('done')
    })
    app.get('/crash', () => {
      onExit(() => logger.info('last words'))
      for (let line = 0; line < 1000; line += 1) logger.info({ line }, 'before')
      setImmediate(() => {
        throw new Error('crash')
      })
      return new Promise<Response>(() => {})
    })
    return {
      app,
      host: values.HOST,
      port: values.PORT,
      describeRefusal,
      randomBytes,
      bodyBytesMax: 1024,
      graceMs: values.SHUTDOWN_GRACE_SECONDS * 1000,
      drainTimeoutMs: 5000,
      async close() {
        await asSink(output, () => {})
          .flush()
          .catch((error: unknown) => logger.error({ err: error }, 'not flushed'))
        logger.info('closed')
      },
    }
  },
})
