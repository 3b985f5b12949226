import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createAuditKey } from './audit-key.ts'
import { createTrail, key, recorded, verify } from './audit.fixture.ts'
import type { AuditEvent } from './audit.ts'
import { verifyTrail } from './verify-trail.ts'

const someEvents: AuditEvent[] = [
  { event: 'enrolled', subject: 'alice' },
  { event: 'confirmed', subject: 'alice', caller: 'stargate', key_id: 'k1' },
  { event: 'refused', subject: 'alice', reason: 'wrong_code' },
  { event: 'revoked', subject: 'alice' },
]

const event = fc.record({
  event: fc.constantFrom('enrolled', 'confirmed', 'refused', 'revoked', 'auth_refused'),
  subject: fc.string({ minLength: 1 }),
  reason: fc.option(fc.string({ unit: 'binary' }), { nil: undefined }),
}) as fc.Arbitrary<AuditEvent>

/** A finished chain as it was written, and one place in it. */
const chainAndPlace = fc
  .tuple(fc.array(event, { maxLength: 12 }), fc.nat())
  .map(([events, n]) => ({ events, at: n % (events.length + 2) }))

const asBytes = (text: string) => Buffer.from(text).toString('latin1')
const bytesOf = async (events: readonly AuditEvent[]) => {
  const { lines, checkpoints } = await recorded(events)
  return { lines: lines.map(asBytes), checkpoints }
}

describe('a trail as it was written', () => {
  it('is whole, whatever the events hold', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(event), async (events) => {
        const { lines, checkpoints } = await bytesOf(events)
        expect(await verify(lines, checkpoints)).toMatchObject({ ok: true, problems: [] })
      }),
    )
  })

  it('is whole with the log of the service between its lines', async () => {
    const { lines, checkpoints } = await recorded(someEvents)
    const mixed = lines.flatMap((line) => [line, '{"level":"info","msg":"request"}'])
    expect(await verify(mixed, checkpoints)).toMatchObject({ ok: true, lines: lines.length })
  })

  it('is whole when two processes wrote into it at once', async () => {
    const trail = createTrail()
    const [one, other] = [await trail.open(), await trail.open()]
    for (const event of someEvents) {
      one.record(event)
      other.record(event)
    }
    await other.close()
    await one.close()
    const report = await verify(trail.lines(), trail.checkpoints)
    expect(report).toMatchObject({ ok: true, chains: [{ lines: 6 }, { lines: 6 }] })
  })

  it('is whole in rotated files, in whatever order they are given', async () => {
    const { lines, checkpoints } = await recorded(someEvents)
    const placed = (file: string, texts: string[]) => texts.map((text, at) => ({ file, line: at + 1, text }))
    const files = [...placed('audit.log', lines.slice(3)), ...placed('audit.log.1', lines.slice(0, 3))]
    expect(await verifyTrail(files, { keys: [key], checkpoints })).toMatchObject({ ok: true })
  })

  it('is whole while its process runs and has written beyond its last checkpoint', async () => {
    const trail = createTrail()
    const audit = await trail.open()
    audit.record({ event: 'revoked', subject: 'alice' })
    const report = await verify(trail.lines(), trail.checkpoints)
    expect(report).toMatchObject({ ok: true, chains: [{ lines: 2, ended: false }] })
    await audit.close()
  })
})

describe('a trail that was bent', () => {
  it('names the line of any chain in which any byte was changed', async () => {
    await fc.assert(
      fc.asyncProperty(chainAndPlace, fc.nat(), fc.integer({ min: 1, max: 255 }), async (chosen, n, flip) => {
        const { lines, checkpoints } = await bytesOf(chosen.events)
        const bytes = Buffer.from(lines[chosen.at]!, 'latin1')
        bytes[n % bytes.length]! ^= flip
        // A byte that became a line feed made two lines of one, and both are named.
        const changed = bytes.toString('latin1').split('\n')
        const bent = lines.toSpliced(chosen.at, 1, ...changed)
        const { ok, problems } = await verify(bent, checkpoints)
        expect(ok).toBe(false)
        // Its check value is what tells whether a chain is under another key.
        const kind = expect.stringMatching(/^(changed|other_key)$/) as string
        expect(problems).toContainEqual(expect.objectContaining({ kind, line: chosen.at + 1 }))
      }),
    )
  })

  it('names the place of any chain where any line was removed', async () => {
    await fc.assert(
      fc.asyncProperty(chainAndPlace, async ({ events, at }) => {
        const { lines, checkpoints } = await bytesOf(events)
        const isLast = at === lines.length - 1
        const { problems } = await verify(lines.toSpliced(at, 1), checkpoints)
        const seen = isLast ? { kind: 'cut', line: at } : { kind: 'removed', line: at + 1 }
        expect(problems).toEqual([expect.objectContaining({ ...seen, seq: at })])
      }),
    )
  })

  it('names the first of any two lines that were swapped', async () => {
    await fc.assert(
      fc.asyncProperty(chainAndPlace, fc.nat(), async ({ events, at: one }, n) => {
        const { lines, checkpoints } = await bytesOf(events)
        const other = n % lines.length
        fc.pre(one !== other)
        const bent = lines.with(one, lines[other]!).with(other, lines[one]!)
        const { problems } = await verify(bent, checkpoints)
        expect(problems).toEqual([
          expect.objectContaining({ kind: 'reordered', line: Math.min(one, other) + 1 }),
        ])
      }),
    )
  })

  it('names what is left of any tail that was cut off', async () => {
    await fc.assert(
      fc.asyncProperty(chainAndPlace, async ({ events, at }) => {
        fc.pre(at > 0)
        const { lines, checkpoints } = await bytesOf(events)
        const { problems } = await verify(lines.slice(0, at), checkpoints)
        expect(problems).toEqual([expect.objectContaining({ kind: 'cut', line: at, seq: at })])
      }),
    )
  })

  it('names a line that stands there twice', async () => {
    const { lines, checkpoints } = await recorded(someEvents)
    const { problems } = await verify(lines.toSpliced(3, 0, lines[1]!), checkpoints)
    expect(problems).toEqual([expect.objectContaining({ kind: 'repeated', line: 4, seq: 1 })])
  })

  it('names a line that was put between, as itself or in place of another', async () => {
    const { lines, checkpoints } = await recorded(someEvents)
    const forged = lines[3]!.replace('refused', 'confirmed')
    for (const bent of [lines.toSpliced(3, 0, forged), lines.with(3, forged)]) {
      const { problems } = await verify(bent, checkpoints)
      expect(problems).toEqual([expect.objectContaining({ kind: 'changed', line: 4, seq: 3 })])
    }
  })

  it('names a line that hides behind the form of a log line, as removed', async () => {
    const { lines, checkpoints } = await recorded(someEvents)
    const { problems } = await verify(lines.with(2, '{"level":"info"}'), checkpoints)
    expect(problems).toEqual([expect.objectContaining({ kind: 'removed', line: 4, seq: 2 })])
  })

  it('names a chain that is missing altogether', async () => {
    const trail = createTrail()
    await (await trail.open()).close()
    const first = trail.lines()
    await (await trail.open()).close()
    const [, gone] = Object.keys(trail.checkpoints)
    const { problems } = await verify(first, trail.checkpoints)
    expect(problems).toEqual([expect.objectContaining({ kind: 'missing', chain: gone })])
    const archived = await verify(first, trail.checkpoints, { since: 1_900_000_000_000 })
    expect(archived.ok).toBe(true)
  })

  it.each([
    ['of another key', '"key":"ffffffff"', 'other_key'],
    ['that was made up', '"event":"started"', 'changed'],
  ])('names a cut tail and a missing chain behind a line %s in their name', async (_case, field, kind) => {
    const { lines, checkpoints } = await recorded(someEvents)
    const [chain] = Object.keys(checkpoints)
    const lie = `{"audit":1,"chain":"${chain}","seq":0,"prev":"",${field},"mac":"x"}`
    const cut = await verify([lie, ...lines.slice(0, 3)], checkpoints)
    const missing = await verify([lie], checkpoints)
    expect(cut.problems.map((problem) => problem.kind)).toEqual([kind, 'cut'])
    expect(missing.problems.map((problem) => problem.kind)).toEqual([kind, 'missing'])
  })

  it('cannot be made anew without the key', async () => {
    const { lines, checkpoints } = await recorded(someEvents)
    const stranger = createAuditKey(Buffer.from('another secret'))
    const placed = lines.map((text, at) => ({ file: 'audit.log', line: at + 1, text }))
    const { problems } = await verifyTrail(placed, { keys: [stranger], checkpoints })
    expect(problems).toEqual([expect.objectContaining({ kind: 'other_key', line: 1 })])
    expect((await verifyTrail(placed, { keys: [stranger, key], checkpoints })).ok).toBe(true)
  })

  it('is not covered by a checkpoint that was moved from another chain, or turned back by hand', async () => {
    const { lines, checkpoints } = await recorded(someEvents)
    const [[chain, head]] = Object.entries(checkpoints) as [[string, string]]
    for (const forged of [head.replace(' 5 ', ' 2 '), head.replace(/^\w+/, 'ffffffff'), 'x', undefined]) {
      const { ok } = await verify(lines.slice(0, 3), forged === undefined ? {} : { [chain]: forged })
      expect(ok).toBe(false)
    }
    const moved = await verify(lines, { ...checkpoints, AAAAAAAAAAAAAAAAAAAAAA: head })
    expect(moved.problems).toEqual([expect.objectContaining({ kind: 'checkpoint' })])
  })
})
