import { describe, expect, it } from 'vitest'
import { startServiceProcess } from './service-process.ts'

function start(script: string) {
  const lines: string[] = []
  let heard = () => {}
  const spoke = new Promise<void>((resolve) => {
    heard = resolve
  })
  const service = startServiceProcess({
    name: 'some-service',
    command: [process.execPath, '-e', script],
    env: {},
    print: (line) => {
      lines.push(line)
      heard()
    },
  })
  return { ...service, lines, spoke }
}

describe('a service process', () => {
  it('shows both outputs under its name before it says how it ended', async () => {
    const service = start(`console.log('out'); console.error('err'); process.exitCode = 78`)

    expect(await service.ended).toBe('some-service ended with exit code 78.')
    expect(service.lines.toSorted()).toEqual(['some-service | err', 'some-service | out'])
  })

  it('gets nothing of the environment it was not given', async () => {
    const service = start(`console.log(JSON.stringify(process.env.PATH ?? null))`)
    await service.ended
    expect(service.lines).toEqual(['some-service | null'])
  })

  it('may finish its work on SIGTERM', async () => {
    const service = start(
      `process.on('SIGTERM', () => { console.log('drained'); process.exit(0) }); setInterval(() => {}, 1000); console.log('up')`,
    )
    await service.spoke
    await service.stop(10_000)

    expect(await service.ended).toBe('some-service ended with exit code 0.')
    expect(service.lines).toContain('some-service | drained')
  })

  it('is killed when it does not stop within the limit', async () => {
    const service = start(`process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); console.log('up')`)
    await service.spoke
    await service.stop(50)

    expect(await service.ended).toBe('some-service ended with SIGKILL.')
  })

  it('says so when it cannot start at all', async () => {
    const service = startServiceProcess({ name: 'x', command: ['/nonexistent'], env: {}, print: () => {} })
    expect(await service.ended).toMatch(/^x did not start/)
    await service.stop(10)
  })
})
