/** Turns what drivers and engines throw at a start into one sentence for operators: reason and remedy. */
import { ConfigurationError } from '../../../base/errors.ts'
import { postgresqlTarget } from '../../../config/database-url.ts'
import { UnusableDatabase } from '../unusable-database.ts'
import { readOnly, sharedSession, standby } from './unusable-server.ts'

/** One error of a chain of causes. */
interface ErrorText { code: string, message: string }

interface Names { host: string, user: string, database: string }

/**
 * The UnusableDatabase that `error` means for the database at `url`; the error itself where there is no better
 * sentence. For starts and for the doctor; while serving, the same error is a 503.
 */
export function startProblem (error: unknown, url: string): unknown {
  if (error instanceof ConfigurationError || url.startsWith('file:')) return error
  const { host = 'localhost', port = 5432, user = 'of this account', database = user } = postgresqlTarget(url)
  const names = { host: `${host}:${port}`, user, database }
  for (const text of causesOf(error)) {
    const problem = byMessage(text, names) ?? byCode(text, names)
    if (problem !== null) return problem
  }
  return error
}

type Text = 'code' | 'originalCode' | 'message' | 'originalMessage' | 'detail'
type Link = Partial<Record<Text, string>> & { cause?: unknown, meta?: { driverAdapterError?: unknown } }

/** The chain of causes, the outermost first: Prisma's error, its adapter's, the driver's. */
function causesOf (error: unknown): ErrorText[] {
  const found: ErrorText[] = []
  let link = error as Link | null | undefined
  while (typeof link === 'object' && link !== null && found.length < 8) {
    const { originalCode, code, originalMessage, detail, message, meta, cause }: Link = link
    found.push({ code: originalCode ?? code ?? '', message: originalMessage ?? detail ?? message ?? '' })
    link = (meta?.driverAdapterError ?? cause) as Link | null | undefined
  }
  return found
}

const trustedCa = 'name the PEM file of its CA with sslrootcert=FILE'
const untrusted = 'is issued by a CA that is not trusted here'

/** By Node's code. */
const certificates: Record<string, [reason: string, remedy: string]> = {
  CERT_HAS_EXPIRED: ['has expired', 'renew it, or set this machine\'s clock'],
  CERT_NOT_YET_VALID: ['is not valid yet', 'set the clocks of both machines'],
  ERR_TLS_CERT_ALTNAME_INVALID: [
    'is for another name', 'write the host as the certificate has it, or sslmode=verify-ca with sslrootcert=FILE'
  ],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: [untrusted, trustedCa],
  UNABLE_TO_GET_ISSUER_CERT: [untrusted, trustedCa],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: [untrusted, trustedCa],
  SELF_SIGNED_CERT_IN_CHAIN: [untrusted, trustedCa],
  DEPTH_ZERO_SELF_SIGNED_CERT: ['is self-signed', 'name its own PEM file with sslrootcert=FILE'],
  CERT_SIGNATURE_FAILURE: ['is issued by another CA than the one that sslrootcert names', trustedCa],
  CERT_UNTRUSTED: ['is not trusted', trustedCa],
  CERT_REVOKED: ['was revoked', 'install another one on the server'],
  INVALID_CA: ['is signed by a certificate that is no CA', trustedCa],
}

/** By TLS errors, and by messages that come without a code. */
function byMessage ({ code, message }: ErrorText, { host }: Names): UnusableDatabase | null {
  const server = `the server at ${host}`
  if (message === standby) return new UnusableDatabase(standby, 'name the primary')
  if (Object.hasOwn(certificates, code)) {
    const [reason, remedy] = certificates[code]!
    return new UnusableDatabase(`the certificate of ${server} ${reason} (${code})`, remedy)
  }
  if (message.includes('does not support SSL connections')) {
    const remedy = 'enable it there (ssl = on), or set sslmode=disable if the network between is your own'
    return new UnusableDatabase(`${server} does not support TLS, which sslmode requires`, remedy)
  }
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_') || code.startsWith('ERR_OSSL_')) {
    const remedy = 'check the files that sslrootcert, sslcert and sslkey name, and the log of the server'
    return new UnusableDatabase(`TLS with ${server} fails (${code})`, remedy)
  }
  if (message.startsWith('SASL: ') && message.includes('password must be')) {
    return new UnusableDatabase(`${server} requires a password`, 'write it into the URL, or into PGPASSWORD')
  }
  if (message === 'Query read timeout') {
    return new UnusableDatabase(
      `${host} accepts connections and does not answer in time`,
      'check its load and its log; a pooler needs room for all connections (PgBouncer: default_pool_size, ' +
        'docs/postgresql.md)'
    )
  }
  return null
}

/** By SQLSTATE. */
const bySqlState: Record<string, (names: Names, message: string) => UnusableDatabase> = {
  '3D000': ({ database, host }) => new UnusableDatabase(
    `there is no database ${database} at ${host}`,
    `create it (CREATE DATABASE "${database}" ENCODING 'UTF8'), or name another`
  ),
  '28P01': ({ user, host }) => new UnusableDatabase(
    `the password of the role ${user} is wrong or missing, or there is no such role at ${host}`,
    'correct it, or create the role (CREATE ROLE … LOGIN PASSWORD …)'
  ),
  28000: ({ user, host }, message) => new UnusableDatabase(
    `the server at ${host} rejects the role ${user} (${message})`,
    message.includes('does not exist')
      ? `create it (CREATE ROLE "${user}" LOGIN), or name another`
      : 'allow it in pg_hba.conf, and if that requires TLS set sslmode=verify-full'
  ),
  42501: ({ user }, message) => new UnusableDatabase(
    `the role ${user} lacks a privilege (${message})`,
    'name the role that owns the tables, or GRANT the missing privilege'
  ),
  25006: () => readOnly(),
  53300: ({ host }, message) => new UnusableDatabase(
    `the server at ${host} has no connection left (${message})`,
    'raise max_connections there, or lower connection_limit here'
  ),
  '57P03': ({ host }, message) => new UnusableDatabase(
    `the server at ${host} is starting or stopping (${message})`, 'start Latchkey again when it is up'
  ),
  // A named statement that another client has prepared on this connection, or deallocated.
  '42P05': () => sharedSession(),
  26000: () => sharedSession(),
  '08P01': ({ host }, message) => new UnusableDatabase(
    `the server at ${host} refuses the connection (${message})`,
    'check it: a pooler has to be in session mode, and to know the database and the role'
  ),
}

function byCode ({ code, message }: ErrorText, names: Names): UnusableDatabase | null {
  return Object.hasOwn(bySqlState, code) ? bySqlState[code]!(names, message) : null
}
