import { ConfigurationError } from '../../base/errors.ts'

/**
 * Writes everything that the SQLite database at `url` holds at this moment into the new file `target`, while a server
 * may be running on it. @throws ConfigurationError naming what stands in the way; for PostgreSQL always, which brings
 * its own tools.
 */
export async function backUp (url: string, target: string): Promise<void> {
  if (!url.startsWith('file:')) {
    throw new ConfigurationError([
      'DATABASE_URL: PostgreSQL is backed up by its own tools: pg_dump --format=custom --file=FILE "$DATABASE_URL"'
    ])
  }
  const { copyDatabase, sqlitePath } = await import('./sqlite/sqlite.ts')
  copyDatabase(sqlitePath(url), target)
}
