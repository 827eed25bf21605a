/**
 * Rolls back every transaction in which a statement failed, even if its work catches the error. By themselves the
 * databases differ: PostgreSQL refuses later statements and answers COMMIT with a silent rollback; SQLite commits the
 * statements that succeeded.
 */
import type { SqlDriverAdapter, SqlQuery, Transaction } from '@prisma/driver-adapter-utils'

/** `adapter`, whose transactions fail after the first failed statement: later ones get its error, COMMIT too. */
export function allOrNothing (adapter: SqlDriverAdapter): SqlDriverAdapter {
  return {
    provider: adapter.provider,
    adapterName: adapter.adapterName,
    queryRaw: query => adapter.queryRaw(query),
    executeRaw: query => adapter.executeRaw(query),
    executeScript: script => adapter.executeScript(script),
    dispose: () => adapter.dispose(),
    ...(adapter.getConnectionInfo === undefined ? {} : { getConnectionInfo: () => adapter.getConnectionInfo!() }),
    startTransaction: async isolation => failedAfterFirstError(await adapter.startTransaction(isolation)),
  }
}

function failedAfterFirstError (transaction: Transaction): Transaction {
  let failure: { error: unknown } | null = null
  const unlessFailed = <T>(run: (query: SqlQuery) => Promise<T>) => async (query: SqlQuery): Promise<T> => {
    if (failure !== null && query.sql !== rollback.sql) {
      // Prisma takes a COMMIT for the end of the transaction, also when it failed.
      if (query.sql === 'COMMIT') await transaction.executeRaw(rollback).catch(() => {})
      throw failure.error
    }
    try {
      return await run(query)
    } catch (error) {
      // An unreadable value is an error of decoding, not of the statement.
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
