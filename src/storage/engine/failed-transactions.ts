/**
 * A transaction in which a statement has failed keeps nothing, whatever its work makes of the error. Left to
 * themselves, the databases differ: PostgreSQL refuses what follows and answers COMMIT as if it had been one, SQLite
 * goes on and keeps what did not fail.
 */
import type { SqlDriverAdapter, SqlQuery, Transaction } from '@prisma/driver-adapter-utils'

/**
 * `adapter`, whose transactions are over once a statement in them has failed: what follows fails as it did, COMMIT too.
 */
export function allOrNothing (adapter: SqlDriverAdapter): SqlDriverAdapter {
  return {
    provider: adapter.provider,
    adapterName: adapter.adapterName,
    queryRaw: query => adapter.queryRaw(query),
    executeRaw: query => adapter.executeRaw(query),
    executeScript: script => adapter.executeScript(script),
    dispose: () => adapter.dispose(),
    ...(adapter.getConnectionInfo === undefined ? {} : { getConnectionInfo: () => adapter.getConnectionInfo!() }),
    startTransaction: async isolation => orNothing(await adapter.startTransaction(isolation)),
  }
}

function orNothing (transaction: Transaction): Transaction {
  let failure: { error: unknown } | null = null
  const unlessFailed = <T>(run: (query: SqlQuery) => Promise<T>) => async (query: SqlQuery): Promise<T> => {
    if (failure !== null && query.sql !== rollback.sql) {
      // Prisma takes a COMMIT for the end of it, whatever came of that.
      if (query.sql === 'COMMIT') await transaction.executeRaw(rollback).catch(() => {})
      throw failure.error
    }
    try {
      return await run(query)
    } catch (error) {
      // A value that cannot be read is no failure of the statement that found it.
      if ((error as Error).name === 'DriverAdapterError') failure ??= { error }
      throw error
    }
  }
  return {
    provider: transaction.provider,
    adapterName: transaction.adapterName,
    options: transaction.options,
    queryRaw: unlessFailed(query => transaction.queryRaw(query)),
    executeRaw: unlessFailed(query => transaction.executeRaw(query)),
    commit: () => transaction.commit(),
    rollback: () => transaction.rollback(),
  }
}

const rollback: SqlQuery = { sql: 'ROLLBACK', args: [], argTypes: [] }
