/** From what Prisma and the drivers throw to the project's failures, in one place. */
import { Failure } from '../../base/errors.ts'

/** Prisma's codes for: no connection, no answer in time, no free connection, no transaction in time. */
const prismaCodes = new Set([
  'P1000', 'P1001', 'P1002', 'P1003', 'P1008', 'P1010', 'P1011', 'P1017', 'P2024', 'P2028', 'P2037'
])

/** The driver adapters' words for the same. */
const adapterKinds = new Set([
  'DatabaseNotReachable', 'ConnectionClosed', 'SocketTimeout', 'TlsConnectionError', 'TooManyConnections',
  'AuthenticationFailed', 'DatabaseAccessDenied', 'DatabaseDoesNotExist',
])

const socketCodes = new Set([
  'ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'ETIMEDOUT', 'EPIPE', 'EHOSTUNREACH', 'ENETUNREACH', 'EAI_AGAIN', 'ENOENT',
])

/** Result codes of SQLite: the file cannot be had, read, written or trusted. */
const sqliteCode = /^SQLITE_(BUSY|LOCKED|IOERR|CANTOPEN|READONLY|PERM|PROTOCOL|CORRUPT|NOTADB)/

/** No room for what is to be written: SQLite's result code, and the SQLSTATE `disk_full`. */
const fullCodes = new Set(['SQLITE_FULL', '53100'])

/**
 * SQLSTATEs: connection exception (08), who may connect (28), no such database (3D), insufficient resources (53),
 * operator intervention (57), system error (58), lock not available, a server that only reads, a transaction given up
 * as idle.
 */
const sqlState = /^(08|28|3D|53|57|58)[0-9A-Z]{3}$|^(55P03|25006|25P03)$/

/** Sentences of the drivers and of the migration engine that come without a code. */
const driverMessage =
  /can't reach database server|timeout exceeded when trying to connect|query read timeout|connection terminated|client was closed|client has encountered a connection error|cannot use a pool after|database connection is not open|not currently accepting connections/i

interface DriverCause { kind?: string, originalCode?: string, code?: string }

interface Thrown {
  name?: unknown
  code?: unknown
  message?: unknown
  cause?: unknown
  meta?: { driverAdapterError?: { cause?: DriverCause } }
}

/** Whether a unique value was taken already. */
export function isUniqueViolation (error: unknown): boolean {
  return codeOf(error) === 'P2002' || driverCauseOf(error)?.kind === 'UniqueConstraintViolation'
}

/** Whether another transaction got in the way: run again, it may well succeed. */
export function isSerializationConflict (error: unknown): boolean {
  return codeOf(error) === 'P2034' || driverCauseOf(error)?.kind === 'TransactionWriteConflict'
}

/**
 * The failure that an error means: `storage_full` when the database has no room for it, `storage_unavailable` when it
 * cannot be reached, read or written in time, `conflict` when a unique value is taken. Any other error is returned as
 * it is: a defect.
 */
export function asFailure (error: unknown): unknown {
  if (error instanceof Failure) return error
  if (isUniqueViolation(error)) return new Failure('conflict', { cause: error })
  if (codesOf(error).some(code => fullCodes.has(code))) {
    return new Failure('storage_full', { detail: messageOf(error), cause: error })
  }
  if (isUnavailable(error)) return new Failure('storage_unavailable', { detail: messageOf(error), cause: error })
  return error
}

function isUnavailable (error: unknown): boolean {
  return codesOf(error).some(code =>
    prismaCodes.has(code) || socketCodes.has(code) || sqliteCode.test(code) || sqlState.test(code)
  ) ||
    driverMessage.test(messageOf(error)) || adapterKinds.has(driverCauseOf(error)?.kind ?? '')
}

/** Prisma's, and those that the driver gave. */
function codesOf (error: unknown): string[] {
  const cause = driverCauseOf(error)
  return [codeOf(error), cause?.originalCode, cause?.code].filter(code => typeof code === 'string')
}

function codeOf (error: unknown): string | undefined {
  const code = (error as Thrown | null)?.code
  return typeof code === 'string' ? code : undefined
}

function messageOf (error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** What the driver said, below Prisma's words or, of COMMIT and of a connection, without them. */
function driverCauseOf (error: unknown): DriverCause | undefined {
  const thrown = error as Thrown | null
  return thrown?.name === 'DriverAdapterError' ? thrown.cause as DriverCause : thrown?.meta?.driverAdapterError?.cause
}
