import pg from 'pg'
import { PrismaPg } from '@prisma/adapter-pg'
import { Failure } from '../errors.ts'
import type { Limits } from './limits.ts'

/**
 * A database or a role may have another isolation as its default (`default_transaction_isolation`). A statement that is its own
 * transaction would then be refused, and nobody runs it again: what needs more than this says so when it begins.
 */
function connectionString (url: string): string {
  const [database, query] = url.split('?', 2)
  const parameters = new URLSearchParams(query)
  parameters.set('options', `${parameters.get('options') ?? ''} -c default_transaction_isolation=read\\ committed`.trim())
  return `${database}?${parameters}`
}

/** A pool whose broken connections end themselves and never the process. `lost` is called for each that breaks. */
export function newPool (url: string, limits: Limits, lost: () => void = () => {}): pg.Pool {
  const pool = new pg.Pool({
    connectionString: connectionString(url),
    max: 10,
    keepAlive: true,
    connectionTimeoutMillis: limits.connect,
    statement_timeout: limits.statement,
    query_timeout: limits.answer,
    idle_in_transaction_session_timeout: limits.transaction + limits.answer,
    application_name: 'latchkey',
  })
  // Without a listener the loss of an idle connection would end the process. The pool has replaced it already.
  pool.on('error', () => {})
  pool.on('connect', client => { client.on('error', lost) })
  pool.on('release', (_error, client) => { if (!isIdle(client)) client.end().catch(() => {}) })
  return pool
}

/** A connection of its own to follow the change feed on, not connected yet: one that has not answered in a while is taken for broken. */
export function newListener (url: string, limits: Limits, lease: number): pg.Client {
  return new pg.Client({
    connectionString: connectionString(url),
    keepAlive: true,
    connectionTimeoutMillis: limits.connect,
    statement_timeout: limits.statement,
    query_timeout: Math.max(1_000, 2 * lease),
    idle_in_transaction_session_timeout: limits.statement,
    application_name: 'latchkey replica',
  })
}

/**
 * Whether the connection is between transactions. When this side gave up on an answer, its transaction may still be open
 * over there; the next user of the connection would write into it, and lose what was acknowledged.
 */
function isIdle (client: pg.PoolClient): boolean {
  return (client as unknown as { getTransactionStatus (): string | null }).getTransactionStatus() === 'I'
}

export function postgresqlAdapter (pool: pg.Pool): PrismaPg {
  return new PrismaPg(pool, { disposeExternalPool: true })
}

/** At a start nobody is kept waiting for a verdict: a database that is busy gets time, in milliseconds. */
const connectAtStart = 15_000

/**
 * For migrations, and for one run of them: one connection, since they are one transaction, and no limit to a statement or a
 * pause. Once it is lost everything fails: on another one, what is left of them would be kept without what went before.
 */
export function postgresqlMigrationAdapter (url: string): PrismaPg {
  let hasConnected = false
  const onConnect = (): void => {
    if (hasConnected) throw new Failure('storage_unavailable', { detail: 'the connection was lost in the middle of the migrations; nothing of them was kept' })
    hasConnected = true
  }
  return new PrismaPg({ connectionString: connectionString(url), max: 1, idleTimeoutMillis: 0, keepAlive: true, connectionTimeoutMillis: connectAtStart, application_name: 'latchkey migration', onConnect })
}
