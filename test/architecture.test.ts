/** The architecture as a test: who may import whom. Folders are floors; imports go to the own folder or down. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import tap from 'tap'

const src = resolve(import.meta.dirname, '../src')

/** Each floor and the floors it may stand on, besides itself. `ground` is the files of src/ that everything may use. */
const floors: Record<string, readonly string[]> = {
  ground: [],
  domain: ['ground'],
  storage: ['domain', 'ground'],
  protocol: ['domain', 'ground'],
  guard: ['domain', 'ground'],
  observability: ['domain', 'ground'],
  management: ['guard', 'observability', 'domain', 'ground'],
  app: ['management', 'guard', 'protocol', 'storage', 'observability', 'domain', 'ground'],
  cli: ['app', 'ground'],
}

const appFiles = new Set(['app.ts', 'doctor.ts', 'index.ts', 'shutdown.ts'])

/** Packages that one floor alone may import. */
const confined: Record<string, string> = {
  'oidc-provider': 'protocol',
  '@prisma/client': 'storage',
  'better-sqlite3': 'storage',
  pg: 'storage',
  commander: 'cli',
  'prom-client': 'observability',
  '@opentelemetry': 'observability',
}

function floorOf (file: string): string {
  const [first = '', ...rest] = relative(src, file).split('/')
  if (rest.length > 0) return first
  return appFiles.has(first) ? 'app' : 'ground'
}

const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter(name => name.endsWith('.ts') && !name.includes('generated'))
  .map(name => join(src, name))

function importsOf (file: string): string[] {
  return [
    ...readFileSync(file, 'utf8').matchAll(
      /(?:^|\s)(?:import|export)\s[^'"]*?from\s+'([^']+)'|import\(\s*'([^']+)'\s*\)|^import\s+'([^']+)'/gm
    )
  ]
    .map(match => (match[1] ?? match[2] ?? match[3])!)
}

tap.test('imports go to the own floor or down, never up, never sideways', async t => {
  t.ok(files.length > 30, 'there are files to look at')
  for (const file of files) {
    const floor = floorOf(file)
    const below = floors[floor]
    if (below === undefined) {
      t.fail(`${relative(src, file)} stands on no floor`)
      continue
    }
    for (const specifier of importsOf(file).filter(each => each.startsWith('.'))) {
      const target = floorOf(resolve(dirname(file), specifier))
      t.ok(
        target === floor || below.includes(target),
        `${relative(src, file)} (${floor}) may not import ${specifier} (${target})`
      )
    }
  }
})

tap.test('a library that is confined to a floor is imported by no other', async t => {
  for (const file of files) {
    for (const specifier of importsOf(file)) {
      const [library, floor] = Object.entries(confined).find(([name]) =>
        specifier === name || specifier.startsWith(`${name}/`)
      ) ?? []
      if (library !== undefined) t.equal(floorOf(file), floor, `${relative(src, file)} imports ${library}`)
    }
  }
})

tap.test('schemas are built by schema.ts, and the library gives them types alone', async t => {
  for (const file of files) {
    const loaded = readFileSync(file, 'utf8').match(
      /^import (?!type )[^'\n]*'(?:typebox|@fastify\/type-provider-typebox)'/gm
    )
    t.equal(loaded, null, `${relative(src, file)} loads TypeBox`)
  }
})

tap.test('the environment is read by config.ts alone', async t => {
  for (const file of files.filter(each => /process\.env/.test(readFileSync(each, 'utf8')))) {
    t.equal(relative(src, file), 'config.ts')
  }
})

tap.test('N8: the address of a request, which may be missing, is asked for by address.ts alone', async t => {
  for (
    const file of files.filter(each =>
      /equest(?:\(\))?\.ips?\b|\bips?\b[^(){}]*\}: FastifyRequest/.test(readFileSync(each, 'utf8'))
    )
  ) t.equal(relative(src, file), 'address.ts')
})

tap.test('secrets are made, digested and compared by secrets.ts alone', async t => {
  // token.ts digests whole tokens as the key of its memory, which is no comparison of secrets.
  const allowed = new Set(['secrets.ts', 'domain/token.ts'])
  for (const file of files) {
    const text = readFileSync(file, 'utf8')
    if (/randomBytes|timingSafeEqual|createHash|createHmac|createCipheriv|\bhash\('sha/.test(text)) { t.ok(allowed.has(relative(src, file)), relative(src, file)) }
  }
})
