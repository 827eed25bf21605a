/**
 * The one reader of the environment. Everything has a default that runs on a laptop; a server that others can reach
 * must be told its name and its secrets. Problems are found together and each names its variable.
 */
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { basename, dirname, join, resolve } from 'node:path'
import { readAllowlist } from '../base/ip-address.ts'
import { readPostgresqlUrl } from './database-url.ts'
import { ConfigurationError } from '../base/errors.ts'
import { makeFolder } from '../base/private-folder.ts'
import { ForeignFile, readOwn } from '../base/file-ownership.ts'
import { digestOf, newLabelledSecret, newSecret } from '../secrets/secrets.ts'
import { nearest } from '../base/nearest-name.ts'

export type RegistrationMode = 'closed' | 'token' | 'open'

/** What a server is run with. */
export interface Config {
  port: number
  host: string
  /** Where a local server keeps its database and generated secrets. Absolute. */
  dataFolder: string
  /** `file:…` with an absolute path, or `postgresql://…`. */
  databaseUrl: string
  /** The issuer identifier (RFC 8414 §2): an origin, without trailing slash. */
  issuer: string
  /** Seals what the database must not tell. The first seals, all of them open. */
  secrets: readonly string[]
  /** SHA-256 of the admin token, base64url. */
  adminTokenDigest: string
  /** The admin token itself, only when this start generated it: to be printed once. */
  generatedAdminToken: string | null
  registration: RegistrationMode
  /** Addresses and CIDR ranges of proxies whose forwarded headers count. */
  trustProxy: readonly string[]
  logLevel: string
  /** Where `/prom` is answered: beside everything else, nowhere, or on an address of its own. */
  metrics: 'on' | 'off' | { host: string, port: number }
  /** Milliseconds of event loop lag above which requests are turned away; null: never. */
  shedLag: number | null
  /** Seconds. */
  shutdown: { delay: number, patience: number }
  /**
   * Milliseconds: PostgreSQL, where there may be several servers. For so long at most a change waits for another
   * server.
   */
  replicaLease: number
  /** Days for which the usage of keys is kept. */
  usageDays: number
  /** Days after which another key signs; 0: by command only. */
  signingKeyDays: number
  /** Null: no traces. */
  tracing: TracingConfig | null
  /** A sentence for each variable that is set and that no Latchkey reads: mistyped, most likely. */
  unknownVariables: readonly string[]
}

/** Where traces go: a collector that takes OTLP over HTTP. */
export interface TracingConfig {
  url: string
  headers: Readonly<Record<string, string>>
  serviceName: string
  /** 0 to 1 */
  ratio: number
}

interface Variable {
  name: string
  /** As shown to people. */
  default: string
  description: string
}

/** Milliseconds that LATCHKEY_REPLICA_LEASE can be at most. */
export const longestLease = 60_000

/** Every variable that a server reads. .env.example and the README's table are generated from this. */
export const variables: readonly Variable[] = [
  { name: 'PORT', default: '3000', description: 'The port to listen on.' },
  {
    name: 'HOST',
    default: '127.0.0.1',
    description:
      'The address to listen on. Another than loopback needs `LATCHKEY_ISSUER`, `LATCHKEY_SECRET` ' +
        'and `LATCHKEY_ADMIN_TOKEN`.'
  },
  {
    name: 'LATCHKEY_DATA',
    default: './data',
    description: 'The folder for the SQLite database and for what is generated on a laptop.'
  },
  {
    name: 'DATABASE_URL',
    default: 'file:<LATCHKEY_DATA>/latchkey.db',
    description: '`file:…` (SQLite) or `postgresql://…` (docs/postgresql.md has its parameters).'
  },
  {
    name: 'LATCHKEY_ISSUER',
    default: 'http://localhost:<PORT>',
    description: 'The issuer identifier: the origin that clients reach this server by. https unless it is this machine.'
  },
  {
    name: 'LATCHKEY_SECRET',
    default: 'generated into <LATCHKEY_DATA> when local',
    description:
      'Seals the signing keys, 32 characters or more. Several, separated by commas, newest first, for rotation.'
  },
  {
    name: 'LATCHKEY_SIGNING_KEY_DAYS',
    default: '90',
    description: 'Days after which another key signs; `0`: by command only.'
  },
  {
    name: 'LATCHKEY_ADMIN_TOKEN',
    default: 'generated into <LATCHKEY_DATA> when local',
    description:
      'The automation and break-glass credential of the management API, 32 characters or more. No secret here is the ' +
        'same text as another.'
  },
  {
    name: 'LATCHKEY_REGISTRATION',
    default: 'token',
    description:
      'Who may register a client: `closed` (nobody), `token` (who has a registration token), `open` (everybody, ' +
        'without scopes).'
  },
  {
    name: 'LATCHKEY_TRUST_PROXY',
    default: 'none',
    description: 'Addresses and CIDR ranges of trusted proxies, separated by commas.'
  },
  {
    name: 'LATCHKEY_LOG_LEVEL',
    default: 'info',
    description: '`fatal`, `error`, `warn`, `info`, `debug`, `trace` or `silent`.'
  },
  {
    name: 'LATCHKEY_METRICS',
    default: 'on',
    description:
      'Where `/prom` is answered: `on` (beside everything else), `off`, or an address and port of its own, as ' +
        'in `127.0.0.1:9464`, which then has `/healthz` and `/readyz` too.'
  },
  {
    name: 'LATCHKEY_SHED_LAG',
    default: 'off',
    description:
      'Milliseconds of event loop lag (mean over half a second) above which new requests get 503 until it has ' +
        'halved: `500`, say. At least 50.'
  },
  {
    name: 'LATCHKEY_SHUTDOWN_DELAY',
    default: '0',
    description:
      'Seconds for which a server that was told to end serves on while `/readyz` says no, so that balancers notice.'
  },
  {
    name: 'LATCHKEY_SHUTDOWN_PATIENCE',
    default: '10',
    description:
      'Seconds that requests which have begun may take once new ones are turned away, and usage and refusals to be ' +
        'written.'
  },
  {
    name: 'LATCHKEY_REPLICA_LEASE',
    default: '2000',
    description:
      'On PostgreSQL: milliseconds that a change waits at most for another server that does not answer, 200 to ' +
        '60000. Servers that join others go by theirs.'
  },
  {
    name: 'LATCHKEY_USAGE_DAYS',
    default: '400',
    description: 'Days for which it is kept how much each key was used; at least 31.'
  },
  {
    name: 'OTEL_EXPORTER_OTLP_ENDPOINT',
    default: 'none',
    description:
      'Switches traces on: the base URL of a collector that takes OTLP over HTTP, to which `/v1/traces` is added.'
  },
  {
    name: 'OTEL_EXPORTER_OTLP_HEADERS',
    default: 'none',
    description: 'Headers for the collector: `name=value`, percent-encoded, separated by commas.'
  },
  { name: 'OTEL_SERVICE_NAME', default: 'latchkey', description: 'What this server is called in traces.' },
  { name: 'OTEL_TRACES_SAMPLER_ARG', default: '1', description: 'The share of traces that is recorded, 0 to 1.' },
]

/** Every variable that commands read to find their server, besides LATCHKEY_DATA and LATCHKEY_ADMIN_TOKEN. */
export const commandVariables: readonly Variable[] = [
  { name: 'LATCHKEY_URL', default: 'the server that runs here', description: 'The server that commands talk to.' },
  {
    name: 'LATCHKEY_TOKEN',
    default: 'the admin token, at the server that runs here',
    description: 'What commands prove themselves with.',
  },
]

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Reads the configuration, generating what a local server lacks into its data folder (mode 0600).
 * @throws ConfigurationError listing every problem.
 */
export function loadConfig (environment: Environment = process.env, folder: string = process.cwd()): Config {
  requireNode()
  return readConfig(environment, folder, generated)
}

/** As `loadConfig`, but changes nothing: what would be generated is a problem that is named. */
export function inspectConfig (environment: Environment = process.env, folder: string = process.cwd()): Config {
  return readConfig(environment, folder, (file, _make, databaseFile) => {
    const text = kept(file)
    if (text === null) throw new ConfigurationError([`LATCHKEY_DATA: ${missing(file, databaseFile)}`])
    return { text, isNew: false }
  })
}

/** Where a database is, a secret was: another one would open nothing that is in there. */
function missing (file: string, databaseFile: string | null): string {
  if (databaseFile === null || !existsSync(databaseFile) || basename(file) !== 'secret') {
    return `${file} is not there yet; start the server once with \`latchkey serve\``
  }
  return `${file} is missing, and ${databaseFile} was sealed with what it held; restore it from a backup, or set ` +
    'LATCHKEY_SECRET to its text'
}

/** `databaseFile`: of SQLite. */
type Generated = (file: string, make: () => string, databaseFile: string | null) => { text: string, isNew: boolean }

function readConfig (environment: Environment, folder: string, generate: Generated): Config {
  const read = (name: string) => environment[name]?.trim() || undefined
  const problems: string[] = []
  const port = readPort(read('PORT'), problems)
  const host = read('HOST') ?? '127.0.0.1'
  const dataFolder = resolve(folder, read('LATCHKEY_DATA') ?? './data')
  const issuer = readIssuer(read('LATCHKEY_ISSUER'), port, problems)
  // What is generated is good for one machine: whoever can be reached from elsewhere has to choose.
  const local = isLoopback(host) && isLoopback(hostOf(issuer))
  if (!isLoopback(host) && read('LATCHKEY_ISSUER') === undefined) {
    problems.push(
      `LATCHKEY_ISSUER: is required when HOST is ${host}: name the origin that clients reach this server by`
    )
  }
  const databaseUrl = readDatabaseUrl(read('DATABASE_URL'), dataFolder, folder, problems)
  const registration = readChoice(
    'LATCHKEY_REGISTRATION', read('LATCHKEY_REGISTRATION') ?? 'token', ['closed', 'token', 'open'] as const, problems
  )
  const logLevel = readChoice(
    'LATCHKEY_LOG_LEVEL', read('LATCHKEY_LOG_LEVEL') ?? 'info',
    ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const, problems
  )
  const trustProxy = readTrustProxy(read('LATCHKEY_TRUST_PROXY'), problems)
  const metrics = readMetrics(read('LATCHKEY_METRICS'), problems)
  const shedLag = [undefined, 'off'].includes(read('LATCHKEY_SHED_LAG'))
    ? null
    : readNumber('LATCHKEY_SHED_LAG', read('LATCHKEY_SHED_LAG'), { least: 50, most: 60_000, usual: 500 }, problems)
  const shutdown = {
    delay: readNumber(
      'LATCHKEY_SHUTDOWN_DELAY', read('LATCHKEY_SHUTDOWN_DELAY'), { least: 0, most: 600, usual: 0 }, problems
    ),
    patience: readNumber('LATCHKEY_SHUTDOWN_PATIENCE', read('LATCHKEY_SHUTDOWN_PATIENCE'), {
      least: 0, most: 600, usual: 10
    }, problems)
  }
  const replicaLease = readNumber('LATCHKEY_REPLICA_LEASE', read('LATCHKEY_REPLICA_LEASE'), {
    least: 200, most: longestLease, usual: 2_000
  }, problems)
  const usageDays = readNumber('LATCHKEY_USAGE_DAYS', read('LATCHKEY_USAGE_DAYS'), {
    least: 31, most: 36_500, usual: 400
  }, problems)
  const signingKeyDays = readNumber('LATCHKEY_SIGNING_KEY_DAYS', read('LATCHKEY_SIGNING_KEY_DAYS'), {
    least: 0, most: 3_650, usual: 90
  }, problems)
  const tracing = readTracing(read, problems)
  const unknown = unknownVariables(environment)
  const secretText = readSecret('LATCHKEY_SECRET', read('LATCHKEY_SECRET'), local, problems)
  const adminText = readSecret('LATCHKEY_ADMIN_TOKEN', read('LATCHKEY_ADMIN_TOKEN'), local, problems)
  const foreign = foreignSecrets(databaseUrl, tracing)
  problems.push(...secretsInCommon(secretText, adminText, foreign))
  // What is required may be there, under a name that is mistyped.
  if (problems.length > 0) throw new ConfigurationError([...problems, ...unknown])
  const databaseFile = databaseUrl.startsWith('file:') ? databaseUrl.slice('file:'.length) : null
  const secret = secretText ?? generate(join(dataFolder, 'secret'), newSecret, databaseFile).text
  const admin = adminText === undefined
    ? generate(join(dataFolder, 'admin-token'), () => newLabelledSecret('lkadm'), databaseFile)
    : { text: adminText, isNew: false }
  // What was generated before may have been copied into a variable.
  const inCommon = secretsInCommon(secret, admin.text, foreign)
  if (inCommon.length > 0) throw new ConfigurationError(inCommon)
  return {
    port,
    host,
    dataFolder,
    databaseUrl,
    issuer,
    secrets: listed(secret),
    adminTokenDigest: digestOf(admin.text),
    generatedAdminToken: admin.isNew ? admin.text : null,
    registration,
    trustProxy,
    logLevel,
    metrics,
    shedLag,
    shutdown,
    replicaLease,
    usageDays,
    signingKeyDays,
    tracing,
    unknownVariables: unknown,
  }
}

/** The environment of commands: the variables, else what a local server left in its data folder. */
export interface ClientEnvironment {
  url: string | null
  token: string | null
  /** The server's own, on its machine: for the server that runs here and for no other. */
  adminToken: string | null
  dataFolder: string
  /** As `Config.unknownVariables`. */
  unknownVariables: readonly string[]
}

/** Where a command finds its server. */
export function readClientEnvironment (
  environment: Environment = process.env, folder: string = process.cwd()
): ClientEnvironment {
  return {
    url: environment.LATCHKEY_URL?.trim() || null,
    token: environment.LATCHKEY_TOKEN?.trim() || null,
    adminToken: environment.LATCHKEY_ADMIN_TOKEN?.trim() || null,
    dataFolder: resolve(folder, environment.LATCHKEY_DATA?.trim() || './data'),
    unknownVariables: unknownVariables(environment),
  }
}

/** What Kubernetes sets for a service that is called latchkey, and what tests and scripts of this project read. */
const foreignVariables = /^LATCHKEY_(?:SERVICE_|PORT_|TEST_|PRISMA_|JUDGES$)/

/** Characters by which the name of a variable that begins otherwise may differ from one of ours, to be taken for it. */
const slips = 2

/** A sentence for each variable that looks like one of ours and is none. Its value may be a secret: it is left out. */
function unknownVariables (environment: Environment): string[] {
  const known = [...variables, ...commandVariables].map(({ name }) => name)
  const unknown = Object.keys(environment).filter(name => !known.includes(name) && !isForeign(name, environment[name]))
  return unknown.flatMap(name => {
    const meant = meantBy(name.toUpperCase(), known)
    return meant === null ? [] : [`${name}: is no variable of Latchkey, so it is ignored; the nearest one is ${meant}`]
  })
}

const prefix = 'LATCHKEY_'

/** The variable that is nearest to a name; null: the name is another program's. */
function meantBy (name: string, known: readonly string[]): string | null {
  const ours = known.filter(each => each.startsWith(prefix))
  if (name.startsWith(prefix)) {
    const other = known.find(each => name === prefix + each)
    return other ?? ours.find(each => each.startsWith(name)) ?? nearest(name, ours).name
  }
  const near = nearest(name, ours)
  return near.edits <= slips ? near.name : null
}

function isForeign (name: string, value: string | undefined): boolean {
  return foreignVariables.test(name) || (name === `${prefix}PORT` && value?.includes('://') === true)
}

const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
  engines: { node: string }
}

/** The version of this program. */
export const { version } = manifest

/** An older Node.js loads the driver of SQLite, and crashes in it without a word. @throws ConfigurationError. */
export function requireNode (present = process.versions.node): void {
  const needed = manifest.engines.node.replace('>=', '')
  if (parseInt(present) >= parseInt(needed)) return
  throw new ConfigurationError([`Node.js: this is ${present}, and Latchkey needs ${needed} or newer`])
}

/** Whether a host name or address can only be this machine. */
export function isLoopback (host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '')
  return bare === 'localhost' || bare === '::1' || (isIP(bare) === 4 && bare.startsWith('127.'))
}

function hostOf (issuer: string): string {
  return URL.canParse(issuer) ? new URL(issuer).hostname : ''
}

function readPort (text: string | undefined, problems: string[]): number {
  const port = text === undefined ? 3000 : Number(text)
  if (Number.isInteger(port) && port >= 1 && port <= 65535) return port
  problems.push(`PORT: ${JSON.stringify(text)} is not a port; use 1 to 65535`)
  return 3000
}

function readIssuer (text: string | undefined, port: number, problems: string[]): string {
  if (text === undefined) return `http://localhost:${port}`
  if (!URL.canParse(text) || new URL(text).origin !== text || !/^https?:/.test(text)) {
    problems.push(
      `LATCHKEY_ISSUER: ${
        JSON.stringify(text)
      } is not an origin; write https://auth.example.com, without path or trailing slash`
    )
  } else if (!text.startsWith('https://') && !isLoopback(hostOf(text))) {
    problems.push(`LATCHKEY_ISSUER: ${text} is not https; secrets would cross the network in clear`)
  }
  return text
}

function readDatabaseUrl (text: string | undefined, dataFolder: string, folder: string, problems: string[]): string {
  if (text === undefined) return `file:${join(dataFolder, 'latchkey.db')}`
  // Schemes of URLs have no case (RFC 3986 §3.1).
  if (/^file:./i.test(text)) return `file:${resolve(folder, text.slice('file:'.length))}`
  if (/^postgres(ql)?:\/\//i.test(text)) {
    const url = text.replace(/^\w+/, 'postgresql')
    problems.push(...readPostgresqlUrl(url).problems)
    return url
  }
  // The text may hold a password: it is not repeated.
  problems.push('DATABASE_URL: is neither file:<path> nor a postgresql:// URL')
  return ''
}

function readChoice<T extends string> (name: string, text: string, choices: readonly T[], problems: string[]): T {
  const choice = choices.find(each => each === text)
  if (choice === undefined) problems.push(`${name}: ${JSON.stringify(text)} is none of ${choices.join(', ')}`)
  return choice ?? choices[0]!
}

function readTrustProxy (text: string | undefined, problems: string[]): string[] {
  const entries = (text ?? '').split(',').map(entry => entry.trim()).filter(entry => entry !== '')
  for (const entry of entries) {
    try {
      readAllowlist([entry])
      if (entry.endsWith('/0')) {
        problems.push(`LATCHKEY_TRUST_PROXY: ${entry} trusts the whole internet to say who it is; name your proxies`)
      }
    } catch {
      problems.push(`LATCHKEY_TRUST_PROXY: ${JSON.stringify(entry)} is neither an address nor a CIDR range`)
    }
  }
  return entries
}

function readNumber (
  name: string, text: string | undefined, { least, most, usual }: { least: number, most: number, usual: number },
  problems: string[]
): number {
  if (text === undefined) return usual
  const number = /^\d{1,6}$/.test(text) ? Number(text) : NaN
  if (number >= least && number <= most) return number
  problems.push(`${name}: ${JSON.stringify(text)} is not a whole number from ${least} to ${most}`)
  return usual
}

function readMetrics (text: string | undefined, problems: string[]): Config['metrics'] {
  if (text === undefined || text === 'on') return 'on'
  if (text === 'off') return 'off'
  const [, host, port] = /^(.+):(\d{1,5})$/.exec(text) ?? []
  const bare = host?.replace(/^\[|\]$/g, '') ?? ''
  if ((isIP(bare) !== 0 || bare === 'localhost') && Number(port) >= 1 && Number(port) <= 65535) {
    return { host: bare, port: Number(port) }
  }
  problems.push(
    `LATCHKEY_METRICS: ${JSON.stringify(text)} is neither on, off nor an address and port like 127.0.0.1:9464`
  )
  return 'off'
}

function readTracing (read: (name: string) => string | undefined, problems: string[]): TracingConfig | null {
  const endpoint = read('OTEL_EXPORTER_OTLP_ENDPOINT')
  const ratio = Number(read('OTEL_TRACES_SAMPLER_ARG') ?? 1)
  if (!(ratio >= 0 && ratio <= 1)) problems.push('OTEL_TRACES_SAMPLER_ARG: is not a number from 0 to 1')
  const headers = readHeaders(read('OTEL_EXPORTER_OTLP_HEADERS'), problems)
  if (endpoint === undefined) return null
  if (!URL.canParse(endpoint) || !/^https?:\/\//.test(endpoint)) {
    // The text may hold a password: it is not repeated.
    problems.push('OTEL_EXPORTER_OTLP_ENDPOINT: is not an http or https URL')
    return null
  }
  return {
    url: `${endpoint.replace(/(?<!\/)\/+$/, '')}/v1/traces`,
    headers,
    serviceName: read('OTEL_SERVICE_NAME') ?? 'latchkey',
    ratio
  }
}

function readHeaders (text: string | undefined, problems: string[]): Record<string, string> {
  try {
    return Object.fromEntries((text ?? '').split(',').filter(pair => pair.trim() !== '').map(pair => {
      const [, name, value] = /^\s*([\w-]+)=(.*)$/.exec(pair)!
      return [name!, decodeURIComponent(value!.trim())]
    }))
  } catch {
    problems.push('OTEL_EXPORTER_OTLP_HEADERS: is not a list like name=value,name=value, percent-encoded')
    return {}
  }
}

/** Undefined: to be generated. Several secrets are separated by commas. */
function readSecret (name: string, text: string | undefined, local: boolean, problems: string[]): string | undefined {
  if (text === undefined) {
    if (!local) {
      problems.push(
        `${name}: is required for a server that others can reach; generate one with \`openssl rand -base64 48\``
      )
    }
    return undefined
  }
  for (const secret of name === 'LATCHKEY_SECRET' ? listed(text) : [text]) {
    if (secret.length < 32 || new Set(secret).size < 10) {
      problems.push(
        `${name}: is too easy to guess (32 characters or more, not a pattern); generate one with \`openssl rand ` +
          '-base64 48`'
      )
    }
  }
  return text
}

interface NamedSecret { name: string, text: string }

/**
 * A problem for each two secrets that are one text. The admin token is sent in requests, the password of the database
 * is known to its administrators, and a header for the collector to the collector: none of them may open what
 * LATCHKEY_SECRET seals, or be the admin token.
 */
function secretsInCommon (
  secret: string | undefined, admin: string | undefined, foreign: readonly NamedSecret[]
): string[] {
  const secrets = listed(secret ?? '')
  const all = [
    ...secrets.map((text, i) => ({
      name: secrets.length > 1 ? `LATCHKEY_SECRET (number ${i + 1})` : 'LATCHKEY_SECRET', text
    })),
    { name: 'LATCHKEY_ADMIN_TOKEN', text: admin ?? '' },
    ...foreign,
  ].filter(({ text }) => text !== '')
  const isOurs = ({ name }: NamedSecret) => name.startsWith('LATCHKEY_')
  return all.flatMap((one, i) =>
    all.slice(i + 1).filter(other => other.text === one.text && isOurs(one)).map(other =>
      `${one.name}: is the same as ${other.name}; what is told the one would have the other: generate another with ` +
        '`openssl rand -base64 48`'
    )
  )
}

/** What others gave this server to be known by. */
function foreignSecrets (databaseUrl: string, tracing: TracingConfig | null): NamedSecret[] {
  const headers = Object.entries(tracing?.headers ?? {})
  return [
    { name: 'the password in DATABASE_URL', text: passwordOf(databaseUrl) },
    ...headers.map(([name, value]) => ({
      name: `the header ${name} in OTEL_EXPORTER_OTLP_HEADERS`, text: value.replace(/^(Bearer|Basic) +/i, '')
    }))
  ]
}

/** Several secrets are separated by commas. */
function listed (secret: string): string[] {
  return secret.split(',').map(each => each.trim())
}

function passwordOf (databaseUrl: string): string {
  return databaseUrl.startsWith('postgresql:') ? readPostgresqlUrl(databaseUrl).target.password ?? '' : ''
}

/** What was generated before; null: nothing yet. */
function kept (file: string): string | null {
  const text = orRefuse(file, () => readOwn(file)?.trim() ?? null)
  if (text !== null && text.length < 32) throw new ConfigurationError([`${file}: is damaged; restore it from a backup`])
  return text
}

function generated (file: string, make: () => string): { text: string, isNew: boolean } {
  const before = kept(file)
  if (before !== null) return { text: before, isNew: false }
  const text = make()
  orRefuse(file, () => {
    makeFolder(resolve(file, '..'))
    writeNew(file, text + '\n')
  })
  return { text, isNew: true }
}

/**
 * Writes a file that only its owner may read, and that is not there yet; leaves nothing behind when the disk is full.
 * What is sealed under a secret survives a power cut, so the secret has to.
 */
function writeNew (file: string, text: string): void {
  // wx: of two servers that start at once, one writes and the other fails, rather than each with a secret of its own.
  const descriptor = openSync(file, 'wx', 0o600)
  try {
    writeFileSync(descriptor, text, { flush: true })
  } catch (error) {
    rmSync(file)
    throw error
  } finally {
    closeSync(descriptor)
  }
  const folder = openSync(dirname(file), 'r')
  fsyncSync(folder)
  closeSync(folder)
}

function orRefuse<T> (file: string, access: () => T): T {
  try {
    return access()
  } catch (error) {
    if (error instanceof ForeignFile) {
      throw new ConfigurationError([
        `LATCHKEY_DATA: ${error.message}, and so may know or choose what is in it; name a folder of this account, or ` +
          'take the file and their permission away (chown, chmod go-w)'
      ])
    }
    throw new ConfigurationError([
      `LATCHKEY_DATA: ${file} cannot be read or written (${
        (error as NodeJS.ErrnoException).code
      }); name a folder that this account may use`
    ])
  }
}
