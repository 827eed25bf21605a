/** The parameters of a `postgresql://` URL: those that are honoured, and those that are refused with an alternative. */
import { readFileSync } from 'node:fs'
import { readOptions } from './options.ts'
import type { FileParameter, TargetDraft } from './target.ts'
import { encrypted } from './tls.ts'

/** Sets a parameter in the draft, or returns what is wrong with its value and what to write instead. */
type ParameterReader = (value: string, draft: TargetDraft) => string | undefined

const invalidSchema =
  'is not a schema name that Latchkey supports; write letters, digits, _ and -, 63 at most, a letter first'

const honoured: Record<string, ParameterReader> = {
  host: (value, draft) => set(draft, { host: value }),
  port: (value, draft) => readPort(value, draft),
  user: (value, draft) => set(draft, { user: value }),
  password: (value, draft) => set(draft, { password: value }),
  dbname: (value, draft) => set(draft, { database: value }),
  schema (value, draft) {
    const isSystem = /^(pg_|information_schema$)/i.test(value)
    if (!/^[A-Za-z_][A-Za-z0-9_-]{0,62}$/.test(value) || isSystem) return invalidSchema
    return set(draft, { schema: value, namesSchema: true })
  },
  sslmode (value, draft) {
    if (value === 'allow' || value === 'prefer') {
      return `=${value} leaves it open whether the connection is encrypted; write ${encrypted}, or sslmode=disable`
    }
    const problem = oneOf(value, 'disable', 'require', 'verify-ca', 'verify-full', 'no-verify')
    return problem ?? set(draft, { mode: value })
  },
  sslrootcert: (value, draft) => value === 'system' ? undefined : readPath('sslrootcert', value, draft),
  sslcert: (value, draft) => readPath('sslcert', value, draft),
  sslkey: (value, draft) => readPath('sslkey', value, draft),
  sslnegotiation (value, draft) {
    if (value !== 'postgres' && value !== 'direct') return 'is neither postgres nor direct; write one of them'
    return set(draft, { directTls: value === 'direct' })
  },
  channel_binding: value => value === 'require'
    ? `=require is not supported; write ${encrypted} and leave it out`
    : oneOf(value, 'disable', 'prefer'),
  gssencmode: value => value === 'require'
    ? `=require: GSSAPI is not supported; write ${encrypted} and leave it out`
    : oneOf(value, 'disable', 'prefer'),
  // Every connection must reach a writable server: a standby is refused, whatever this parameter says.
  target_session_attrs: value => ['standby', 'read-only', 'prefer-standby'].includes(value)
    ? `=${value}: Latchkey writes; name the primary, and leave it out`
    : oneOf(value, 'any', 'read-write', 'primary'),
  application_name (value, draft) {
    if (!/^[\x20-\x7e]{1,40}$/.test(value)) return 'is not 1 to 40 printable ASCII characters; shorten it'
    return set(draft, { applicationName: value })
  },
  client_encoding: value => ['utf8', 'utf-8', 'auto'].includes(value.toLowerCase())
    ? undefined
    : `=${value}: Latchkey uses UTF-8; leave it out`,
  connect_timeout: (value, draft) => readTimeout(value, draft),
  pool_timeout: (value, draft) => readTimeout(value, draft),
  connection_limit (value, draft) {
    const limit = wholeNumber(value)
    if (!(limit >= 2 && limit <= 500)) return 'is not a whole number from 2 to 500; write one, or leave it out'
    return set(draft, { connections: limit })
  },
  keepalives: value => value === '1' ? undefined : 'is not 1: connections are always kept alive; leave it out',
  options: (value, draft) => readOptions(value, draft),
}

const limitedByLatchkey = ': Latchkey sets its own limits (docs/operations.md); leave it out'
const unsupported = 'is not supported; leave it out'

/** Parameters of other drivers and tools that Latchkey replaces or does not support. */
const refused: Record<string, string> = {
  pgbouncer: 'is for a pooler in transaction mode, through which Latchkey cannot work; leave it out, and connect ' +
    'past that pooler or through one in session mode',
  ssl: `is not the parameter for TLS here; write ${encrypted}`,
  sslaccept: `is not the parameter for TLS here; write ${encrypted}, or sslmode=no-verify`,
  requiressl: `is not the parameter for TLS here; write ${encrypted}`,
  uselibpqcompat: `: sslmode has one meaning here (docs/postgresql.md); write ${encrypted}, and leave it out`,
  sslidentity: ': PKCS #12 files are not supported; write sslcert and sslkey with PEM files',
  sslpassword: ': encrypted keys are not supported; write sslkey with one that only this account may read',
  sslcrl: unsupported,
  sslcrldir: unsupported,
  hostaddr: 'is not supported; write the address as the host',
  service: 'is not supported; write host, port, user and database',
  passfile: 'is not supported; write the password into the URL or into PGPASSWORD',
  replication: unsupported,
  search_path: 'is not a parameter; write schema=NAME',
  currentSchema: 'is not a parameter here; write schema=NAME',
  statement_timeout: limitedByLatchkey,
  lock_timeout: limitedByLatchkey,
  idle_in_transaction_session_timeout: limitedByLatchkey,
  query_timeout: limitedByLatchkey,
  socket_timeout: limitedByLatchkey,
  max_connection_lifetime: limitedByLatchkey,
  max_idle_connection_lifetime: limitedByLatchkey,
  statement_cache_size: ': each connection prepares only the few statements that it repeats; leave it out',
  single_use_connections: unsupported,
}

/** Whether a parameter is known: honoured or refused. */
export function isParameter (name: string): boolean {
  return Object.hasOwn(honoured, name) || Object.hasOwn(refused, name)
}

/** Sets a parameter in the draft, or returns what is wrong with it and what to write instead. */
export function readParameter (name: string, value: string, draft: TargetDraft): string | undefined {
  if (value === '') return 'is empty; give it a value, or leave it out'
  if (Object.hasOwn(honoured, name)) return honoured[name]!(value, draft)
  if (Object.hasOwn(refused, name)) return refused[name]
  return 'is unknown (docs/postgresql.md lists the supported ones); leave it out'
}

function set (draft: TargetDraft, values: Partial<TargetDraft>): undefined {
  Object.assign(draft, values)
}

function readPort (value: string, draft: TargetDraft): string | undefined {
  const port = wholeNumber(value)
  if (!(port >= 1 && port <= 65_535)) return 'is not a port; write a number from 1 to 65535'
  return set(draft, { port })
}

function readPath (name: FileParameter, path: string, draft: TargetDraft): string | undefined {
  try {
    readFileSync(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return `names ${path}, which cannot be read (${code}); name a PEM file that this account may read`
  }
  draft.files[name] = path
}

/** Two parameters set the same limit: the longer one counts. */
function readTimeout (value: string, draft: TargetDraft): string | undefined {
  const seconds = wholeNumber(value)
  if (!(seconds >= 1 && seconds <= 60)) {
    return 'is not a whole number of seconds from 1 to 60; write one, or leave it out'
  }
  return set(draft, { connectLimit: Math.max(draft.connectLimit ?? 0, seconds * 1_000) })
}

function oneOf (value: string, ...choices: string[]): string | undefined {
  return choices.includes(value) ? undefined : `is none of ${choices.join(', ')}; write one of them, or leave it out`
}

function wholeNumber (text: string): number {
  return /^\d{1,6}$/.test(text) ? Number(text) : NaN
}
