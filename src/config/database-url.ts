/**
 * DATABASE_URL of a PostgreSQL, taken apart. Every parameter is honoured, or refused by its name with the way out:
 * a parameter that is ignored would leave a schema unused or a certificate unchecked.
 */
import { readFileSync } from 'node:fs'
import { ConfigurationError } from '../base/errors.ts'

/** How the server has to prove itself. */
export interface Tls {
  /**
   * `full`: by a certificate of a trusted CA with the name of the host; `chain`: of the named CA, for any host; `none`:
   * not at all, though it is encrypted.
   */
  verify: 'full' | 'chain' | 'none'
  /** Paths of PEM files; null: the CAs that Node trusts, no certificate of our own. */
  ca: string | null
  certificate: string | null
  key: string | null
}

export interface PostgresqlTarget {
  /** Undefined, as the next four: what the PG* variables of the environment say, or the driver's default. */
  host: string | undefined
  port: number | undefined
  user: string | undefined
  password: string | undefined
  database: string | undefined
  /** Where all tables are. Whatever search_path the role or the database has. */
  schema: string
  /** Whether the URL names it. */
  namesSchema: boolean
  /** Null: no TLS; undefined: what PGSSLMODE says, no TLS without. */
  tls: Tls | null | undefined
  /** Whether TLS begins without being asked for (PostgreSQL 17 and newer). */
  directTls: boolean
  applicationName: string
  /** Settings for each connection: `options=-c name=value`. */
  settings: readonly (readonly [name: string, value: string])[]
  /** What `options` holds besides, for the start of a connection. */
  startOptions: string
  /** Milliseconds to get a connection; undefined: as usual. */
  connectLimit: number | undefined
  /** The most connections in the pool; another one follows the change feed. */
  connections: number
}

/**
 * What Latchkey sets on each connection, whatever the database or the role has: `storage/engine/postgresql/client.ts`.
 */
export const settingsOfOurOwn: ReadonlySet<string> = new Set([
  'datestyle', 'intervalstyle', 'timezone', 'client_encoding', 'standard_conforming_strings', 'bytea_output',
  'search_path', 'default_transaction_isolation', 'default_transaction_deferrable', 'synchronous_commit',
  'statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout',
  'transaction_timeout',
])

const usualConnections = 10
const usualSchema = 'public'

type FileParameter = 'sslrootcert' | 'sslcert' | 'sslkey'

interface Draft extends PostgresqlTarget {
  mode: string | undefined
  files: Partial<Record<FileParameter, string>>
}

/** Takes a parameter into the draft, or returns what is wrong with its value and what to write. */
type Reading = (value: string, draft: Draft) => string | undefined

const noSchema = 'is no name that a schema of ours can have; write letters, digits, _ and -, 63 at most, a letter first'
const encrypted = 'sslmode=verify-full (encrypted, and the certificate of the server checked)'

const honoured: Record<string, Reading> = {
  host: (value, draft) => take(draft, { host: value }),
  port: (value, draft) => readPort(value, draft),
  user: (value, draft) => take(draft, { user: value }),
  password: (value, draft) => take(draft, { password: value }),
  dbname: (value, draft) => take(draft, { database: value }),
  schema (value, draft) {
    if (!/^[A-Za-z_][A-Za-z0-9_-]{0,62}$/.test(value) || /^(pg_|information_schema$)/i.test(value)) return noSchema
    Object.assign(draft, { schema: value, namesSchema: true })
  },
  sslmode (value, draft) {
    if (value === 'allow' || value === 'prefer') {
      return `=${value} leaves it open whether the connection is encrypted; write ${encrypted}, or sslmode=disable`
    }
    const problem = oneOf(value, 'disable', 'require', 'verify-ca', 'verify-full', 'no-verify')
    if (problem === undefined) draft.mode = value
    return problem
  },
  sslrootcert: (value, draft) => value === 'system' ? undefined : readPath('sslrootcert', value, draft),
  sslcert: (value, draft) => readPath('sslcert', value, draft),
  sslkey: (value, draft) => readPath('sslkey', value, draft),
  sslnegotiation (value, draft) {
    if (value !== 'postgres' && value !== 'direct') return 'is neither postgres nor direct; write one of them'
    draft.directTls = value === 'direct'
  },
  channel_binding: value => value === 'require'
    ? `=require cannot be promised; write ${encrypted} and leave it out`
    : oneOf(value, 'disable', 'prefer'),
  gssencmode: value => value === 'require'
    ? `=require: GSSAPI is not spoken here; write ${encrypted} and leave it out`
    : oneOf(value, 'disable', 'prefer'),
  // Each connection has to be one to a server that writes: a standby is refused, whatever this says.
  target_session_attrs: value => ['standby', 'read-only', 'prefer-standby'].includes(value)
    ? `=${value}: Latchkey writes; name the primary, and leave it out`
    : oneOf(value, 'any', 'read-write', 'primary'),
  application_name (value, draft) {
    if (!/^[\x20-\x7e]{1,40}$/.test(value)) return 'is not 1 to 40 printable ASCII characters; shorten it'
    draft.applicationName = value
  },
  client_encoding: value => ['utf8', 'utf-8', 'auto'].includes(value.toLowerCase())
    ? undefined
    : `=${value}: Latchkey speaks UTF-8; leave it out`,
  connect_timeout: (value, draft) => readWait(value, draft),
  pool_timeout: (value, draft) => readWait(value, draft),
  connection_limit (value, draft) {
    const limit = wholeNumber(value)
    if (!(limit >= 2 && limit <= 500)) return 'is not a whole number from 2 to 500; write one, or leave it out for 10'
    draft.connections = limit
  },
  keepalives: value => value === '1' ? undefined : 'is other than 1: connections are kept alive; leave it out',
  options: (value, draft) => readOptions(value, draft),
}

const limitsOfOurOwn = ': Latchkey has limits of its own (docs/operations.md); leave it out'
const unspoken = 'is not supported; leave it out'

/** What others write, and Latchkey does otherwise. */
const refused: Record<string, string> = {
  pgbouncer: 'is for a pooler in transaction mode, through which Latchkey cannot work; leave it out, and go past ' +
    'that pooler or by one in session mode',
  ssl: `is not the parameter for TLS here; write ${encrypted}`,
  sslaccept: `is not the parameter for TLS here; write ${encrypted}, or sslmode=no-verify`,
  requiressl: `is not the parameter for TLS here; write ${encrypted}`,
  uselibpqcompat: `: sslmode means one thing here (docs/postgresql.md); write ${encrypted}, and leave it out`,
  sslidentity: ': a PKCS #12 file is not read; write sslcert and sslkey with PEM files',
  sslpassword: ': a key that is encrypted is not read; write sslkey with one that only this account may read',
  sslcrl: unspoken,
  sslcrldir: unspoken,
  hostaddr: 'is not supported; write the address as the host',
  service: 'is not supported; write host, port, user and database',
  passfile: 'is not supported; write the password into the URL or into PGPASSWORD',
  replication: unspoken,
  search_path: 'is not a parameter; write schema=NAME',
  currentSchema: 'is not a parameter here; write schema=NAME',
  statement_timeout: limitsOfOurOwn,
  lock_timeout: limitsOfOurOwn,
  idle_in_transaction_session_timeout: limitsOfOurOwn,
  query_timeout: limitsOfOurOwn,
  socket_timeout: limitsOfOurOwn,
  max_connection_lifetime: limitsOfOurOwn,
  max_idle_connection_lifetime: limitsOfOurOwn,
  statement_cache_size: ': each connection prepares the few statements that it repeats; leave it out',
  single_use_connections: unspoken,
}

/**
 * What a `postgresql://` URL says, with the problems of it: each begins with `DATABASE_URL`, and none repeats what may
 * be a part of the password. With problems, the target is not to be used.
 */
export function readPostgresqlUrl (text: string): { target: PostgresqlTarget, problems: string[] } {
  const draft: Draft = {
    host: undefined,
    port: undefined,
    user: undefined,
    password: undefined,
    database: undefined,
    schema: usualSchema,
    namesSchema: false,
    tls: undefined,
    directTls: false,
    applicationName: 'latchkey',
    settings: [],
    startOptions: '',
    connectLimit: undefined,
    connections: usualConnections,
    mode: undefined,
    files: {},
  }
  if (hostsOf(text).includes(',')) return { target: draft, problems: [severalHosts] }
  // libpq takes a user without a host, for a socket; a URL has to have one.
  const url = URL.parse(text.replace('@/', '@localhost/'))
  if (url === null || url.hash !== '' || url.search.includes('@')) return { target: draft, problems: [unreadable] }
  const problems: string[] = []
  readAuthority(url, draft, problems)
  const seen = new Set<string>()
  // A form encodes a space as a plus sign; in a password a plus sign stands for itself, as in libpq.
  const secret = new URLSearchParams(url.search.replaceAll('+', '%2B')).get('password')
  for (const [name, text] of url.searchParams) {
    const value = name === 'password' ? secret! : text
    if (seen.has('password') && !isParameter(name)) {
      problems.push(restOfPassword)
      break
    }
    const problem = seen.has(name) ? 'is given more than once; write it once' : read(name, value, draft)
    const space = problem?.startsWith('=') || problem?.startsWith(':') ? '' : ' '
    if (problem !== undefined) problems.push(`DATABASE_URL: the parameter ${name}${space}${problem}`)
    seen.add(name)
  }
  if (draft.host?.includes(',')) problems.push(severalHosts)
  draft.tls = tlsOf(draft, problems)
  const { mode: _, files: __, ...target } = draft
  return { target, problems }
}

const severalHosts =
  'DATABASE_URL: names several hosts; name one, and let it lead to the primary (a virtual address, ' +
  'or a proxy that asks which server is the primary)'
const unreadable = 'DATABASE_URL: is not a postgresql:// URL that can be read; percent-encode what is special in the ' +
  'user and the password (: / ? # @ %), as in %2F for /'
const restOfPassword =
  'DATABASE_URL: what follows the parameter password is no parameter; percent-encode an & in it (%26)'
const slashInName = 'DATABASE_URL: the name of the database has a / in it; percent-encode it (%2F), as in the user ' +
  'and the password'

/** Hosts and ports, as they are written. */
function hostsOf (text: string): string {
  const [authority = ''] = text.slice(text.indexOf('//') + 2).split(/[/?#]/, 1)
  return authority.slice(authority.lastIndexOf('@') + 1)
}

/** @throws ConfigurationError naming everything in it that cannot be honoured. */
export function postgresqlTarget (url: string): PostgresqlTarget {
  const { target, problems } = readPostgresqlUrl(url)
  if (problems.length > 0) throw new ConfigurationError(problems)
  return target
}

function isParameter (name: string): boolean {
  return Object.hasOwn(honoured, name) || Object.hasOwn(refused, name)
}

function read (name: string, value: string, draft: Draft): string | undefined {
  if (value === '') return 'is empty; give it a value, or leave it out'
  if (Object.hasOwn(honoured, name)) return honoured[name]!(value, draft)
  if (Object.hasOwn(refused, name)) return refused[name]
  return 'is none that Latchkey knows (docs/postgresql.md has them); leave it out'
}

function readAuthority (url: URL, draft: Draft, problems: string[]): void {
  const { username, password, hostname, port, pathname } = url
  if (username !== '') draft.user = unescaped(username)
  if (password !== '') draft.password = unescaped(password)
  // A folder of sockets as a host is percent-encoded.
  if (hostname !== '') draft.host = unescaped(hostname.startsWith('[') ? hostname.slice(1, -1) : hostname)
  if (port !== '') draft.port = Number(port)
  if (pathname.length > 1) draft.database = unescaped(pathname.slice(1))
  if (draft.database?.includes('/')) problems.push(slashInName)
}

function take (draft: Draft, taken: Partial<Draft>): undefined {
  Object.assign(draft, taken)
}

function readPort (value: string, draft: Draft): string | undefined {
  const port = wholeNumber(value)
  if (!(port >= 1 && port <= 65_535)) return 'is not a port; write a number from 1 to 65535'
  draft.port = port
}

function readPath (name: FileParameter, path: string, draft: Draft): string | undefined {
  try {
    readFileSync(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return `names ${path}, which cannot be read (${code}); name a PEM file that this account may read`
  }
  draft.files[name] = path
}

/** In both ways of saying it: the longer one counts. */
function readWait (value: string, draft: Draft): string | undefined {
  const seconds = wholeNumber(value)
  if (!(seconds >= 1 && seconds <= 60)) {
    return 'is not a whole number of seconds from 1 to 60; write one, or leave it out for 2'
  }
  draft.connectLimit = Math.max(draft.connectLimit ?? 0, seconds * 1_000)
}

/**
 * `-c name=value` and `--name=value`, as libpq takes them: a backslash keeps what follows. Other words are for the
 * server, at the start.
 */
function readOptions (value: string, draft: Draft): string | undefined {
  const words = value.match(/(?:\\.|[^\\\s])+/gs) ?? []
  const settings: [string, string][] = []
  const others: string[] = []
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!
    if (!word.startsWith('-c') && !word.startsWith('--')) others.push(word)
    else settings.push(readSetting(word === '-c' ? words[++i] ?? '' : word.slice(2)))
  }
  Object.assign(draft, { settings, startOptions: others.join(' ') })
  for (const [name] of settings) {
    const known = name.toLowerCase()
    if (!/^[A-Za-z_][\w.]*$/.test(name)) return 'is not a list like -c name=value -c name=value; write it so'
    if (known === 'search_path') return 'sets search_path; write schema=NAME instead, which all of Latchkey goes by'
    if (settingsOfOurOwn.has(known)) return `sets ${name}, which Latchkey sets itself on each connection; leave it out`
  }
}

function readSetting (text: string): [name: string, value: string] {
  const at = text.indexOf('=')
  return [text.slice(0, Math.max(at, 0)).replaceAll('-', '_'), text.slice(at + 1).replace(/\\(.)/gs, '$1')]
}

function tlsOf ({ mode, files, directTls }: Draft, problems: string[]): PostgresqlTarget['tls'] {
  const { sslrootcert: ca, sslcert: certificate, sslkey: key } = files
  const named = [...Object.keys(files), ...(directTls ? ['sslnegotiation=direct'] : [])]
  const refuse = (problem: string) => { problems.push(`DATABASE_URL: ${problem}`) }
  const isHalf = (certificate === undefined) !== (key === undefined)
  if (isHalf) refuse('sslcert and sslkey are needed together; name both files, or neither')
  if (mode === undefined && named.length === 0) return undefined
  if (mode === 'disable') {
    const rest = named.join(', ')
    if (rest !== '') {
      refuse(`the parameter sslmode=disable contradicts ${rest}; write ${encrypted}, or leave the rest out`)
    }
    return null
  }
  if (mode === 'verify-ca' && ca === undefined) refuse(withoutCa)
  if (mode === 'no-verify' && ca !== undefined) refuse(unverified)
  // A file of a CA, or a certificate, without a mode: who names them wants them to count.
  const verify = mode === 'no-verify' ? 'none' : mode === 'verify-ca' ? 'chain' : 'full'
  return { verify, ca: ca ?? null, certificate: certificate ?? null, key: key ?? null }
}

const withoutCa = 'the parameter sslmode=verify-ca takes any host with a certificate of a CA, so it needs one of ' +
  'your own; name its file with sslrootcert, or write sslmode=verify-full'
const unverified = 'the parameter sslmode=no-verify looks at no certificate, and sslrootcert names one; write ' +
  'sslmode=verify-full or verify-ca'

function oneOf (value: string, ...choices: string[]): string | undefined {
  return choices.includes(value) ? undefined : `is none of ${choices.join(', ')}; write one of them, or leave it out`
}

function wholeNumber (text: string): number {
  return /^\d{1,6}$/.test(text) ? Number(text) : NaN
}

/** Percent-encoding that is none stands for itself. */
function unescaped (text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
