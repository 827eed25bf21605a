/** Maps the errors of Prisma and of the drivers to the project's failures. */
import { Failure } from '../../base/errors.ts'

/** Prisma's codes for: no connection, answer timeout, pool timeout, transaction timeout. */
const prismaCodes = new Set([
  'P1000', 'P1001', 'P1002', 'P1003', 'P1008', 'P1010', 'P1011', 'P1017', 'P2024', 'P2028', 'P2037'
])

/** The driver adapters' names for the same. */
const adapterKinds = new Set([
  'DatabaseNotReachable', 'ConnectionClosed', 'SocketTimeout', 'TlsConnectionError', 'TooManyConnections',
  'AuthenticationFailed', 'DatabaseAccessDenied', 'DatabaseDoesNotExist',
])

const socketCodes = new Set([
  'ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'ETIMEDOUT', 'EPIPE', 'EHOSTUNREACH', 'ENETUNREACH', 'EAI_AGAIN', 'ENOENT',
])

/** Result codes of SQLite: the file is locked, unreadable, not writable or corrupt. */
const sqliteCode = /^SQLITE_(BUSY|LOCKED|IOERR|CANTOPEN|READONLY|PERM|PROTOCOL|CORRUPT|NOTADB)/

/** No space to write: SQLite's result code, and the SQLSTATE `disk_full`. */
const fullCodes = new Set(['SQLITE_FULL', '53100'])

/**
 * SQLSTATEs: connection exception (08), authorization (28), no such database (3D), insufficient resources (53),
 * operator intervention (57), system error (58), lock not available, read-only transaction, idle-in-transaction
 * timeout.
 */
const sqlState = /^(08|28|3D|53|57|58)[0-9A-Z]{3}$|^(55P03|25006|25P03)$/

/** Messages of the drivers and of the migration engine that have no code. */
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

/** Whether a unique constraint was violated. */
export function isUniqueViolation (error: unknown): boolean {
  return codeOf(error) === 'P2002' || driverCauseOf(error)?.kind === 'UniqueConstraintViolation'
}

/** Whether the transaction conflicted with another one, so that a retry may succeed. */
export function isSerializationConflict (error: unknown): boolean {
  return codeOf(error) === 'P2034' || driverCauseOf(error)?.kind === 'TransactionWriteConflict'
}

/**
 * The failure that an error means: `storage_full` when the database has no space, `storage_unavailable` when it cannot
 * be reached, read or written in time, `conflict` for a violated unique constraint. Returns any other error unchanged:
 * a defect.
 */
export function asFailure (error: unknown): unknown {
  if (error instanceof Failure) return error
  if (isUniqueViolation(error)) return new Failure('conflict', { cause: error })
  if (isFull(error)) {
    return new Failure('storage_full', { detail: messageOf(error), cause: error })
  }
  if (isUnavailable(error)) return new Failure('storage_unavailable', { detail: messageOf(error), cause: error })
  return error
}

/** The failure of every query after `close`. */
export function closedFailure (): Failure {
  return new Failure('storage_unavailable', { detail: 'the database was closed' })
}

/** The label for metrics: the failure's code, `serialization_conflict`, or `defect` for an unforeseen error. */
export function labelOf (error: unknown): string {
  if (error instanceof Failure) return error.code
  return isSerializationConflict(error) ? 'serialization_conflict' : 'defect'
}

/** The migration engine passes on the message of PostgreSQL alone. */
function isFull (error: unknown): boolean {
  return codesOf(error).some(code => fullCodes.has(code)) || messageOf(error).includes('No space left on device')
}

function isUnavailable (error: unknown): boolean {
  return codesOf(error).some(code =>
    prismaCodes.has(code) || socketCodes.has(code) || sqliteCode.test(code) || sqlState.test(code)
  ) ||
    driverMessage.test(messageOf(error)) || adapterKinds.has(driverCauseOf(error)?.kind ?? '')
}

/** Prisma's code, and those of the driver. */
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

/** The driver's error: inside Prisma's or, for COMMIT and for connecting, by itself. */
function driverCauseOf (error: unknown): DriverCause | undefined {
  const thrown = error as Thrown | null
  return thrown?.name === 'DriverAdapterError' ? thrown.cause as DriverCause : thrown?.meta?.driverAdapterError?.cause
}
