import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createAuthenticator } from '../src/authenticator.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const portVariables = [
  'HERALD_TOTP_PORT',
  'HERALD_SMTP_PORT',
  'HERALD_INBOX_PORT',
  'HERALD_MAIL_PORT',
] as const

type Run = {
  child: ChildProcess
  output: () => string
  /** Settles when the output contains the text; rejects when the process ended without it. */
  shows: (text: string) => Promise<void>
  exitCode: Promise<number | null>
}

function run(file: string, args: string[], env: Record<string, string>): Run {
  // A process group of its own, as a terminal would give it.
  const child = spawn(file, args, { cwd: root, env: { ...process.env, ...env }, detached: true })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk))
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (output += chunk))
  const exitCode = new Promise<number | null>((resolve) => child.once('close', resolve))
  const shows = async (text: string) => {
    while (!output.includes(text)) {
      const ended = await Promise.race([
        once(child.stdout, 'data').then(() => false),
        exitCode.then(() => true),
      ])
      if (ended && !output.includes(text)) throw new Error(`It ended without showing "${text}":\n${output}`)
    }
  }
  return { child, output: () => output, shows, exitCode }
}

async function holdPorts(count: number): Promise<{ ports: number[]; servers: Server[] }> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  return { servers, ports: servers.map((server) => (server.address() as AddressInfo).port) }
}

const release = (servers: readonly Server[]) =>
  Promise.all(servers.map((server) => promisify(server.close).call(server)))

/** A folder and four free ports, as the variables that give them to the playground. */
async function prepare(): Promise<{ env: Record<string, string>; folder: string; ports: number[] }> {
  const { ports, servers } = await holdPorts(portVariables.length)
  await release(servers)
  const folder = join(mkdtempSync(join(tmpdir(), 'herald-start-')), '.herald')
  const env = Object.fromEntries(portVariables.map((name, index) => [name, String(ports[index])]))
  return { env: { ...env, HERALD_FOLDER: folder, INIT_CWD: root }, folder, ports }
}

const isFree = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(socket.destroy() === undefined))
    socket.once('error', () => resolve(true))
  })

function listFiles(folder: string): string[] {
  const entries = readdirSync(folder, { withFileTypes: true, recursive: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

describe('npm start', () => {
  let place: Awaited<ReturnType<typeof prepare>>
  let playground: Run
  let shown = ''

  /** Runs a line as it was printed, in the shell of a newcomer. */
  async function paste(line: string): Promise<{ exitCode: number | null; output: string }> {
    const shell = run('bash', ['-c', line], place.env)
    shell.child.stdin?.end()
    const exitCode = await shell.exitCode
    shown += shell.output()
    return { exitCode, output: shell.output() }
  }
  const printed = (start: string, text = playground.output()) => {
    const lines = text.split('\n').map((line) => line.trim())
    const found = lines.find((line) => line.startsWith('curl') && line.includes(start))
    if (!found) throw new Error(`No command for ${start} was printed:\n${text}`)
    return found
  }

  beforeAll(async () => {
    place = await prepare()
    // `--ignore-scripts` leaves out the installation that `npm test` just did.
    playground = run('npm', ['start', '--ignore-scripts'], place.env)
    await playground.shows('Ctrl-C stops everything.')
  })
  afterAll(async () => {
    playground.child.kill('SIGTERM')
    await playground.exitCode
    rmSync(join(place.folder, '..'), { recursive: true, force: true })
  })

  it('says where each thing listens, and each thing listens there', async () => {
    for (const port of place.ports) {
      expect(playground.output()).toContain(`127.0.0.1:${port}`)
      expect(await isFree(port)).toBe(false)
    }
  })

  it('enrols without a phone, and the printed verify takes the next code', async () => {
    const enrolled = await paste('npm run enrol -- --no-phone')
    expect(enrolled.output).toContain('demo is enrolled')
    expect(enrolled.output.match(/^ {2}([A-Z2-9]{4}-){3}[A-Z2-9]{4}$/gm)).toHaveLength(10)

    const verified = await paste(printed('/v1/verify'))
    expect(JSON.parse(verified.output)).toMatchObject({ ok: true, subject: 'demo', amr: ['totp'] })
  })

  it('sends a mail with the printed command, and the inbox page shows it', async () => {
    const sent = await paste(printed('/v1/send'))
    expect(JSON.parse(sent.output)).toMatchObject({ ok: true, provider: 'smtp' })

    const page = await (await fetch(`http://127.0.0.1:${place.env.HERALD_INBOX_PORT}/`)).text()
    expect(page).toContain('alice@example.com')
    expect(page).toContain('123456')
  })

  it('shows every mail in the gallery that the inbox page links to, as herald-smtp makes it', async () => {
    const inboxUrl = `http://127.0.0.1:${place.env.HERALD_INBOX_PORT}`
    expect(playground.output()).toContain(`${inboxUrl}/gallery`)
    const page = await (await fetch(`${inboxUrl}/gallery`)).text()
    const frames = [...page.matchAll(/<iframe[^>]*src="([^"]+)"/g)].map(([, path]) => path!)

    expect(frames).toHaveLength(24)
    expect(new Set(frames).size).toBe(24)
    for (const path of frames) {
      const mail = await (await fetch(`${inboxUrl}${path}`)).text()
      expect(mail).toContain('482913')
      expect(mail).toContain(`<html lang="${path.split('/')[3]}"`)
    }
  })

  it('says how to revoke when somebody enrols twice, and that works as printed', async () => {
    await paste('npm run enrol -- --no-phone --subject "twice over"')
    const again = await paste('npm run enrol -- --no-phone --subject "twice over"')
    expect(again.exitCode).toBe(1)
    expect(again.output).toContain('enrolled already')

    const revoked = await paste(printed('/v1/revoke', again.output))
    expect(JSON.parse(revoked.output)).toEqual({ ok: true, subject: 'twice over' })
    expect((await paste('npm run enrol -- --no-phone --subject "twice over"')).exitCode).toBe(0)
  })

  it('enrols with a phone: shows a QR code, takes another code after none and a wrong one', async () => {
    const enrolment = run('npm', ['run', 'enrol', '--', '--subject', 'phone'], place.env)
    await enrolment.shows('The code it shows: ')
    const secret = /type the key: ([A-Z2-7]+)/.exec(enrolment.output())?.[1]
    const phone = createAuthenticator({ folder: mkdtempSync(join(place.folder, 'phone-')), now: Date.now })
    const code = phone.add('phone', `otpauth://totp/phone?secret=${secret}`)

    enrolment.child.stdin?.write(`\n${code === '000000' ? '000001' : '000000'}\n`)
    await enrolment.shows('That code was not right')
    enrolment.child.stdin?.write(`${code}\n`)

    expect(await enrolment.exitCode).toBe(0)
    expect(enrolment.output()).toContain('▀')
    expect(enrolment.output()).toContain('phone is enrolled')
    const verify = printed('/v1/verify', enrolment.output()).replace('CODE', phone.nextCode('phone').code)
    expect(JSON.parse((await paste(verify)).output)).toMatchObject({ ok: true, subject: 'phone' })
  })

  it('keeps every file to its owner and shows no key', () => {
    const files = listFiles(place.folder)
    expect(files.length).toBeGreaterThan(5)
    for (const file of files)
      expect(`${file} ${(statSync(file).mode & 0o777).toString(8)}`).toBe(`${file} 600`)

    const keys = readdirSync(join(place.folder, 'keys'))
    expect(keys).toHaveLength(4)
    for (const key of keys) {
      const text = readFileSync(join(place.folder, 'keys', key), 'utf8').replace(/^base64:/, '')
      expect(playground.output() + shown).not.toContain(text)
    }
  })

  it('stops everything on SIGTERM and frees the ports', async () => {
    playground.child.kill('SIGTERM')
    await playground.exitCode

    for (const port of place.ports) expect(await isFree(port)).toBe(true)
    expect(playground.output()).not.toContain('ended with')
    const enrolled = await paste('npm run --silent enrol')
    expect(enrolled).toEqual({
      exitCode: 1,
      output: 'herald-totp is not running: run `npm start` in another terminal first.\n',
    })
  })
})

describe('a playground that cannot go on', () => {
  let place: Awaited<ReturnType<typeof prepare>>
  beforeAll(async () => {
    place = await prepare()
  })
  afterEach(() => rmSync(place.folder, { recursive: true, force: true }))
  afterAll(() => rmSync(join(place.folder, '..'), { recursive: true, force: true }))
  const start = () => run(process.execPath, ['apps/playground/src/main.ts'], place.env)

  it('names a taken port and what needs it in one line, and starts nothing', async () => {
    const { ports, servers } = await holdPorts(1)
    const playground = run(process.execPath, ['apps/playground/src/main.ts'], {
      ...place.env,
      HERALD_SMTP_PORT: String(ports[0]),
    })

    expect(await playground.exitCode).toBe(1)
    expect(playground.output()).toMatch(
      new RegExp(`^Port ${ports[0]} is taken, and herald-smtp needs it: .*\n$`),
    )
    await release(servers)
  })

  it('ends with the name of the service that ended, and leaves nothing running', async () => {
    mkdirSync(join(place.folder, 'keys'), { recursive: true })
    writeFileSync(join(place.folder, 'keys', 'encryption-key'), 'too short')
    const playground = start()

    expect(await playground.exitCode).toBe(1)
    expect(playground.output().trim().split('\n').at(-1)).toBe(
      'herald-totp ended with exit code 78. Everything else was stopped too.',
    )
    for (const port of place.ports) expect(await isFree(port)).toBe(true)
  })

  it('takes Ctrl-C, which reaches every process of the terminal at once, for a wish and not for a crash', async () => {
    const playground = run('npm', ['start', '--ignore-scripts'], place.env)
    await playground.shows('Ctrl-C stops everything.')
    process.kill(-playground.child.pid!, 'SIGINT')

    await playground.exitCode
    expect(playground.output()).not.toContain('ended with')
    for (const port of place.ports) expect(await isFree(port)).toBe(true)
  })

  it('stops everything when nobody reads its output any more', async () => {
    const playground = start()
    await playground.shows('Ctrl-C stops everything.')
    playground.child.stdout?.destroy()
    // Each request is a line of log; the first of them may already have been too much.
    await fetch(`http://127.0.0.1:${place.env.HERALD_TOTP_PORT}/v1/status?subject=demo`).catch(
      () => undefined,
    )

    expect(await playground.exitCode).toBe(0)
    for (const port of place.ports) expect(await isFree(port)).toBe(true)
  })
})
