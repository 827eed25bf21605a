/** Values between Prisma and SQLite, which stores them as integers, reals, texts and blobs only. */
import { ColumnTypeEnum, type ArgType, type ColumnType, type ResultValue } from '@prisma/driver-adapter-utils'

/** A value as the driver returns it. */
export type Value = null | bigint | number | string | Buffer

/** Declared types of columns, as Prisma's migrations and SQLite's own tables name them. */
const declaredTypes = new Map<string, ColumnType>(
  ([
    [ColumnTypeEnum.Numeric, ['DECIMAL']],
    [ColumnTypeEnum.Float, ['FLOAT']],
    [ColumnTypeEnum.Double, ['DOUBLE', 'DOUBLE PRECISION', 'NUMERIC', 'REAL']],
    [ColumnTypeEnum.Int32, ['TINYINT', 'SMALLINT', 'MEDIUMINT', 'INT', 'INTEGER', 'SERIAL', 'INT2']],
    [ColumnTypeEnum.Int64, ['BIGINT', 'UNSIGNED BIG INT', 'INT8']],
    [ColumnTypeEnum.DateTime, ['DATETIME', 'TIMESTAMP']],
    [ColumnTypeEnum.Time, ['TIME']],
    [ColumnTypeEnum.Date, ['DATE']],
    [ColumnTypeEnum.Text, [
      'TEXT', 'CLOB', 'CHARACTER', 'VARCHAR', 'VARYING CHARACTER', 'NCHAR', 'NATIVE CHARACTER', 'NVARCHAR'
    ]],
    [ColumnTypeEnum.Bytes, ['BLOB']],
    [ColumnTypeEnum.Boolean, ['BOOLEAN']],
    [ColumnTypeEnum.Json, ['JSONB']],
  ] as const).flatMap(([type, names]) => names.map(name => [name, type] as const))
)

/** The type of each column: the declared one or, for an expression, that of its first value other than NULL. */
export function columnTypesOf (declared: readonly (string | null)[], rows: readonly Value[][]): ColumnType[] {
  return declared.map((name, column) =>
    declaredTypes.get(name?.toUpperCase() ?? '') ??
      typeOfValue(rows.find(row => row[column] !== null)?.[column] ?? null))
}

function typeOfValue (value: Value): ColumnType {
  if (typeof value === 'string') return ColumnTypeEnum.Text
  if (typeof value === 'bigint') return ColumnTypeEnum.Int64
  if (typeof value === 'number') return ColumnTypeEnum.UnknownNumber
  // A column of NULLs has no type; Prisma needs one.
  return value === null ? ColumnTypeEnum.Int32 : ColumnTypeEnum.Bytes
}

/** A row as Prisma reads it: an integer beyond 2^53 as text, an instant as ISO 8601. */
export function rowOf (row: readonly Value[], types: readonly ColumnType[]): ResultValue[] {
  return row.map((value, column) => resultOf(value, types[column]!))
}

function resultOf (value: Value, type: ColumnType): ResultValue {
  if (typeof value !== 'number' && typeof value !== 'bigint') return value
  if (type === ColumnTypeEnum.DateTime) return new Date(Number(value)).toISOString()
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString()
  const isInteger = type === ColumnTypeEnum.Int32 || type === ColumnTypeEnum.Int64
  return isInteger ? Math.trunc(value) : value
}

/** A parameter as SQLite stores it: an instant as ISO 8601 with `+00:00`, a boolean as 0 or 1. */
export function argumentOf (value: unknown, { scalarType }: ArgType): unknown {
  if (typeof value === 'boolean') return value ? 1 : 0
  if (value instanceof Date) return instantOf(value)
  if (typeof value !== 'string') return value
  switch (scalarType) {
    case 'int': return Number.parseInt(value)
    case 'float':
    case 'decimal': return Number.parseFloat(value)
    case 'bigint': return BigInt(value)
    case 'datetime': return instantOf(new Date(value))
    case 'bytes': return Buffer.from(value, 'base64')
    default: return value
  }
}

function instantOf (date: Date): string {
  return date.toISOString().replace('Z', '+00:00')
}
