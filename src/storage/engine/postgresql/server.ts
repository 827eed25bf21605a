/** Checks whether Latchkey can use a PostgreSQL server, including the way to it. */
import { postgresqlTarget } from '../../../config/database-url.ts'
import { UnusableDatabase } from '../unusable-database.ts'
import type { PostgresqlClient, ServerFacts } from './client.ts'
import { readOnly, sharedSession } from './unusable-server.ts'

/** As in `server_version_num`: the oldest maintained version, which was tested. */
const oldestVersion = 140_000

/**
 * `another` makes one more client. @throws UnusableDatabase for a server that is too old, for a database that is not
 * UTF-8, and for a pooler that shares the server's connections between clients.
 */
export async function requireUsable (client: PostgresqlClient, another: () => PostgresqlClient): Promise<void> {
  const { version, encoding } = client.facts
  const major = (number: number) => Math.floor(number / 10_000)
  if (version < oldestVersion) {
    const remedy = `upgrade it to ${major(oldestVersion)} or newer`
    throw new UnusableDatabase(`the server is PostgreSQL ${major(version)}`, remedy)
  }
  if (encoding !== 'UTF8') {
    const remedy = 'create one with CREATE DATABASE … ENCODING \'UTF8\' TEMPLATE template0, and name it'
    throw new UnusableDatabase(`the encoding of the database is ${encoding}, which cannot store every name`, remedy)
  }
  await requireOwnSession(client, another)
}

interface Rights { role: string, path: string, present: boolean, permitted: boolean, database: boolean }

/** `isNew`: there are no tables yet. @throws UnusableDatabase if tables cannot be created in the schema of `url`. */
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
      `names no schema, and the role ${role} has the search_path ${path}, which Latchkey does not use`,
      `set schema=NAME to the schema for the tables, or schema=${schema}`
    )
  }
  if (present && !permitted) {
    throw new UnusableDatabase(
      `the role ${role} may not create tables in the schema ${schema}`,
      `GRANT CREATE, USAGE ON SCHEMA "${schema}" TO "${role}", or set schema=NAME to a schema of its own`
    )
  }
  if (!present && !database) {
    throw new UnusableDatabase(
      `there is no schema ${schema}, and the role ${role} may not create one in this database`,
      `CREATE SCHEMA "${schema}" AUTHORIZATION "${role}"`
    )
  }
}

/** Creates the schema if it is missing: the migration engine fails when two servers create it at once. */
export async function makeSchema (client: PostgresqlClient, url: string): Promise<void> {
  const { schema } = postgresqlTarget(url)
  const { rowCount } = await client.query('SELECT FROM pg_namespace WHERE nspname = $1', [schema])
  if (rowCount === 0) await client.query(`CREATE SCHEMA IF NOT EXISTS "${schema}"`).catch(unlessThere)
}

/** The first schema of a search_path other than the role's own. */
function firstOf (path: string): string {
  return path.split(',').map(each => each.trim().replaceAll('"', '')).find(name => name !== '$user') ?? ''
}

/** Another server created it first, which PostgreSQL may report only at the commit. */
function unlessThere (error: { code?: string }): void {
  if (error.code !== '42P06' && error.code !== '23505') throw error
}

/** Additional connections that are made to detect a pooler's mode. */
const witnesses = 3

/** Queries on the first connection for each witness, which holds a server connection in a transaction meanwhile. */
const queriesPerWitness = 5

/**
 * A pooler reports its own process number to clients, so a matching number proves a direct connection. Behind a pooler
 * a client keeps its server connection (session mode), or has one for a transaction only: then a witness is served by
 * the process of the first connection, or the first connection by several processes.
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
      const { pid: witnessPid } = await servedBy(witness)
      if (witness.facts.pid === pid || witnessPid === pid) throw sharedSession()
      for (let query = 0; query < queriesPerWitness; query++) {
        if ((await servedBy(client)).pid !== pid) throw sharedSession()
      }
    }
  } catch (error) {
    throw isOfStatementMode(error) ? sharedSession() : error
  } finally {
    await Promise.all(held.map(each => each.end().catch(() => {})))
  }
}

async function servedBy (client: PostgresqlClient): Promise<Pick<ServerFacts, 'pid'>> {
  return (await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]!
}

/** PgBouncer refuses BEGIN in statement mode. */
function isOfStatementMode (error: unknown): boolean {
  return error instanceof Error && error.message.includes('statement pooling')
}
