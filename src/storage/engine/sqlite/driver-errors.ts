/** SQLite's errors in the words of Prisma's driver adapters, by which the client and `failures.ts` know them. */
import type { Error as DriverError, MappedError } from '@prisma/driver-adapter-utils'

/** Null: not an error of SQLite. */
export function asDriverError (error: unknown): DriverError | null {
  const { code, message } = error as { code?: unknown, message?: unknown }
  if (typeof code !== 'string' || typeof message !== 'string') return null
  return { originalCode: code, originalMessage: message, ...mapped(code, message) }
}

function mapped (code: string, message: string): MappedError {
  switch (code) {
    case 'SQLITE_CONSTRAINT_UNIQUE':
    case 'SQLITE_CONSTRAINT_PRIMARYKEY': {
      const columns = columnsIn(message)
      const table = columns?.[0]?.split('.').slice(0, -1).join('.')
      return { kind: 'UniqueConstraintViolation', ...constraintOn(columns), ...(table ? { table } : {}) }
    }
    case 'SQLITE_CONSTRAINT_NOTNULL':
      return { kind: 'NullConstraintViolation', ...constraintOn(columnsIn(message)) }
    case 'SQLITE_CONSTRAINT_FOREIGNKEY':
    case 'SQLITE_CONSTRAINT_TRIGGER':
      return { kind: 'ForeignKeyConstraintViolation', constraint: { foreignKey: {} } }
  }
  if (code.startsWith('SQLITE_BUSY')) return { kind: 'SocketTimeout' }
  const table = after('no such table: ', message)
  if (table !== undefined) return { kind: 'TableDoesNotExist', table }
  const column = after('no such column: ', message) ?? after('has no column named ', message)
  if (column !== undefined) return { kind: 'ColumnNotFound', column }
  // The driver gives the name of the code only; 1 is SQLITE_ERROR, the generic one.
  return { kind: 'sqlite', extendedCode: 1, message }
}

/** `table.column` of each column in `UNIQUE constraint failed: table.column, table.column`. */
function columnsIn (message: string): string[] | undefined {
  return after('constraint failed: ', message)?.split(', ')
}

function constraintOn (columns: string[] | undefined): { constraint?: { fields: string[] } } {
  return columns === undefined ? {} : { constraint: { fields: columns.map(column => column.split('.').at(-1)!) } }
}

function after (words: string, message: string): string | undefined {
  return message.split(words)[1]
}
