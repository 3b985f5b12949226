import { globSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = join(import.meta.dirname, '..')
const skipped = ['**/node_modules/**', '**/dist/**', '.git/**', '.cache/**', '.herald/**']
const files = (...patterns: string[]) => globSync(patterns, { cwd: root, exclude: skipped }).toSorted()
const read = (file: string) => readFileSync(join(root, file), 'utf8')

const sources = files('{apps,packages}/*/src/**/*.ts')
const isTest = (file: string) => /\.(test|contract|fixture)\.ts$/.test(file)
const production = sources.filter((file) => !isTest(file))
const services = ['apps/herald-totp', 'apps/herald-smtp']

/** `apps/herald-totp` of `apps/herald-totp/src/domain/totp.ts`. */
const memberOf = (file: string) => file.split('/').slice(0, 2).join('/')

function importsOf(file: string): string[] {
  const pattern = /^(?:import|export)\s(?:[^'"]*?\sfrom\s)?'([^']+)'/gm
  return [...read(file).matchAll(pattern)].map((match) => match[1] ?? '')
}

/** The code without its comments and string literals, line by line. */
function codeOf(file: string): string[] {
  const bare = read(file).replaceAll(/\/\*[^]*?\*\//g, (comment) => comment.replaceAll(/[^\n]/g, ''))
  return bare.split('\n').map((line) => line.replaceAll(/'[^']*'|\/\/.*$/g, ''))
}

function offences(candidates: string[], offends: (line: string) => boolean): string[] {
  return candidates.flatMap((file) =>
    codeOf(file).flatMap((line, index) => (offends(line) ? [`${file}:${index + 1} ${line.trim()}`] : [])),
  )
}

describe('rooms', () => {
  it('names no file or folder after nothing in particular', () => {
    const vague = /^(utils?|helpers?|shared|managers?|common|misc|lib|base)$/
    const vaguelyNamed = sources.filter((file) =>
      file
        .split('/')
        .slice(2)
        .some((part) => vague.test(part.replace(/(\.\w+)?\.ts$/, ''))),
    )
    expect(vaguelyNamed).toEqual([])
  })

  it.each(services)('%s starts from a main.ts of 80 lines at most', (service) => {
    expect(read(`${service}/src/main.ts`).trimEnd().split('\n').length).toBeLessThanOrEqual(80)
  })

  it('decides the status of a refusal in refusals.ts alone', () => {
    const table = /\/(refusals|reply|reply-text)\.ts$|\/mailer\//
    const candidates = production.filter((file) => services.includes(memberOf(file)) && !table.test(file))
    expect(
      offences(candidates, (line) => /(^|[^\w.])(40\d|41\d|422|429|50[0-4])\b(?!\s*\*)/.test(line)),
    ).toEqual([])
  })

  it('keeps barrels to the index of a package, which only exports', () => {
    const isIndex = (file: string) => /^packages\/[^/]+\/src\/index\.ts$/.test(file)
    const declaration =
      /^import\b|^(export )?(async )?(const|let|function|class|declare|await)\b|^(export )?type \w/
    const declares = (file: string) => codeOf(file).some((line) => declaration.test(line))
    const barrels = production.filter((file) => !declares(file) && importsOf(file).length > 0)
    expect(barrels.filter((file) => !isIndex(file))).toEqual([])
    expect(production.filter((file) => isIndex(file) && declares(file))).toEqual([])
  })

  it('lets the domain see neither transport, store engine nor configuration', () => {
    const domain = production.filter((file) => file.includes('/src/domain/'))
    const foreign =
      /^(hono|@hono\/|ioredis|node:sqlite|node:http|pino)|\/(routes|commands|config|app|main)(\/|\.ts)/
    expect(
      domain.flatMap((file) =>
        importsOf(file)
          .filter((name) => foreign.test(name))
          .map((name) => `${file} ${name}`),
      ),
    ).toEqual([])
  })

  it('lets routes reach the store through its interface', () => {
    const routes = production.filter((file) => /\/src\/routes\//.test(file))
    const engine = /store\/(redis|sqlite|schema|open-)/
    expect(
      routes.flatMap((file) =>
        importsOf(file)
          .filter((name) => engine.test(name))
          .map((name) => `${file} ${name}`),
      ),
    ).toEqual([])
  })
})

describe('the direction of imports', () => {
  it('never leaves an app or a package by a relative path', () => {
    const escapes = production.flatMap((file) =>
      importsOf(file)
        .filter((name) => name.startsWith('.'))
        .filter((name) => memberOf(posix.join(dirname(file), name)) !== memberOf(file))
        .map((name) => `${file} ${name}`),
    )
    expect(escapes).toEqual([])
  })

  it('declares what it imports, and no app imports an app', () => {
    const undeclared = sources.flatMap((file) => {
      const manifest = JSON.parse(read(`${memberOf(file)}/package.json`)) as Record<
        string,
        Record<string, string>
      >
      const declared = {
        ...manifest['dependencies'],
        ...(isTest(file) || file.startsWith('packages/testing/') ? manifest['devDependencies'] : {}),
      }
      return importsOf(file)
        .filter((name) => !/^(\.|node:|vitest)/.test(name))
        .map((name) =>
          name
            .split('/')
            .slice(0, name.startsWith('@') ? 2 : 1)
            .join('/'),
        )
        .filter((name) => !(name in declared))
        .map((name) => `${file} ${name}`)
    })
    expect(undeclared).toEqual([])
    const names = files('apps/*/package.json').map(
      (file) => (JSON.parse(read(file)) as { name: string }).name,
    )
    const dependents = files('{apps,packages}/*/package.json').filter((file) => {
      const manifest = JSON.parse(read(file)) as { dependencies?: object }
      return names.some((name) => name in (manifest.dependencies ?? {}))
    })
    expect(dependents).toEqual([])
  })

  it('runs on nothing that its tests alone import', () => {
    const idle = files('{apps,packages}/*/package.json').flatMap((file) => {
      const manifest = JSON.parse(read(file)) as { dependencies?: object }
      const imported = production.filter((source) => memberOf(source) === dirname(file)).flatMap(importsOf)
      return Object.keys(manifest.dependencies ?? {})
        .filter((name) => !imported.some((found) => found === name || found.startsWith(`${name}/`)))
        .map((name) => `${file} ${name}`)
    })
    expect(idle).toEqual([])
  })

  it('stacks the packages in layers', () => {
    const layers = [['crypto'], ['auth', 'storage', 'audit'], ['config'], ['service']]
    const layerOf = (name: string) => layers.findIndex((layer) => layer.includes(name))
    const upward = production
      .filter((file) => file.startsWith('packages/') && !file.startsWith('packages/testing/'))
      .flatMap((file) =>
        importsOf(file)
          .filter((name) => name.startsWith('@herald/'))
          .filter(
            (name) => !(layerOf(name.slice('@herald/'.length)) < layerOf(memberOf(file).split('/')[1] ?? '')),
          )
          .map((name) => `${file} ${name}`),
      )
    expect(upward).toEqual([])
  })
})

describe('the supply chain', () => {
  const manifests = files('package.json', '{apps,packages}/*/package.json')

  it('pins every dependency to one version', () => {
    const loose = manifests.flatMap((file) => {
      const { dependencies, devDependencies, optionalDependencies } = JSON.parse(read(file)) as Record<
        string,
        object
      >
      return Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies })
        .filter(([, version]) => !/^(catalog:|workspace:\*|\d+\.\d+\.\d+)$/.test(version as string))
        .map(([name, version]) => `${file} ${name} ${version as string}`)
    })
    const catalog = read('pnpm-workspace.yaml').split('catalog:')[1] ?? ''
    const looseInCatalog = catalog
      .split('\n')
      .filter((line) => /^\s+\S+: /.test(line) && !/: \d+\.\d+\.\d+$/.test(line))
    expect([...loose, ...looseInCatalog]).toEqual([])
  })

  it('pins every action by the hash of a commit and says its version', () => {
    const uses = workflows().flatMap((file) =>
      [...read(file).matchAll(/uses: (.*)$/gm)].map((match) => match[1] ?? ''),
    )
    expect(uses.length).toBeGreaterThan(0)
    expect(uses.filter((use) => !/^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(use))).toEqual([])
  })

  it('gives a workflow no more than reading, and an end', () => {
    for (const file of workflows()) {
      expect(read(file)).toContain('permissions:\n  contents: read\n')
      expect(read(file)).not.toMatch(/: write\b/)
      const jobs = read(file).match(/^ {4}runs-on:/gm)?.length
      expect(read(file).match(/^ {4}timeout-minutes:/gm)?.length).toBe(jobs)
    }
  })

  it('names an exact version of every image and machine, never latest', () => {
    const machines = workflows().flatMap((file) =>
      [...read(file).matchAll(/runs-on: (.*)$/gm)].map((match) => match[1]),
    )
    const composed = files('docker-compose.yml', 'infra/compose/*.yml').flatMap((file) =>
      [...read(file).matchAll(/^\s+image: (.*)$/gm)].map((match) => match[1]),
    )
    const bases = [...read('infra/docker/Dockerfile').matchAll(/^ARG \w+_IMAGE=(.*)$/gm)].map(
      (match) => match[1],
    )
    const images = [...machines, ...composed, ...bases]
    expect(images.length).toBeGreaterThan(6)
    expect(
      images.filter(
        (image) => !/[:-][^:]*\d|debian\d+:nonroot$/.test(image ?? '') || /latest/.test(image ?? ''),
      ),
    ).toEqual([])
    expect(read('infra/docker/Dockerfile').match(/^FROM (?!\$\{\w+_IMAGE\})/gm)).toBeNull()
  })

  it('has no private key and no filled environment file in the tree', () => {
    const texts = files('**/*.{ts,json,md,yml,yaml,sh,js,example,conf}')
    const leaked = texts.filter(
      (file) => !isTest(file) && /-----BEGIN [A-Z ]*PRIVATE KEY-----\n/.test(read(file)),
    )
    expect(leaked).toEqual([])
    expect(files('**/*.env', 'infra/**/*.pem', 'infra/**/*.key')).toEqual([])
    expect(read('.gitignore').split('\n')).toContain('.env')
  })

  function workflows(): string[] {
    return files('.github/workflows/*.yml')
  }
})

describe('the compose file', () => {
  const compose = read('docker-compose.yml')

  it('holds no secret and refuses to start without one', () => {
    const secrets = [...compose.matchAll(/^\s+(\w*(?:PASSWORD|SECRET|KEY|REDISCLI_AUTH)\w*): (.*)$/gm)]
    expect(secrets.length).toBeGreaterThan(6)
    expect(
      secrets.filter(([, , value]) => !/^\$\{\w+:(\?.+|-)\}$/.test(value ?? '')).map(([line]) => line),
    ).toEqual([])
    const optional = secrets.filter(([, , value]) => value?.endsWith(':-}')).map(([, name]) => name)
    expect(new Set(optional)).toEqual(new Set(['HMAC_SECRET', 'ADMIN_API_KEY']))
  })

  it('publishes nothing beyond this machine and keeps Redis where nothing is published', () => {
    const published = [...compose.matchAll(/ports: \['(.*)'\]/g)].map((match) => match[1] ?? '')
    expect(published.length).toBe(3)
    expect(published.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([])
    expect(/ {2}redis:[^]*?(?=\n {2}\w)/.exec(compose)?.[0]).toContain('networks: [backend]')
  })

  it('takes every privilege away from every container', () => {
    const shared = /^x-service:[^]*?\n\n/m.exec(compose)?.[0]
    for (const line of ['read_only: true', 'cap_drop: [ALL]', "security_opt: ['no-new-privileges:true']"]) {
      expect(shared).toContain(line)
    }
    const containers = compose.match(/^ {4}image:/gm)?.length
    expect(compose.match(/^ {4}<<: \*service$/gm)?.length).toBe(containers)
  })

  it('keeps what Redis holds: no eviction, and on disk before it is answered', () => {
    expect(compose).toContain('--maxmemory-policy noeviction')
    expect(compose).toContain('--appendonly yes --appendfsync always')
  })
})
