import pg from 'pg'
import { PrismaPg } from '@prisma/adapter-pg'

/**
 * Milliseconds. A database that does not answer becomes a refusal quickly: the server gives a statement up after
 * `statement`, and should the server be out of reach itself, this side does after `answer`.
 */
const patience = { connection: 2000, statement: 3000, answer: 4000, idleTransaction: 10_000 }

/** A pool whose broken connections end themselves and never the process. */
export function newPool (url: string): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: 10,
    keepAlive: true,
    connectionTimeoutMillis: patience.connection,
    statement_timeout: patience.statement,
    query_timeout: patience.answer,
    idle_in_transaction_session_timeout: patience.idleTransaction,
    application_name: 'latchkey',
  })
  // Without a listener the loss of an idle connection would end the process. The pool has replaced it already.
  pool.on('error', () => {})
  pool.on('release', (_error, client) => { if (!isIdle(client)) client.end().catch(() => {}) })
  return pool
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

/** For migrations: one connection, since the engine's lock belongs to the session, and no limit to a statement. */
export function postgresqlMigrationAdapter (url: string): PrismaPg {
  return new PrismaPg({ connectionString: url, max: 1, connectionTimeoutMillis: patience.connection, application_name: 'latchkey migration' })
}
