import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import tap, { type Test } from 'tap'
import { findRow } from '../../src/config/table.ts'
import { allVariables } from '../../src/config/variables.ts'
import { loadConfig } from '../../src/config/config.ts'
import { findConnection } from '../../src/cli/connection.ts'
import { readClientEnvironment } from '../../src/config/client-environment.ts'
import { requireNode } from '../../src/base/node/supported-node.ts'
import { ConfigurationError } from '../../src/base/errors.ts'
import { digestOf } from '../../src/secrets/digest.ts'

const good = 'b3K9xQ2mT7vR1yW5zN8cH4jL6pS0dF-G'
const other = 'Zk4vD8sB1nX6mQ0wE3rT9yU5iO7pA2-f'

function folder (t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'latchkey-config-'))
  t.teardown(() => { rmSync(path, { recursive: true }) })
  return path
}

function problemsOf (load: () => unknown): readonly string[] {
  try {
    load()
    return []
  } catch (error) {
    return error instanceof ConfigurationError ? error.problems : [String(error)]
  }
}

tap.test('an older Node.js is refused before anything is opened', t => {
  t.throws(() => { requireNode('20.20.2') }, /Node\.js: this is 20\.20\.2, and Latchkey needs 22\.15\.0 or newer/)
  t.throws(() => { requireNode('22.14.1') }, /this is 22\.14\.1/)
  t.doesNotThrow(() => { requireNode('22.15.0') })
  t.doesNotThrow(() => { requireNode('24.0.0') })
  t.doesNotThrow(() => { requireNode() })
  t.end()
})

tap.test('a first start on a full disk leaves nothing behind that keeps the next one from its secrets', async t => {
  const home = folder(t)
  const start = (limit: string): string => {
    const program = `import { loadConfig } from ${
      JSON.stringify(resolve(import.meta.dirname, '../../src/config/config.ts'))
    }; loadConfig({}, process.argv[1])`
    return spawnSync('sh', [
      '-c', `ulimit -f ${limit}; exec "$0" --input-type=module -e "$1" "$2"`, process.execPath, program, home
    ], { encoding: 'utf8' }).stderr
  }
  t.match(start('0'), /cannot be read or written \(EFBIG\)/)
  t.strictSame(readdirSync(join(home, 'data')), [])
  t.equal(start('unlimited'), '')
  t.strictSame(readdirSync(join(home, 'data')).sort(), ['admin-token', 'secret'])
})

tap.test('with no environment at all a laptop gets everything it needs, once', async t => {
  const home = folder(t)
  const first = loadConfig({}, home)
  t.match(first, {
    port: 3000,
    host: '127.0.0.1',
    issuer: 'http://localhost:3000',
    registration: 'token',
    trustProxy: [],
    databaseUrl: `file:${home}/data/latchkey.db`
  })
  t.ok(first.generatedAdminToken)
  t.equal(first.adminTokenDigest, digestOf(first.generatedAdminToken!))
  for (const name of ['secret', 'admin-token']) t.equal(statSync(join(home, 'data', name)).mode & 0o777, 0o600, name)
  const second = loadConfig({}, home)
  t.equal(second.generatedAdminToken, null, 'printed once')
  t.equal(second.adminTokenDigest, first.adminTokenDigest)
  t.same(second.secrets, first.secrets)
})

tap.test('S1: what was generated for one thing is not taken for another', async t => {
  const home = folder(t)
  loadConfig({}, home)
  for (const [file, variable] of [['admin-token', 'LATCHKEY_SECRET'], ['secret', 'LATCHKEY_ADMIN_TOKEN']] as const) {
    const text = readFileSync(join(home, 'data', file), 'utf8').trim()
    t.match(problemsOf(() => loadConfig({ [variable]: text }, home)), [
      /^LATCHKEY_SECRET: is the same as LATCHKEY_ADMIN_TOKEN; /
    ], file)
  }
  t.match(
    loadConfig({ LATCHKEY_SECRET: `${other},${good}`, DATABASE_URL: 'postgresql://latchkey:secret@db/x' }, home)
      .secrets,
    [other, good]
  )
})

tap.test('S1: a configuration that is not safe is refused by the name of its variable', async t => {
  const remote = {
    HOST: '0.0.0.0', LATCHKEY_ISSUER: 'https://auth.example.com', LATCHKEY_SECRET: good, LATCHKEY_ADMIN_TOKEN: other
  }
  const cases: [string, Record<string, string>, RegExp][] = [
    ['a port that is none', { PORT: 'http' }, /^PORT: "http"/],
    ['a port out of range', { PORT: '65536' }, /^PORT: /],
    [
      'a public issuer without TLS', { ...remote, LATCHKEY_ISSUER: 'http://auth.example.com' },
      /^LATCHKEY_ISSUER: .*not https/
    ],
    [
      'an issuer with a path', { ...remote, LATCHKEY_ISSUER: 'https://auth.example.com/oidc' },
      /^LATCHKEY_ISSUER: .*not an origin/
    ],
    [
      'an issuer with a trailing slash', { ...remote, LATCHKEY_ISSUER: 'https://auth.example.com/' },
      /^LATCHKEY_ISSUER: /
    ],
    ['an issuer that is no URL', { ...remote, LATCHKEY_ISSUER: 'auth.example.com' }, /^LATCHKEY_ISSUER: /],
    ['no issuer on a public address', { ...remote, LATCHKEY_ISSUER: '' }, /^LATCHKEY_ISSUER: is required/],
    ['no secret on a public address', { ...remote, LATCHKEY_SECRET: '' }, /^LATCHKEY_SECRET: is required/],
    [
      'no admin token on a public address', { ...remote, LATCHKEY_ADMIN_TOKEN: '' },
      /^LATCHKEY_ADMIN_TOKEN: is required/
    ],
    [
      'no secret for a public issuer', { LATCHKEY_ISSUER: 'https://auth.example.com', LATCHKEY_ADMIN_TOKEN: good },
      /^LATCHKEY_SECRET: is required/
    ],
    ['a short secret', { LATCHKEY_SECRET: 'changeme' }, /^LATCHKEY_SECRET: is too easy/],
    ['a patterned secret', { LATCHKEY_SECRET: 'a'.repeat(64) }, /^LATCHKEY_SECRET: is too easy/],
    ['one weak secret of several', { LATCHKEY_SECRET: `${good},changeme` }, /^LATCHKEY_SECRET: is too easy/],
    [
      'the secret as admin token', { LATCHKEY_SECRET: good, LATCHKEY_ADMIN_TOKEN: good },
      /^LATCHKEY_SECRET: is the same as LATCHKEY_ADMIN_TOKEN; (?!.*b3K9)/
    ],
    [
      'an older secret as admin token', { LATCHKEY_SECRET: `${other}, ${good}`, LATCHKEY_ADMIN_TOKEN: good },
      /^LATCHKEY_SECRET \(number 2\): is the same as LATCHKEY_ADMIN_TOKEN; /
    ],
    [
      'a secret twice', { LATCHKEY_SECRET: `${good},${other},${good}` },
      /^LATCHKEY_SECRET \(number 1\): is the same as LATCHKEY_SECRET \(number 3\); /
    ],
    ['the secret as password of the database', {
      LATCHKEY_SECRET: good, DATABASE_URL: `postgresql://latchkey:${good}@db/x`
    }, /^LATCHKEY_SECRET: is the same as the password in DATABASE_URL; /],
    ['the admin token as password of the database, escaped', {
      LATCHKEY_ADMIN_TOKEN: good, DATABASE_URL: `postgresql://latchkey:${good.replace('b', '%62')}@db/x`
    }, /^LATCHKEY_ADMIN_TOKEN: is the same as the password/],
    ['the secret as password in a parameter', {
      LATCHKEY_SECRET: good, DATABASE_URL: `postgresql://db/x?password=${good}`
    }, /^LATCHKEY_SECRET: is the same as the password/],
    ['the admin token for the collector', {
      LATCHKEY_ADMIN_TOKEN: good,
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318',
      OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer%20${good}`
    }, /^LATCHKEY_ADMIN_TOKEN: is the same as the header authorization in OTEL_/],
    ['a collector that is no URL', { OTEL_EXPORTER_OTLP_ENDPOINT: 'hunter2' }, /^OTEL_EXPORTER_OTLP_ENDPOINT: (?!.*hunter2)/],
    [
      'headers that are no list', { OTEL_EXPORTER_OTLP_HEADERS: 'hunter2' },
      /^OTEL_EXPORTER_OTLP_HEADERS: is not a percent-encoded list (?!.*hunter2)/
    ],
    ['a share of traces that is none', { OTEL_TRACES_SAMPLER_ARG: '2' }, /^OTEL_TRACES_SAMPLER_ARG: is not a number from 0 to 1/],
    ['a weak admin token', { LATCHKEY_ADMIN_TOKEN: 'admin' }, /^LATCHKEY_ADMIN_TOKEN: is too easy/],
    ['a database that is none', { DATABASE_URL: 'mysql://root:hunter2@db/x' }, /^DATABASE_URL: (?!.*hunter2)/],
    ['an unknown registration mode', { LATCHKEY_REGISTRATION: 'public' }, /^LATCHKEY_REGISTRATION: "public"/],
    ['every proxy trusted', { LATCHKEY_TRUST_PROXY: '0.0.0.0/0' }, /^LATCHKEY_TRUST_PROXY: .*every address on the internet/],
    ['`true` as proxy', { LATCHKEY_TRUST_PROXY: 'true' }, /^LATCHKEY_TRUST_PROXY: "true"/],
    ['a URL as domain', { LATCHKEY_CLIENT_DOMAINS: 'https://a.example' }, /^LATCHKEY_CLIENT_DOMAINS: .*is no domain/],
    ['a pattern as domain', { LATCHKEY_CLIENT_DOMAINS: 'a.*.example' }, /^LATCHKEY_CLIENT_DOMAINS: .*is no domain/],
    ['an address as domain', { LATCHKEY_CLIENT_DOMAINS_DENIED: '10.0.0.1' }, /^LATCHKEY_CLIENT_DOMAINS_DENIED: /],
    ['a scheme with its colon', { LATCHKEY_REDIRECT_SCHEMES: 'cursor:' }, /^LATCHKEY_REDIRECT_SCHEMES: .*name alone/],
    ['http as a private scheme', { LATCHKEY_REDIRECT_SCHEMES: 'cursor,http' }, /^LATCHKEY_REDIRECT_SCHEMES: "http"/],
    ['a zone id as proxy', { LATCHKEY_TRUST_PROXY: 'fe80::1%eth0' }, /^LATCHKEY_TRUST_PROXY: /],
    ['an unknown log level', { LATCHKEY_LOG_LEVEL: 'verbose' }, /^LATCHKEY_LOG_LEVEL: /],
  ]
  for (const [title, environment, problem] of cases) {
    const home = folder(t)
    const problems = problemsOf(() => loadConfig(environment, home))
    t.ok(problems.some(each => problem.test(each)), `${title}: ${problems.join('; ')}`)
    t.notOk(existsSync(join(home, 'data')), `${title}: nothing is left behind`)
  }
})

tap.test('S1: all problems are named at once', async t => {
  const problems = problemsOf(() =>
    loadConfig({ PORT: '0', DATABASE_URL: 'x', LATCHKEY_SECRET: 'y', LATCHKEY_REGISTRATION: 'z' }, folder(t))
  )
  t.same(problems.map(problem => problem.split(':')[0]), [
    'PORT', 'DATABASE_URL', 'LATCHKEY_SECRET', 'LATCHKEY_REGISTRATION'
  ])
})

tap.test('a generated secret that was damaged is not replaced by a new one', async t => {
  const home = folder(t)
  loadConfig({}, home)
  const file = join(home, 'data', 'secret')
  writeFileSync(file, 'x')
  t.match(problemsOf(() => loadConfig({}, home)), [/secret: is damaged/])
  t.equal(readFileSync(file, 'utf8'), 'x')
})

tap.test('S1: a secret is read from the file that its variable with _FILE names', async t => {
  const home = folder(t)
  const url = 'postgresql://latchkey:secret@db/x'
  const files = { secret: `${good}\n`, token: `${other}\n`, url: `${url}\n`, blank: ' \n', short: 'changeme' }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(home, name), text)
  const environment = {
    LATCHKEY_SECRET_FILE: 'secret', LATCHKEY_ADMIN_TOKEN_FILE: join(home, 'token'), DATABASE_URL_FILE: 'url'
  }
  t.match(loadConfig(environment, home), {
    secrets: [good],
    adminTokenDigest: digestOf(other),
    generatedAdminToken: null,
    databaseUrl: url,
    unknownVariables: [],
  })
  t.match(readClientEnvironment(environment, home), { adminToken: other, problems: [], unknownVariables: [] })
  const cases: [title: string, environment: Record<string, string>, problem: string][] = [
    ['no such file', { LATCHKEY_SECRET_FILE: 'gone' }, `${home}/gone cannot be read (ENOENT)`],
    ['a folder', { LATCHKEY_SECRET_FILE: '.' }, `${home} cannot be read (EISDIR)`],
    ['a blank file', { LATCHKEY_SECRET_FILE: 'blank' }, `${home}/blank is blank`],
    [
      'both ways', { LATCHKEY_SECRET_FILE: 'secret', LATCHKEY_SECRET: other },
      'LATCHKEY_SECRET is set too; unset one of them'
    ],
  ]
  for (const [title, environment, problem] of cases) {
    const problems = problemsOf(() => loadConfig(environment, home))
    t.ok(problems.some(each => each.startsWith(`LATCHKEY_SECRET_FILE: ${problem}`)), `${title}: ${problems.join('; ')}`)
    t.notOk(existsSync(join(home, 'data')), `${title}: nothing is generated instead`)
  }
  t.match(problemsOf(() => loadConfig({ LATCHKEY_SECRET_FILE: 'short' }, home)), [/^LATCHKEY_SECRET: is too easy/])
  t.match(problemsOf(() => loadConfig({ LATCHKEY_SECRET_FILE: 'secret', LATCHKEY_ADMIN_TOKEN_FILE: 'secret' }, home)), [
    /^LATCHKEY_SECRET: is the same as LATCHKEY_ADMIN_TOKEN; /
  ])
  t.strictSame(loadConfig({ LATCHKEY_SECRET_FILE: ' ' }, home).secrets.length, 1, 'a blank variable is not set')
  const gone = readClientEnvironment({ LATCHKEY_TOKEN_FILE: 'gone', LATCHKEY_SECRET_FILE: 'gone' }, home)
  t.match(gone.problems, [/^LATCHKEY_TOKEN_FILE: /], 'a command reads no file of the server but its admin token')
  t.throws(() => findConnection({ url: 'http://localhost:1', token: 'x' }, gone), /LATCHKEY_TOKEN_FILE: .*ENOENT/)
})

const known = allVariables.flatMap(({ name, inFile }) => inFile === true ? [name, `${name}_FILE`] : [name])

tap.test('a variable that no Latchkey reads is named with the nearest one, and its value is not', async t => {
  const cases: [name: string, nearest: string | null][] = [
    ['LATCHKEY_ISUER', 'LATCHKEY_ISSUER'], ['LATCHKEY_SECRETS', 'LATCHKEY_SECRET'], [
      'LATCHKEY_TRUSTED_PROXIES',
      'LATCHKEY_TRUST_PROXY',
    ],
    ['LATCHKEY_LOG', 'LATCHKEY_LOG_LEVEL'], [
      'LATCHKEY_DATABASE_URL',
      'DATABASE_URL',
    ], ['latchkey_issuer', 'LATCHKEY_ISSUER'],
    ['LATCHKEY_SECRETS_FILE', 'LATCHKEY_SECRET_FILE'], ['LATCHKEY_ISSUER_FILE', 'LATCHKEY_ISSUER'],
    ['LATCHKEY_PORT', 'PORT'], ['LACHKEY_SECRET', 'LATCHKEY_SECRET'], ['LATCHKEY_TOEKN', 'LATCHKEY_TOKEN'],
    ['PROT', null], ['DATABASE', null], ['SECRET', null], ['LATCHKEY_SERVICE_HOST', null], [
      'LATCHKEY_PORT_3000_TCP',
      null,
    ],
    ['LATCHKEY_TEST_POSTGRES', null], ...known.map((name): [string, null] => [name, null]),
  ]
  for (const [name, nearest] of cases) {
    const sentences = nearest === null
      ? []
      : [
      `${name}: is unknown and ignored; the nearest known variable is ${nearest}`,
        ]
    t.strictSame(readClientEnvironment({ [name]: 'hunter2' }).unknownVariables, sentences, name)
  }
  t.strictSame(
    readClientEnvironment({ LATCHKEY_PORT: 'tcp://10.0.0.7:3000' }).unknownVariables,
    [],
    'Kubernetes says where a service is'
  )
  const { unknownVariables } = loadConfig({ LATCHKEY_ISUER: 'x' }, folder(t))
  t.strictSame(
    unknownVariables,
    ['LATCHKEY_ISUER: is unknown and ignored; the nearest known variable is LATCHKEY_ISSUER']
  )
})

tap.test('what is missing and what is mistyped for it are named together', async t => {
  const environment = {
    HOST: '0.0.0.0',
    LATCHKEY_ISUER: 'https://auth.example.com',
    LATCHKEY_SECRET: good,
    LATCHKEY_ADMIN_TOKEN: other,
  }
  t.strictSame(
    problemsOf(() => loadConfig(environment, folder(t))).map(problem => problem.split(':')[0]),
    ['LATCHKEY_ISSUER', 'LATCHKEY_ISUER']
  )
})

tap.test('code and documents name no variable that is not in the one list', async t => {
  const root = resolve(import.meta.dirname, '../..')
  const folders = ['src', 'bin', 'docs', 'examples', 'scripts', 'bench'].flatMap(name =>
    readdirSync(join(root, name), { recursive: true, encoding: 'utf8' }).map(file => join(name, file)))
  const files = [...folders, 'README.md', '.env.example'].filter(
    name => /\.(ts|js|md|example|yml|service)$/.test(name) && !name.includes('generated')
  )
  t.ok(files.length > 100)
  const namesIn = (file: string) =>
    readFileSync(join(root, file), 'utf8').match(/\bLATCHKEY_[A-Z][A-Z_]*[A-Z]\b/g) ?? []
  // Those of APIs with a remote guard, which the dashboard shows.
  const ofGuards = namesIn('packages/guard/README.md')
  for (const file of files) {
    const unknown = namesIn(file).filter(name =>
      ![...known, ...ofGuards].includes(name) && !/^LATCHKEY_(TEST_|PRISMA_|JUDGES$)/.test(name))
    // With an ID in its name.
    t.strictSame(unknown.filter(name => findRow(name.replace(/_FILE$/, ''), allVariables) === null), [], file)
  }
})

tap.test('domains of clients and their private schemes are lists without case, and `none` is an empty one', async t => {
  const home = folder(t)
  const defaults = loadConfig({}, home)
  t.strictSame([defaults.clientDomains, defaults.deniedClientDomains], [['*'], []])
  t.equal(defaults.redirectSchemes.has('cursor'), true)
  const config = loadConfig({
    LATCHKEY_CLIENT_DOMAINS: 'Client.example, *.agents.example',
    LATCHKEY_CLIENT_DOMAINS_DENIED: 'bad.agents.example',
    LATCHKEY_REDIRECT_SCHEMES: 'none'
  }, home)
  t.strictSame(config.clientDomains, ['client.example', '*.agents.example'])
  t.strictSame([config.deniedClientDomains, [...config.redirectSchemes]], [['bad.agents.example'], []])
  t.strictSame(loadConfig({ LATCHKEY_CLIENT_DOMAINS: 'none' }, home).clientDomains, [])
})
