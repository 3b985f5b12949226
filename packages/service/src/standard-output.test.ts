import { execFileSync } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { asSink, openStandardOutput } from './standard-output.ts'

function openFile(): { descriptor: number; text: () => string } {
  const folder = mkdtempSync(join(tmpdir(), 'herald-output-'))
  const path = join(folder, 'out')
  const descriptor = openSync(path, 'w')
  onTestFinished(() => {
    closeSync(descriptor)
    rmSync(folder, { recursive: true })
  })
  return { descriptor, text: () => readFileSync(path, 'utf8') }
}

function openFull(): number {
  const descriptor = openSync('/dev/full', 'w')
  onTestFinished(() => closeSync(descriptor))
  return descriptor
}

function readWhatIsThere(descriptor: number, into: Buffer, at: number): number {
  try {
    return readSync(descriptor, into, at, into.length - at, null)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0
    throw error
  }
}

const none = () => expect.unreachable('nothing is lost')

it('has written a line when it is flushed, also one behind a write under way', async () => {
  const { descriptor, text } = openFile()
  const sink = asSink(openStandardOutput(descriptor), none)
  const large = `${'ä'.repeat(16_000)}\n`
  sink.write(large)
  sink.write('behind\n')
  await sink.flush()
  expect(text()).toBe(`${large}behind\n`)
})

it('writes a line that nobody flushes, also one that comes behind a write', async () => {
  const { descriptor, text } = openFile()
  const output = openStandardOutput(descriptor)
  const large = `${'x'.repeat(16_000)}\n`
  output.write(large)
  output.write('behind\n')
  await expect.poll(text, { timeout: 5000 }).toBe(`${large}behind\n`)
})

it('has written what waits when the process ends', () => {
  const { descriptor, text } = openFile()
  const output = openStandardOutput(descriptor)
  output.write('first\n')
  output.write('last\n')
  output.flushNow()
  expect(text()).toBe('first\nlast\n')
})

// Ten times: which of two writes is first is a matter of luck where none waits for the other.
it.each(Array.from({ length: 10 }, (_, n) => n))(
  'keeps the order of lines when the process ends during a write (%i)',
  () => {
    const { descriptor, text } = openFile()
    const output = openStandardOutput(descriptor)
    const large = `${'x'.repeat(16_000)}\n`
    output.write(large)
    output.write('behind\n')
    output.flushNow()
    expect(text()).toBe(`${large}behind\n`)
  },
)

it('says of a full disk that nothing was written, and holds up neither the service nor its end', async () => {
  const output = openStandardOutput(openFull())
  const sink = asSink(output, none)
  sink.write('waits\n')
  await expect(sink.flush()).rejects.toThrow('ENOSPC')
  await expect(sink.flush()).rejects.toThrow('ENOSPC')
  output.flushNow()
})

it('waits for a reader that is slow, whether or not a full pipe holds a write up', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'herald-output-'))
  const path = join(folder, 'pipe')
  execFileSync('mkfifo', [path])
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const writer = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)
  onTestFinished(() => {
    for (const descriptor of [reader, writer]) closeSync(descriptor)
    rmSync(folder, { recursive: true })
  })
  const sink = asSink(openStandardOutput(writer), none)
  const text = `${'x'.repeat(256 * 1024)}\n`
  sink.write(text)
  const flushed = sink.flush()
  const read = Buffer.alloc(text.length)
  let length = 0
  const readOn = () => (length += readWhatIsThere(reader, read, length))
  await expect.poll(readOn, { interval: 1, timeout: 5000 }).toBe(text.length)
  await flushed
  expect(read.toString()).toBe(text)
})

it('lets no more wait than 8 MiB, and tells of each line that is lost', () => {
  let lost = 0
  const output = openStandardOutput(openFull())
  const sink = asSink(output, () => (lost += 1))
  const line = `${'x'.repeat(64 * 1024 - 1)}\n`
  // The first of them is being written, and waits no more.
  for (let lines = 0; lines < 140; lines += 1) sink.write(line)
  expect(lost).toBe(140 - 128 - 1)
  output.flushNow()
})
