/** The connections to PostgreSQL, by purpose: pool, change feed, reader, migrations. */
import pg from 'pg'
import { PrismaPg } from '@prisma/adapter-pg'
import { postgresqlTarget } from '../../../config/database-url.ts'
import { Failure } from '../../../base/errors.ts'
import type { Limits } from '../timeouts.ts'
import { clientConfig, PostgresqlClient, type ClientConfig } from './client.ts'

/** For a pool of clients that set up their session before use. The driver passes the configuration to each client. */
function poolOf (config: ClientConfig & pg.PoolConfig): pg.PoolConfig {
  return { ...config, Client: PostgresqlClient as unknown as NonNullable<pg.PoolConfig['Client']> }
}

/** A pool whose broken connections never end the process. Calls `lost` for each broken connection. */
export function newPool (url: string, limits: Limits, lost: () => void = () => {}): pg.Pool {
  const { target, ...config } = clientConfig(url, '', { ...limits, idle: limits.transaction + limits.answer })
  const pool = new pg.Pool(poolOf({ ...config, max: target.connections }))
  // Without a listener the loss of an idle connection would end the process. The pool has removed it already.
  pool.on('error', () => {})
  pool.on('connect', client => { client.on('error', lost) })
  pool.on('release', (_error, client) => { if (!isIdle(client)) client.end().catch(() => {}) })
  return pool
}

/** A separate client that follows the change feed, not connected yet; without an answer in time it is broken. */
export function newListener (url: string, limits: Limits, lease: number): pg.Client {
  const waits = { ...limits, answer: Math.max(1_000, 2 * lease), idle: limits.statement }
  return new PostgresqlClient(clientConfig(url, ' replica', waits))
}

/** A client that only reads, with short timeouts. */
export function newReader (url: string, purpose: string, connect: number): PostgresqlClient {
  return new PostgresqlClient(
    clientConfig(url, purpose, { connect, statement: connect, answer: connect, idle: connect })
  )
}

/**
 * Whether the connection is between transactions. After an answer timed out here, its transaction may still be open on
 * the server; the next user of the connection would write into it, and an acknowledged write could be lost.
 */
function isIdle (client: pg.PoolClient): boolean {
  return (client as unknown as { getTransactionStatus (): string | null }).getTransactionStatus() === 'I'
}

/** `pool`: of connections to `url`. */
export function postgresqlAdapter (pool: pg.Pool, url: string): PrismaPg {
  return new PrismaPg(pool, { disposeExternalPool: true, schema: postgresqlTarget(url).schema })
}

/** Milliseconds. Long, since no request waits at the start: a busy database gets time. */
export const connectAtStart = 15_000

/**
 * For one run of migrations: one connection, since they are one transaction, without limits for statements or pauses.
 * Once it is lost everything fails: on a new connection, the rest would be committed without the part before.
 */
export function postgresqlMigrationAdapter (url: string): PrismaPg {
  let hasConnected = false
  const onConnect = (): void => {
    if (hasConnected) {
      throw new Failure('storage_unavailable', {
        detail: 'the connection was lost during the migrations; all of them were rolled back'
      })
    }
    hasConnected = true
  }
  const { target, ...config } = clientConfig(url, ' migration', {
    connect: connectAtStart, statement: 0, answer: 0, idle: 0
  })
  return new PrismaPg(poolOf({ ...config, max: 1, idleTimeoutMillis: 0, onConnect }), { schema: target.schema })
}
