/** Prisma's driver adapter for SQLite: the values, types and errors that Prisma gets, statement by statement. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ColumnTypeEnum, type ArgType, type SqlDriverAdapter, type SqlQuery } from '@prisma/driver-adapter-utils'
import tap, { type Test } from 'tap'
import { sqliteDriver } from '../../../src/storage/engine/sqlite/driver.ts'

type Parameter = readonly [unknown, ArgType['scalarType']]

function query (sql: string, ...parameters: Parameter[]): SqlQuery {
  return {
    sql,
    args: parameters.map(([value]) => value),
    argTypes: parameters.map(([, scalarType]) => ({ scalarType, arity: 'scalar' }))
  }
}

async function connected (t: Test, script: string): Promise<SqlDriverAdapter> {
  const adapter = await sqliteDriver(':memory:', 0, script).connect()
  t.teardown(async () => { await adapter.dispose() })
  return adapter
}

const columns = [
  ['i', 'INTEGER', ColumnTypeEnum.Int32],
  ['b', 'BIGINT', ColumnTypeEnum.Int64],
  ['r', 'REAL', ColumnTypeEnum.Double],
  ['d', 'DECIMAL', ColumnTypeEnum.Numeric],
  ['x', 'TEXT', ColumnTypeEnum.Text],
  ['t', 'DATETIME', ColumnTypeEnum.DateTime],
  ['l', 'BOOLEAN', ColumnTypeEnum.Boolean],
  ['j', 'JSONB', ColumnTypeEnum.Json],
  ['y', 'BLOB', ColumnTypeEnum.Bytes],
] as const
const table = `CREATE TABLE v (${columns.map(([name, type]) => `${name} ${type}`).join(', ')})`

tap.test('a column has the type of its declaration, in any case, and NULL is NULL in each', async t => {
  const adapter = await connected(t, `${table.toLowerCase().replace('create table', 'CREATE TABLE')}; ${
    'INSERT INTO v (i) VALUES (NULL)'
  }`)
  t.strictSame(await adapter.queryRaw(query('SELECT * FROM v')), {
    columnNames: columns.map(([name]) => name),
    columnTypes: columns.map(([, , type]) => type),
    rows: [columns.map(() => null)]
  })
})

/** A parameter, what SQLite has of it, and what Prisma reads. */
const stored: readonly [column: string, parameter: Parameter, typeof_: string, read: unknown][] = [
  ['i', [7, 'int'], 'integer', 7],
  ['i', ['7', 'int'], 'integer', 7],
  ['i', [null, 'int'], 'null', null],
  ['b', ['9007199254740993', 'bigint'], 'integer', '9007199254740993'],
  ['b', [9007199254740993n, 'bigint'], 'integer', '9007199254740993'],
  ['b', ['-12', 'bigint'], 'integer', -12],
  ['r', ['1.5', 'float'], 'real', 1.5],
  ['d', ['2.25', 'decimal'], 'real', 2.25],
  ['x', ['1', 'string'], 'text', '1'],
  ['t', ['2027-01-31T23:59:58.007Z', 'datetime'], 'text', '2027-01-31T23:59:58.007+00:00'],
  ['t', [new Date(0), 'datetime'], 'text', '1970-01-01T00:00:00.000+00:00'],
  ['t', [1_000, 'int'], 'integer', '1970-01-01T00:00:01.000Z'],
  ['l', [true, 'boolean'], 'integer', 1],
  ['l', [false, 'boolean'], 'integer', 0],
  ['j', ['{"a":[1]}', 'json'], 'text', '{"a":[1]}'],
  ['y', ['aGk=', 'bytes'], 'blob', Buffer.from('hi')],
  // A fraction in a column of integers: SQLite stores it as it is.
  ['i', [1.5, 'float'], 'real', 1],
]

tap.test('a parameter is stored as its type says, and read as the column says', async t => {
  const adapter = await connected(t, table)
  for (const [column, parameter, type, read] of stored) {
    await adapter.executeRaw(query('DELETE FROM v'))
    t.equal(await adapter.executeRaw(query(`INSERT INTO v (${column}) VALUES (?)`, parameter)), 1)
    const { rows } = await adapter.queryRaw(query(`SELECT ${column}, typeof(${column}) FROM v`))
    t.strictSame(rows, [[read, type]], `${column} ${String(parameter[0])}`)
  }
})

tap.test('an expression has the type of its first value other than NULL', async t => {
  const adapter = await connected(t, '')
  const { columnTypes, rows } = await adapter.queryRaw(query(
    "SELECT NULL, NULL, NULL, NULL, NULL UNION ALL SELECT 'a', 1, 1.5, x'00', NULL"
  ))
  const { Text, Int64, UnknownNumber, Bytes, Int32 } = ColumnTypeEnum
  t.strictSame(columnTypes, [Text, Int64, UnknownNumber, Bytes, Int32])
  t.strictSame(rows[1], ['a', 1, 1.5, Buffer.from([0]), null])
})

tap.test('a statement without rows has no columns; one that returns rows has them', async t => {
  const adapter = await connected(t, table)
  const insert = 'INSERT INTO v (i) VALUES (1)'
  t.strictSame(await adapter.queryRaw(query(insert)), { columnNames: [], columnTypes: [], rows: [] })
  t.strictSame((await adapter.queryRaw(query(`${insert} RETURNING i`))).rows, [[1]])
  t.equal(await adapter.executeRaw(query('UPDATE v SET i = 3')), 2)
})

const schema = `
  CREATE TABLE u (a INTEGER PRIMARY KEY, b TEXT UNIQUE, c TEXT NOT NULL, d INTEGER REFERENCES u (a));
  CREATE TABLE w (x TEXT, y TEXT, PRIMARY KEY (x, y));
  CREATE TRIGGER kept BEFORE DELETE ON w BEGIN SELECT RAISE(ABORT, 'append only'); END;
  INSERT INTO u VALUES (1, 'b', 'c', NULL); INSERT INTO w VALUES ('x', 'y')`

const failures: readonly [statement: string, originalCode: string, cause: object][] = [
  [
    "INSERT INTO u VALUES (2, 'b', 'c', NULL)", 'SQLITE_CONSTRAINT_UNIQUE',
    { kind: 'UniqueConstraintViolation', constraint: { fields: ['b'] }, table: 'u' },
  ],
  [
    "INSERT INTO w VALUES ('x', 'y')", 'SQLITE_CONSTRAINT_PRIMARYKEY',
    { kind: 'UniqueConstraintViolation', constraint: { fields: ['x', 'y'] }, table: 'w' },
  ],
  [
    "INSERT INTO u VALUES (3, 'd', NULL, NULL)", 'SQLITE_CONSTRAINT_NOTNULL',
    { kind: 'NullConstraintViolation', constraint: { fields: ['c'] } },
  ],
  [
    "INSERT INTO u VALUES (4, 'e', 'c', 99)", 'SQLITE_CONSTRAINT_FOREIGNKEY',
    { kind: 'ForeignKeyConstraintViolation', constraint: { foreignKey: {} } },
  ],
  [
    'DELETE FROM w', 'SQLITE_CONSTRAINT_TRIGGER',
    { kind: 'ForeignKeyConstraintViolation', constraint: { foreignKey: {} } },
  ],
  ['SELECT * FROM absent', 'SQLITE_ERROR', { kind: 'TableDoesNotExist', table: 'absent' }],
  ['SELECT absent FROM u', 'SQLITE_ERROR', { kind: 'ColumnNotFound', column: 'absent' }],
  ['INSERT INTO u (absent) VALUES (1)', 'SQLITE_ERROR', { kind: 'ColumnNotFound', column: 'absent' }],
  ['SELEC', 'SQLITE_ERROR', { kind: 'sqlite', extendedCode: 1, message: 'near "SELEC": syntax error' }],
]

tap.test('an error of SQLite is a DriverAdapterError of the kind that Prisma knows', async t => {
  const adapter = await connected(t, schema)
  for (const [statement, originalCode, cause] of failures) {
    const expected = { name: 'DriverAdapterError', cause: { originalCode, ...cause } }
    await t.rejects(adapter.queryRaw(query(statement)), expected, statement)
    await t.rejects(adapter.executeRaw(query(statement)), expected, statement)
    await t.rejects(adapter.executeScript(statement), expected, statement)
  }
})

tap.test('a lock of another process is a timeout; a failed settings script closes its connection', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-driver-'))
  t.teardown(() => { rmSync(folder, { recursive: true }) })
  const path = join(folder, 'a.db')
  const holder = await sqliteDriver(path, 0, 'CREATE TABLE k (a)').connect()
  const other = await sqliteDriver(path, 0).connect()
  const held = await holder.startTransaction()
  await t.rejects(other.executeRaw(query('INSERT INTO k VALUES (1)')), { cause: { kind: 'SocketTimeout' } })
  await t.rejects(sqliteDriver(path, 0, 'INSERT INTO k VALUES (2)').connect(), { cause: { kind: 'SocketTimeout' } })
  await held.rollback()
  await other.dispose()
  await holder.dispose()
})

tap.test('what is no error of SQLite stays as it is: a closed connection', async t => {
  const adapter = await sqliteDriver(':memory:', 0).connect()
  await adapter.dispose()
  await t.rejects(adapter.queryRaw(query('SELECT 1')), { name: 'TypeError', message: /not open/ })
})

tap.test('the shadow database of the migration engine is another one, in memory', async t => {
  const factory = sqliteDriver(':memory:', 0, 'CREATE TABLE k (a)')
  const shadow = await factory.connectToShadowDb()
  t.teardown(async () => { await shadow.dispose() })
  t.strictSame((await shadow.queryRaw(query('SELECT * FROM k'))).rows, [])
})
