import { expect } from 'vitest'
import { setTimeout as delay } from 'node:timers/promises'
import { firstId, openRotation, seed, seededCode, type Rotation } from './rotation-harness.ts'
import { type Caller, type Engine } from './service-harness.ts'

type Load = { answers: Map<string, number>; first: Map<string, number>; times: number[] }

/** Verifies one subject after the other, with a code that is right, until it is told to end. */
function verifyAll(caller: Caller, subjects: readonly string[], width: number) {
  const load: Load = { answers: new Map(), first: new Map(), times: [] }
  let over = false
  let turn = 0
  const workers = Array.from({ length: width }, async () => {
    while (!over) {
      const subject = subjects[turn++ % subjects.length]!
      const startedAt = performance.now()
      const { status, body } = await caller.verify(subject, seededCode(subject))
      load.times.push(performance.now() - startedAt)
      const name = [status, body['reason']].filter(Boolean).join(' ')
      load.answers.set(name, (load.answers.get(name) ?? 0) + 1)
      if (!load.first.has(subject)) load.first.set(subject, status)
    }
  })
  return {
    load,
    async end() {
      over = true
      await Promise.all(workers)
    },
  }
}

type Line = {
  event: string
  visited: number
  done: number
  skipped: number
  remaining: Record<string, number>
}
const linesOf = (output: string) =>
  output
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as Line)

/** Runs a rekey that is killed once it has written its first checkpoints; again while the last one's lease lasts. */
async function runAndKill(
  rotation: Rotation,
  words: readonly string[],
  fromVisited: number,
): Promise<number> {
  for (;;) {
    const command = rotation.startRekey(...words)
    let ended = false
    void command.finished.then(() => (ended = true))
    const visited = () =>
      linesOf(command.output()).findLast(({ event }) => event === 'progress')?.visited ?? 0
    while (!ended && visited() <= fromVisited) await delay(2)
    await command.kill()
    if (visited() > fromVisited) return visited()
    const { code, output } = await command.finished
    expect({ code, output }).toMatchObject({ code: 3, output: expect.stringContaining('locked') })
  }
}

/**
 * Rotates the key under `count` credentials while they are verified, with a rekey that dies three times, and returns what
 * was measured.
 */
export async function rekeyUnderLoad(
  engine: Engine,
  size: { count: number; width: number; killedRate: string; rate: string },
) {
  const rotation = await openRotation(engine)
  const subjects = Array.from({ length: size.count }, (_, n) => `subject-${n}`)
  const seedStartedAt = performance.now()
  await seed(rotation, subjects)
  const seedSeconds = (performance.now() - seedStartedAt) / 1000
  const service = await rotation.startTotp()
  const loads: ReturnType<typeof verifyAll>[] = []
  try {
    await service.caller.start('pending')
    const newId = await rotation.stageNew()
    service.hangUp()
    const replica = ['--replica', `${service.url}/readyz`]
    while ((await rotation.keys('promote', newId, ...replica)).code !== 0) await delay(20)
    service.hangUp()
    while ((await service.caller.get('/readyz')).text.includes(`"primary":"${firstId}"`)) await delay(20)

    const quiet = verifyAll(service.caller, subjects, size.width)
    loads.push(quiet)
    await delay(size.count > 1000 ? 5000 : 200)
    await quiet.end()
    const verifying = verifyAll(service.caller, subjects, size.width)
    loads.push(verifying)
    const startedAt = performance.now()
    let visited = 0
    for (let kill = 0; kill < 3; kill += 1)
      visited = await runAndKill(rotation, ['--lease', '1', '--rate', size.killedRate], visited)
    const retiring = await rotation.keys('retire', firstId, ...replica)
    expect(retiring.answer.problems[0]).toContain(`records need key ${firstId}`)
    let finished = await rotation.startRekey('--rate', size.rate).finished
    while (finished.code === 3) finished = await rotation.startRekey('--rate', size.rate).finished
    const seconds = (performance.now() - startedAt) / 1000
    await verifying.end()

    const summary = linesOf(finished.output).at(-1)!
    expect({ code: finished.code, summary }).toMatchObject({
      code: 0,
      summary: { event: 'finished', failed: 0, remaining: {} },
    })
    const right = ['200', '400 replay']
    const answers = [...quiet.load.answers, ...verifying.load.answers]
    expect(answers.filter(([name]) => !right.includes(name))).toEqual([])
    expect([...quiet.load.first.values()].filter((status) => status !== 200)).toEqual([])

    const status = await rotation.keys('status')
    expect(status.answer.keys).toMatchObject([
      { id: firstId, records: 0 },
      { id: newId, records: 2 * size.count + 1 },
    ])
    expect((await rotation.keys('retire', firstId, ...replica)).answer).toMatchObject({ ok: true })
    service.hangUp()
    while (!(await service.caller.get('/readyz')).text.includes('disabled')) await delay(20)
    expect((await service.caller.verify(subjects[0]!, seededCode(subjects[0]!, 1))).status).toBe(200)
    expect((await service.caller.verify('unknown', '123456')).status).toBe(401)
    return {
      engine,
      credentials: size.count,
      seedSeconds,
      rekeySeconds: seconds,
      // What a killed run exchanged after its last checkpoint is found done by the next one.
      boxes: summary.done + summary.skipped,
      quiet: figures(quiet.load),
      during: figures(verifying.load),
    }
  } finally {
    await Promise.all(loads.map((load) => load.end()))
    await service.stop()
    await rotation.close()
  }
}

function figures({ answers, times }: Load) {
  const sorted = times.toSorted((one, other) => one - other)
  const at = (part: number) => Number((sorted[Math.floor(sorted.length * part)] ?? 0).toFixed(1))
  return { ...Object.fromEntries(answers), p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(0.9999) }
}
