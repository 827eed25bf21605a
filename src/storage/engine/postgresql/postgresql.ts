import pg from 'pg'
import { PrismaPg } from '@prisma/adapter-pg'
import { postgresqlTarget } from '../../../config/database-url.ts'
import { Failure } from '../../../base/errors.ts'
import type { Limits } from '../timeouts.ts'
import { clientConfig, PostgresqlClient, type ClientConfig } from './client.ts'

/** Of a pool that hands out no connection before it is as it has to be. The driver passes all of it on to each. */
function poolOf (config: ClientConfig & pg.PoolConfig): pg.PoolConfig {
  return { ...config, Client: PostgresqlClient as unknown as NonNullable<pg.PoolConfig['Client']> }
}

/** A pool whose broken connections end themselves and never the process. `lost` is called for each that breaks. */
export function newPool (url: string, limits: Limits, lost: () => void = () => {}): pg.Pool {
  const { target, ...config } = clientConfig(url, '', { ...limits, idle: limits.transaction + limits.answer })
  const pool = new pg.Pool(poolOf({ ...config, max: target.connections }))
  // Without a listener the loss of an idle connection would end the process. The pool has replaced it already.
  pool.on('error', () => {})
  pool.on('connect', client => { client.on('error', lost) })
  pool.on('release', (_error, client) => { if (!isIdle(client)) client.end().catch(() => {}) })
  return pool
}

/**
 * A connection of its own to follow the change feed on, not connected yet: one that has not answered in a while is
 * taken for broken.
 */
export function newListener (url: string, limits: Limits, lease: number): pg.Client {
  const waits = { ...limits, answer: Math.max(1_000, 2 * lease), idle: limits.statement }
  return new PostgresqlClient(clientConfig(url, ' replica', waits))
}

/** A connection that only looks, and does not wait for long. */
export function newReader (url: string, purpose: string, connect: number): PostgresqlClient {
  return new PostgresqlClient(
    clientConfig(url, purpose, { connect, statement: connect, answer: connect, idle: connect })
  )
}

/**
 * Whether the connection is between transactions. When this side gave up on an answer, its transaction may still be
 * open over there; the next user of the connection would write into it, and lose what was acknowledged.
 */
function isIdle (client: pg.PoolClient): boolean {
  return (client as unknown as { getTransactionStatus (): string | null }).getTransactionStatus() === 'I'
}

/** `pool` is one of connections to `url`. */
export function postgresqlAdapter (pool: pg.Pool, url: string): PrismaPg {
  return new PrismaPg(pool, { disposeExternalPool: true, schema: postgresqlTarget(url).schema })
}

/** At a start nobody is kept waiting for a verdict: a database that is busy gets time, in milliseconds. */
export const connectAtStart = 15_000

/**
 * For migrations, and for one run of them: one connection, since they are one transaction, and no limit to a statement
 * or a pause. Once it is lost everything fails: on another one, what is left of them would be kept without what went
 * before.
 */
export function postgresqlMigrationAdapter (url: string): PrismaPg {
  let hasConnected = false
  const onConnect = (): void => {
    if (hasConnected) {
      throw new Failure('storage_unavailable', {
        detail: 'the connection was lost in the middle of the migrations; nothing of them was kept'
      })
    }
    hasConnected = true
  }
  const { target, ...config } = clientConfig(url, ' migration', {
    connect: connectAtStart, statement: 0, answer: 0, idle: 0
  })
  return new PrismaPg(poolOf({ ...config, max: 1, idleTimeoutMillis: 0, onConnect }), { schema: target.schema })
}
