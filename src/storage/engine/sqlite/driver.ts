/** Prisma's driver adapter for SQLite: one connection, whose statements run in the turn of their call. */
import Database from 'better-sqlite3'
import {
  DriverAdapterError, type SqlDriverAdapter, type SqlMigrationAwareDriverAdapterFactory, type SqlQuery
} from '@prisma/driver-adapter-utils'
import { lru } from '../../../base/lru.ts'
import { asDriverError } from './driver-errors.ts'
import { gated, type UngatedAdapter } from './gate.ts'
import { argumentOf, columnTypesOf, rowOf, type Value } from './values.ts'

type Statement = Database.Statement<unknown[], Value[]>

/**
 * Preparing a statement takes as long as running it, so a connection keeps those that it used last: texts of so many
 * characters together.
 */
const mostPrepared = 256 * 1024

const adapterInfo = { provider: 'sqlite', adapterName: 'latchkey-sqlite' } as const

/**
 * Adapters of gated connections to the file at `path`. `busy`: milliseconds to wait for a lock of another process.
 * `script` runs on each new connection. Errors of SQLite are rejections with a `DriverAdapterError`.
 */
export function sqliteDriver (path: string, busy: number, script = ''): SqlMigrationAwareDriverAdapterFactory {
  const connect = async (file: string): Promise<SqlDriverAdapter> => {
    const connection = connectionTo(new Database(file, { timeout: busy }))
    try {
      await connection.executeScript(script)
    } catch (error) {
      await connection.dispose()
      throw error
    }
    return gated(connection)
  }
  return { ...adapterInfo, connect: () => connect(path), connectToShadowDb: () => connect(':memory:') }
}

function connectionTo (database: Database.Database): UngatedAdapter {
  // Integers come as BigInt, because a column of type BIGINT may exceed a number; `rowOf` makes numbers of the others.
  database.defaultSafeIntegers(true)
  const kept = lru<Statement>(mostPrepared, { sizeCalculation: (_, sql) => sql.length })
  const prepared = ({ sql }: SqlQuery): Statement => {
    const known = kept.get(sql)
    if (known !== undefined) return known
    const statement = database.prepare<unknown[], Value[]>(sql)
    kept.set(sql, statement)
    return statement
  }
  return {
    ...adapterInfo,
    queryRaw: query => attempt(() => {
      const statement = prepared(query)
      if (!statement.reader) {
        statement.run(argumentsOf(query))
        return { columnNames: [], columnTypes: [], rows: [] }
      }
      const rows = statement.raw().all(argumentsOf(query))
      // After the rows: where another connection has changed the table, `*` is more columns from the first step on.
      const columns = statement.columns()
      const columnTypes = columnTypesOf(columns.map(({ type }) => type), rows)
      return {
        columnNames: columns.map(({ name }) => name),
        columnTypes,
        rows: rows.map(row => rowOf(row, columnTypes)),
      }
    }),
    executeRaw: query => attempt(() => Number(prepared(query).run(argumentsOf(query)).changes)),
    executeScript: script => attempt(() => {
      database.exec(script)
    }),
    async dispose () {
      database.close()
    },
  }
}

function argumentsOf ({ args, argTypes }: SqlQuery): unknown[] {
  return args.map((value, index) => argumentOf(value, argTypes[index]!))
}

async function attempt<T> (act: () => T): Promise<T> {
  try {
    return act()
  } catch (error) {
    const cause = asDriverError(error)
    throw cause === null ? error : new DriverAdapterError(cause)
  }
}
