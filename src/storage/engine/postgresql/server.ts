/** Whether a PostgreSQL server, as it is reached, is one that Latchkey can work on. */
import { postgresqlTarget } from '../../../config/database-url.ts'
import { PostgresqlClient, type ServerFacts } from './client.ts'
import { UnusableDatabase } from '../unusable-database.ts'

/** As `server_version_num` has it: the oldest that is still maintained and was tested. */
const oldestVersion = 140_000

/**
 * `another` makes one more connection. @throws UnusableDatabase for a server that is too old, for a database that is
 * not UTF-8, and for a pooler that hands the connections of the server to another client after each transaction.
 */
export async function requireUsable (client: PostgresqlClient, another: () => PostgresqlClient): Promise<void> {
  const { version, encoding } = client.facts
  const major = (number: number) => Math.floor(number / 10_000)
  if (version < oldestVersion) {
    const remedy = `upgrade it to ${major(oldestVersion)} or newer`
    throw new UnusableDatabase(`the server is PostgreSQL ${major(version)}`, remedy)
  }
  if (encoding !== 'UTF8') {
    const remedy = 'make one with CREATE DATABASE … ENCODING \'UTF8\' TEMPLATE template0, and name that'
    throw new UnusableDatabase(`the encoding of the database is ${encoding}, which cannot hold every name`, remedy)
  }
  await requireOwnSession(client, another)
}

interface Rights { role: string, path: string, present: boolean, permitted: boolean, database: boolean }

/** `isNew`: whether there are no tables yet. @throws UnusableDatabase where none can be made in the schema of `url`. */
export async function requireWritable (client: PostgresqlClient, url: string, isNew: boolean): Promise<void> {
  const { schema, namesSchema } = postgresqlTarget(url)
  const { rows: [found] } = await client.query<Rights>(`
    SELECT current_user AS role, (SELECT reset_val FROM pg_settings WHERE name = 'search_path') AS path,
      EXISTS (SELECT FROM pg_namespace WHERE nspname = $1) AS present,
      coalesce((SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = $1), false) AS permitted,
      has_database_privilege(current_database(), 'CREATE') AS database`, [schema])
  const { role, path, present, permitted, database } = found!
  if (client.facts.readOnly) throw readOnly()
  if (isNew && !namesSchema && firstOf(path) !== schema) {
    throw new UnusableDatabase(
      `names no schema, and the role ${role} has the search_path ${path}, by which Latchkey does not go`,
      `write schema=NAME for where the tables are to be, or schema=${schema}`
    )
  }
  if (present && !permitted) {
    throw new UnusableDatabase(
      `the role ${role} may make no tables in the schema ${schema}`,
      `GRANT CREATE, USAGE ON SCHEMA "${schema}" TO "${role}", or write schema=NAME for one of its own`
    )
  }
  if (!present && !database) {
    throw new UnusableDatabase(
      `there is no schema ${schema}, and the role ${role} may make none in this database`,
      `CREATE SCHEMA "${schema}" AUTHORIZATION "${role}"`
    )
  }
}

/** Where there is none: the migration engine would make it, too, but not beside another server that does. */
export async function makeSchema (client: PostgresqlClient, url: string): Promise<void> {
  const { schema } = postgresqlTarget(url)
  const { rowCount } = await client.query('SELECT FROM pg_namespace WHERE nspname = $1', [schema])
  if (rowCount === 0) await client.query(`CREATE SCHEMA IF NOT EXISTS "${schema}"`).catch(unlessThere)
}

/** The schema that a search_path leads to, unless the role has one of its own name. */
function firstOf (path: string): string {
  return path.split(',').map(each => each.trim().replaceAll('"', '')).find(name => name !== '$user') ?? ''
}

/** Another server was quicker, which PostgreSQL may find out only at the end. */
function unlessThere (error: { code?: string }): void {
  if (error.code !== '42P06' && error.code !== '23505') throw error
}

export function readOnly (): UnusableDatabase {
  return new UnusableDatabase(
    'the database can only be read (default_transaction_read_only is on for it or the role, as hosts set it ' +
      'when the disk is full)',
    'make room, then, from another database, ALTER DATABASE … RESET default_transaction_read_only'
  )
}

/** Connections besides the first that are made to find a pooler out. */
const witnesses = 3

/** How often the first is asked beside each of them, which holds a server connection in a transaction meanwhile. */
const questions = 5

/**
 * A pooler tells its clients a number of its own for the process that serves them, so direct connections need no
 * further look. By one, each client has a server connection for itself (session mode), or only for as long as a
 * transaction takes: then it shows that another is served by the same process, or the first one by several.
 */
async function requireOwnSession (client: PostgresqlClient, another: () => PostgresqlClient): Promise<void> {
  const { pid } = client.facts
  if ((client as unknown as { processID: number }).processID === pid) return
  const held: PostgresqlClient[] = []
  try {
    for (let i = 0; i < witnesses; i++) {
      const witness = another()
      witness.on('error', () => {})
      held.push(witness)
      await witness.connect()
      await witness.query('BEGIN')
      const { pid: its } = await served(witness)
      if (witness.facts.pid === pid || its === pid) throw sharedSession()
      for (let asked = 0; asked < questions; asked++) if ((await served(client)).pid !== pid) throw sharedSession()
    }
  } catch (error) {
    throw isOfStatementMode(error) ? sharedSession() : error
  } finally {
    await Promise.all(held.map(each => each.end().catch(() => {})))
  }
}

async function served (client: PostgresqlClient): Promise<Pick<ServerFacts, 'pid'>> {
  return (await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]!
}

/** PgBouncer refuses BEGIN in its third mode. */
function isOfStatementMode (error: unknown): boolean {
  return error instanceof Error && error.message.includes('statement pooling')
}

/** Also for what shows later: a prepared statement that is there already, or is not. */
export function sharedSession (): UnusableDatabase {
  return new UnusableDatabase(
    'a pooler in transaction or statement mode hands the connections of the server to other clients in between, where ' +
      'prepared statements, notifications and settings get lost',
    'name the server itself, or a pooler in session mode (PgBouncer: pool_mode = session)'
  )
}
