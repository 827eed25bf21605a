/** Very many API keys: copies of one row, which the database makes itself. No text belongs to them. */
import Database from 'better-sqlite3'
import pg from 'pg'

/**
 * Adds `count` copies of a key: with names, instants and hints of their own, a thousandth of them named `Nightly
 * report …`. All are older than the key.
 */
export async function copyKey (databaseUrl: string, id: string, count: number): Promise<void> {
  if (databaseUrl.startsWith('file:')) copyOnSqlite(databaseUrl.slice('file:'.length), id, count)
  else await copyOnPostgresql(databaseUrl, id, count)
}

/** Columns of a copy, as both databases say them; `i` is its number, `mixed` the same in no order. */
function copied (instant: (secondsAgo: string) => string, hex: (number: string, width: number) => string) {
  const id = `'key_' || ${hex('mixed', 8)} || ${hex('i', 14)}`
  return {
    id,
    chainId: id,
    digest: `${hex('mixed', 8)} || ${hex('i', 35)}`,
    hint: `'lb_live_…' || ${hex('mixed % 65536', 4)}`,
    name: "CASE WHEN mixed % 1000 = 0 THEN 'Nightly report ' ELSE 'job ' END || mixed",
    createdAt: instant('(mixed % 40000000)'),
    lastUsedAt: `CASE WHEN mixed % 3 = 0 THEN NULL ELSE ${instant('(mixed % 3000000)')} END`,
    expiresAt: `CASE WHEN mixed % 2 = 0 THEN NULL ELSE ${instant('-(mixed % 9000000) - 60')} END`,
  }
}

function copyOnSqlite (file: string, id: string, count: number): void {
  const database = new Database(file)
  const columns = copied(
    ago => `strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now', (-1 * (${ago})) || ' seconds')`,
    (number, width) => `printf('%0${width}x', ${number})`
  )
  database.pragma('synchronous = OFF')
  database.exec(`WITH RECURSIVE numbers (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < ${count}),
    mixed AS (SELECT i, (i * 2654435761) % 4294967296 AS mixed FROM numbers)
    ${insertion(database.pragma('table_info("ApiKey")') as { name: string }[], columns, id)}`)
  database.pragma('wal_checkpoint(TRUNCATE)')
  database.exec('ANALYZE')
  database.close()
}

async function copyOnPostgresql (url: string, id: string, count: number): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  const columns = copied(
    ago => `date_trunc('second', now() at time zone 'UTC') - (${ago}) * interval '1 second'`,
    (number, width) => `lpad(to_hex(${number}), ${width}, '0')`
  )
  const { rows } = await client.query<{ name: string }>(
    "SELECT column_name AS name FROM information_schema.columns WHERE table_name = 'ApiKey'"
  )
  await client.query(`WITH mixed AS (
      SELECT i::bigint, (i * 2654435761) % 4294967296 AS mixed FROM generate_series(1::bigint, ${count}) AS i
    ) ${insertion(rows, columns, id)}`)
  await client.query('VACUUM ANALYZE "ApiKey"')
  await client.end()
}

function insertion (columns: readonly { name: string }[], made: Readonly<Record<string, string>>, id: string): string {
  const names = columns.map(({ name }) => name)
  return `INSERT INTO "ApiKey" (${names.map(name => `"${name}"`).join(', ')})
    SELECT ${names.map(name => made[name] ?? `"key"."${name}"`).join(', ')}
    FROM mixed CROSS JOIN (SELECT * FROM "ApiKey" WHERE "id" = '${id}') AS "key"`
}
