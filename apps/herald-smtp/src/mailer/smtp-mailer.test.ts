import { setImmediate } from 'node:timers/promises'

import { describe, expect, it } from 'vitest'

import { mailerFor, messageTo, serverFor, within } from './mailer.fixture.ts'

const message = messageTo('ada@example.com')
const refused = messageTo('nobody@example.com')
const refusal = { code: 550, text: '5.1.1 No such user' }

describe('reuse', () => {
  it('takes one dial for a hundred messages', async () => {
    const server = await serverFor()
    const mailer = mailerFor(server)
    for (let sent = 0; sent < 100; sent += 1) {
      expect((await mailer.send(message, within(1_000))).outcome).toBe('accepted')
    }
    expect(server.connections().accepted).toBe(1)
    expect(server.messages).toHaveLength(100)
    expect(mailer.stats()).toMatchObject({ dials: 1, transactions: 100, idle: 1, busy: 0 })
  })

  it.each([
    ['pipelined', ['PIPELINING']],
    ['one command at a time', []],
  ])('takes one dial for a hundred messages of which ten are refused, %s', async (_, extensions) => {
    const server = await serverFor({ extensions })
    server.on('rcpt', refusal, { recipient: refused.envelope.to })
    const mailer = mailerFor(server)
    for (let sent = 0; sent < 100; sent += 1) {
      const attempt = await mailer.send(sent % 10 === 9 ? refused : message, within(1_000))
      expect(attempt.outcome).toBe(sent % 10 === 9 ? 'not_sent' : 'accepted')
    }
    await expect.poll(() => server.count('RSET')).toBe(10)
    expect(server.connections().accepted).toBe(1)
    expect(server.messages).toHaveLength(90)
  })

  it.each(['mail', 'rcpt', 'data', 'body'] as const)('goes on after a refusal at %s', async (step) => {
    const server = await serverFor()
    server.on(step, { code: 451, text: '4.3.0 Later' }, { times: 1 })
    const mailer = mailerFor(server)
    expect(await mailer.send(message, within(1_000))).toMatchObject({
      outcome: 'not_sent',
      phase: step,
      code: 451,
    })
    expect((await mailer.send(message, within(1_000))).outcome).toBe('accepted')
    expect(server.connections().accepted).toBe(1)
  })

  it('keeps many senders within connectionsMax and dials for none of them again', async () => {
    const server = await serverFor()
    server.on('rcpt', refusal, { every: 10 })
    const mailer = mailerFor(server, { connectionsMax: 4, queueMax: 400 })
    const attempts = await Promise.all(Array.from({ length: 400 }, () => mailer.send(message, within(5_000))))
    expect(attempts.filter(({ outcome }) => outcome === 'accepted')).toHaveLength(360)
    expect(server.connections().accepted).toBe(4)
  })

  it('takes the connection used last, so that those of a burst can grow idle', async () => {
    const server = await serverFor()
    const mailer = mailerFor(server)
    await Promise.all([mailer.send(message, within(1_000)), mailer.send(message, within(1_000))])
    for (let sent = 0; sent < 4; sent += 1) await mailer.send(message, within(1_000))
    expect(new Set(server.messages.slice(2).map(({ connection }) => connection)).size).toBe(1)
  })

  it('does not trust a connection that is out of step with its replies', async () => {
    const server = await serverFor()
    server.on('body', { code: 354, text: 'Go on' }, { times: 1 })
    const mailer = mailerFor(server)
    expect(await mailer.send(message, within(1_000))).toMatchObject({ outcome: 'unknown' })
    expect((await mailer.send(message, within(1_000))).outcome).toBe('accepted')
    expect(server.connections().accepted).toBe(2)
  })

  it('ends a connection after its last message', async () => {
    const server = await serverFor()
    const mailer = mailerFor(server, { messagesPerConnection: 2 })
    for (let sent = 0; sent < 4; sent += 1) await mailer.send(message, within(1_000))
    await expect.poll(() => server.count('QUIT')).toBe(2)
    expect(server.connections().accepted).toBe(2)
  })

  it('ends a connection that is old', async () => {
    const server = await serverFor()
    const mailer = mailerFor(server, { ageMs: 0 })
    await mailer.send(message, within(1_000))
    await mailer.send(message, within(1_000))
    expect(server.connections().accepted).toBe(2)
  })

  it('ends a connection that has been idle', async () => {
    const server = await serverFor()
    const mailer = mailerFor(server, { idleMs: 20 })
    await mailer.send(message, within(1_000))
    await expect.poll(() => server.connections().open).toBe(0)
    expect(server.count('QUIT')).toBe(1)
    expect(mailer.stats()).toMatchObject({ idle: 0, busy: 0 })
  })

  it.each([
    ['hangs', 'silence'],
    ['is refused', { code: 500, text: 'No' }],
  ] as const)('does not trust a connection whose RSET %s', async (_, act) => {
    const server = await serverFor()
    server.on('rcpt', refusal, { times: 1 })
    server.on('rset', act)
    const mailer = mailerFor(server, { timeouts: { partingMs: 40 } })
    await mailer.send(message, within(1_000))
    expect((await mailer.send(message, within(1_000))).outcome).toBe('accepted')
    expect(server.connections().accepted).toBe(2)
  })
})

describe('a connection gone stale', () => {
  it('is noticed when the server ends it', async () => {
    const server = await serverFor()
    const mailer = mailerFor(server)
    await mailer.send(message, within(1_000))
    server.cut()
    await expect.poll(() => mailer.stats().idle).toBe(0)
    expect((await mailer.send(message, within(1_000))).outcome).toBe('accepted')
  })

  it('costs nobody a message, whenever between two sends the server ends it', async () => {
    const server = await serverFor()
    const mailer = mailerFor(server)
    for (let turns = 0; turns < 24; turns += 1) {
      expect((await mailer.send(message, within(1_000))).outcome).toBe('accepted')
      server.cut()
      for (let turn = 0; turn < turns % 8; turn += 1) await setImmediate()
    }
    expect(server.messages).toHaveLength(24)
  })

  it.each(['421 4.4.2 Idle for too long\r\n', '451 Anything else\r\n'])(
    'is noticed when the server says "%s" out of turn',
    async (text) => {
      const server = await serverFor()
      const mailer = mailerFor(server)
      await mailer.send(message, within(1_000))
      server.say(text)
      await expect.poll(() => mailer.stats().idle).toBe(0)
      expect((await mailer.send(message, within(1_000))).outcome).toBe('accepted')
      expect(server.messages).toHaveLength(2)
    },
  )

  it.each([
    ['drops it', 'drop'],
    ['says 421', { code: 421, text: '4.4.2 Idle for too long', drop: true }],
  ] as const)(
    'is replaced within the same attempt when the server %s at its first command',
    async (_, act) => {
      const server = await serverFor()
      const mailer = mailerFor(server)
      await mailer.send(message, within(1_000))
      server.on('mail', act, { times: 1 })
      expect((await mailer.send(message, within(1_000))).outcome).toBe('accepted')
      expect(server.connections().accepted).toBe(2)
      expect(server.messages).toHaveLength(2)
    },
  )

  it('is replaced in time when it answers its first command with silence, as after a lost route', async () => {
    const server = await serverFor()
    const mailer = mailerFor(server, { timeouts: { greetingMs: 60 } })
    await mailer.send(message, within(1_000))
    server.on('mail', 'silence', { times: 1 })
    expect((await mailer.send(message, within(1_000))).outcome).toBe('accepted')
    expect(server.connections().accepted).toBe(2)
    expect(server.messages).toHaveLength(2)
  })

  it('is not held for one by a message that takes its time after the first command, nor when it is fresh', async () => {
    const server = await serverFor()
    const mailer = mailerFor(server, { timeouts: { greetingMs: 40 } })
    server.on('mail', { delayMs: 100 }, { times: 1 })
    expect((await mailer.send(message, within(1_000))).outcome).toBe('accepted')
    server.on('body', { delayMs: 100 }, { times: 1 })
    expect((await mailer.send(message, within(1_000))).outcome).toBe('accepted')
    expect(server.connections().accepted).toBe(1)
  })

  it('is replaced once: a fresh connection that fails is the answer', async () => {
    const server = await serverFor()
    const mailer = mailerFor(server)
    await mailer.send(message, within(1_000))
    server.on('mail', 'drop')
    expect(await mailer.send(message, within(1_000))).toMatchObject({ outcome: 'not_sent', phase: 'mail' })
    expect(server.connections().accepted).toBe(2)
  })

  it('is not replaced after a later command, which may have done something', async () => {
    const server = await serverFor({ extensions: [] })
    const mailer = mailerFor(server)
    await mailer.send(message, within(1_000))
    server.on('body', 'drop', { times: 1 })
    expect(await mailer.send(message, within(1_000))).toMatchObject({ outcome: 'unknown' })
    expect(server.connections().accepted).toBe(1)
  })
})

describe('the queue', () => {
  it('refuses what is beyond its bound, at once and unsent', async () => {
    const server = await serverFor()
    server.on('mail', { delayMs: 300 })
    const mailer = mailerFor(server, { connectionsMax: 1, queueMax: 1 })
    const first = mailer.send(message, within(1_000))
    const second = mailer.send(message, within(1_000))
    expect(mailer.stats()).toMatchObject({ busy: 1, queued: 1 })
    const startedAt = performance.now()
    expect(await mailer.send(message, within(1_000))).toEqual({
      upstream: 'primary',
      outcome: 'not_sent',
      phase: 'queue',
      cause: 'queue_full',
    })
    expect(performance.now() - startedAt).toBeLessThan(200)
    expect([(await first).outcome, (await second).outcome]).toEqual(['accepted', 'accepted'])
    expect(server.connections().accepted).toBe(1)
  })

  it('serves in the order of arrival', async () => {
    const server = await serverFor()
    const mailer = mailerFor(server, { connectionsMax: 1 })
    const names = Array.from({ length: 8 }, (_, index) => `user${index}@example.com`)
    await Promise.all(names.map((name) => mailer.send(messageTo(name), within(1_000))))
    expect(server.messages.map(({ to }) => to[0])).toEqual(names)
  })

  it('lets go of a send whose deadline comes first', async () => {
    const server = await serverFor()
    server.on('mail', { delayMs: 300 }, { times: 1 })
    const mailer = mailerFor(server, { connectionsMax: 1 })
    const first = mailer.send(message, within(1_000))
    expect(await mailer.send(message, within(40))).toEqual({
      upstream: 'primary',
      outcome: 'not_sent',
      phase: 'queue',
      cause: 'timeout',
    })
    expect((await first).outcome).toBe('accepted')
    expect(server.messages).toHaveLength(1)
  })

  it('lets the next one dial when a dial fails', async () => {
    const server = await serverFor()
    server.on('greeting', { code: 421, text: 'Busy', drop: true }, { times: 1 })
    const mailer = mailerFor(server, { connectionsMax: 1 })
    const attempts = await Promise.all([1, 2].map(() => mailer.send(message, within(1_000))))
    expect(attempts.map(({ outcome }) => outcome)).toEqual(['not_sent', 'accepted'])
  })
})

describe('drain', () => {
  it('loses no reply under load: what was answered accepted is what the server took', async () => {
    const server = await serverFor()
    server.on('body', { delayMs: 5 }, { every: 3 })
    const mailer = mailerFor(server, { connectionsMax: 3 })
    const sends = Array.from({ length: 60 }, () => mailer.send(message, within(5_000)))
    await expect.poll(() => server.messages.length).toBeGreaterThan(5)
    const drained = mailer.drain()
    const late = await mailer.send(message, within(1_000))
    await drained
    expect(late).toEqual({ upstream: 'primary', outcome: 'not_sent', phase: 'queue', cause: 'draining' })
    const attempts = await Promise.all(sends)
    expect(attempts.every(({ outcome }) => outcome === 'accepted')).toBe(true)
    expect(server.messages).toHaveLength(60)
    expect(server.count('QUIT')).toBe(3)
    await expect.poll(() => server.connections().open).toBe(0)
  })

  it('says QUIT on idle connections and returns though the server keeps silent', async () => {
    const server = await serverFor()
    server.on('quit', 'silence')
    const mailer = mailerFor(server, { timeouts: { partingMs: 30 } })
    await mailer.send(message, within(1_000))
    await mailer.drain()
    expect(server.count('QUIT')).toBe(1)
    expect(mailer.stats()).toMatchObject({ idle: 0, busy: 0 })
  })

  it('returns at once when nothing was ever opened', async () => {
    const server = await serverFor()
    await mailerFor(server).drain()
    expect(server.connections().accepted).toBe(0)
  })
})

describe('close', () => {
  it('settles what is in flight truthfully: unread is not_sent, read is unknown', async () => {
    const server = await serverFor()
    server.on('body', 'silence', { times: 1 })
    const mailer = mailerFor(server, { connectionsMax: 2 })
    const afterBody = mailer.send(message, within(5_000))
    await expect.poll(() => server.count('DATA')).toBe(1)
    server.on('mail', 'silence')
    const atMail = mailer.send(message, within(5_000))
    const waiting = mailer.send(message, within(5_000))
    await expect.poll(() => server.count('MAIL')).toBe(2)
    await mailer.close()
    expect(await afterBody).toMatchObject({ outcome: 'unknown', phase: 'body' })
    expect(await atMail).toMatchObject({ outcome: 'not_sent', phase: 'mail' })
    expect(await waiting).toMatchObject({ outcome: 'not_sent', cause: 'draining' })
    await expect.poll(() => server.connections().open).toBe(0)
  })
})
