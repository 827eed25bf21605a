/**
 * Why a database cannot be used, in one sentence for operators: what drivers and engines throw is for their authors.
 */
import { postgresqlTarget } from '../../../config/database-url.ts'
import { ConfigurationError } from '../../../base/errors.ts'
import { standby } from './client.ts'
import { readOnly, sharedSession } from './server.ts'
import { UnusableDatabase } from '../unusable-database.ts'

interface Said { code: string, message: string }

interface Names { host: string, user: string, database: string }

/**
 * The sentence for what `error` means for the database at `url`, which names DATABASE_URL, the reason and the way out;
 * the error itself where nothing better can be said. For starts and for the doctor; while serving, the same is a 503.
 */
export function startProblem (error: unknown, url: string): unknown {
  if (error instanceof ConfigurationError || url.startsWith('file:')) return error
  const { host = 'localhost', port = 5432, user = 'of this account', database = user } = postgresqlTarget(url)
  const names = { host: `${host}:${port}`, user, database }
  for (const said of saidBy(error)) {
    const problem = problemOf(said, names)
    if (problem !== null) return problem
  }
  return error
}

type Text = 'code' | 'originalCode' | 'message' | 'originalMessage' | 'detail'
type Link = Partial<Record<Text, string>> & { cause?: unknown, meta?: { driverAdapterError?: unknown } }

/** What was said on the way, the outermost first: by Prisma, by its adapter, by the driver. */
function saidBy (error: unknown): Said[] {
  const found: Said[] = []
  let link = error as Link | null | undefined
  while (typeof link === 'object' && link !== null && found.length < 8) {
    const { originalCode, code, originalMessage, detail, message, meta, cause }: Link = link
    found.push({ code: originalCode ?? code ?? '', message: originalMessage ?? detail ?? message ?? '' })
    link = (meta?.driverAdapterError ?? cause) as Link | null | undefined
  }
  return found
}

const trustedCa = 'name the PEM file of its CA with sslrootcert=FILE'

/** Of certificates, as Node names it; what is not here is one that nobody trusted has signed. */
const certificates: Record<string, [reason: string, remedy: string]> = {
  CERT_HAS_EXPIRED: ['has expired', 'renew it, or set this machine\'s clock'],
  CERT_NOT_YET_VALID: ['is not valid yet', 'set the clocks of both machines'],
  ERR_TLS_CERT_ALTNAME_INVALID: [
    'is for another name', 'write the host as the certificate has it, or sslmode=verify-ca with sslrootcert=FILE'
  ],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: ['is by no CA that is trusted here', trustedCa],
  UNABLE_TO_GET_ISSUER_CERT: ['is by no CA that is trusted here', trustedCa],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: ['is by no CA that is trusted here', trustedCa],
  SELF_SIGNED_CERT_IN_CHAIN: ['is by no CA that is trusted here', trustedCa],
  DEPTH_ZERO_SELF_SIGNED_CERT: ['is signed by itself', 'name its own PEM file with sslrootcert=FILE'],
  CERT_SIGNATURE_FAILURE: ['is by another CA than the one that sslrootcert names', trustedCa],
  CERT_UNTRUSTED: ['is not trusted', trustedCa],
  CERT_REVOKED: ['was revoked', 'have the server use another one'],
  INVALID_CA: ['is signed by one that is no CA', trustedCa],
}

function problemOf ({ code, message }: Said, { host, user, database }: Names): UnusableDatabase | null {
  const unusable = (reason: string, remedy: string) => new UnusableDatabase(reason, remedy)
  const server = `the server at ${host}`
  if (message === standby) return unusable(standby, 'name the primary')
  if (Object.hasOwn(certificates, code)) {
    const [reason, remedy] = certificates[code]!
    return unusable(`the certificate of ${server} ${reason} (${code})`, remedy)
  }
  if (message.includes('does not support SSL connections')) {
    const remedy = 'switch it on there (ssl = on), or write sslmode=disable where the network in between is your own'
    return unusable(`${server} speaks no TLS, which sslmode asks for`, remedy)
  }
  if (code.startsWith('ERR_SSL_') || code.startsWith('ERR_OSSL_')) {
    const remedy = 'look at the files that sslrootcert, sslcert and sslkey name, and at the log of the server'
    return unusable(`TLS with ${server} fails (${code})`, remedy)
  }
  if (message.startsWith('SASL: ') && message.includes('password must be')) {
    return unusable(`${server} asks for a password, and there is none`, 'write it into the URL, or into PGPASSWORD')
  }
  if (message === 'Query read timeout') {
    return unusable(
      `${host} takes connections and answers nothing in time`,
      'look at its load and its log; a pooler needs room for all of them (PgBouncer: default_pool_size, ' +
        'docs/postgresql.md)'
    )
  }
  switch (code) {
    case '3D000':
      return unusable(
        `there is no database ${database} at ${host}`,
        `make it (CREATE DATABASE "${database}" ENCODING 'UTF8'), or name another`
      )
    case '28P01':
      return unusable(
        `the password of the role ${user} is wrong or missing, or there is no such role at ${host}`,
        'correct it, or make the role (CREATE ROLE … LOGIN PASSWORD …)'
      )
    case '28000':
      return unusable(
        `${server} does not let the role ${user} in (${message})`,
        message.includes('does not exist')
          ? `make it (CREATE ROLE "${user}" LOGIN), or name another`
          : 'allow it in pg_hba.conf, and where that asks for TLS write sslmode=verify-full'
      )
    case '42501':
      return unusable(
        `the role ${user} lacks a right (${message})`, 'name the role that owns the tables, or GRANT it what is missing'
      )
    case '25006':
      return readOnly()
    case '53300':
      return unusable(
        `${server} has no connection left (${message})`, 'raise max_connections there, or lower connection_limit here'
      )
    case '57P03':
      return unusable(`${server} is starting or ending (${message})`, 'start this one again when it is up')
    // A named statement that another client has prepared on this connection, or has taken away.
    case '42P05':
    case '26000': return sharedSession()
    case '08P01': return unusable(
      `what listens at ${host} refuses the connection (${message})`,
      'look at it: a pooler has to be in session mode, and to know the database and the role'
    )
    default: return null
  }
}
