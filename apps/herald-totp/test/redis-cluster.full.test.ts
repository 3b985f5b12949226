import { locateRedisBinary } from '@herald/testing'
import { describe, expect, it, onTestFinished } from 'vitest'
import { firstId, openRotation } from './rotation-harness.ts'

describe.skipIf(locateRedisBinary() === undefined)('on a Cluster', () => {
  it('a rekey reaches every box on every master, and a confirmation every slot', async () => {
    const rotation = await openRotation('cluster')
    onTestFinished(rotation.close)
    const subjects = Array.from({ length: 24 }, (_, n) => `subject ${n}`)
    const before = await rotation.startTotp()
    const enrolled = await Promise.all(subjects.map((subject) => before.caller.enrol(subject)))
    expect(await before.stop()).toBe(0)

    const id = await rotation.stageNew()
    expect(await rotation.keys('promote', id, '--offline')).toMatchObject({ code: 0 })
    expect(await rotation.run('rekey')).toMatchObject({ code: 0 })
    expect(await rotation.keys('retire', firstId, '--offline')).toMatchObject({ code: 0 })
    expect(await rotation.run('store', 'confirm')).toMatchObject({ code: 0 })

    const after = await rotation.startTotp()
    onTestFinished(() => after.kill())
    const answers = await Promise.all(
      subjects.map((subject, n) => after.caller.verify(subject, enrolled[n]?.backupCodes[0] ?? '')),
    )
    expect(answers.map(({ status }) => status)).toEqual(subjects.map(() => 200))
  }, 120_000)
})
