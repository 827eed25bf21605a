/** Backs up a SQLite database, also while a server runs on it. */
import { ConfigurationError } from '../../base/errors.ts'

/**
 * Writes a consistent copy of the SQLite database at `url` into the new file `target`.
 * @throws ConfigurationError naming the obstacle; for PostgreSQL always, which has its own tools.
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
