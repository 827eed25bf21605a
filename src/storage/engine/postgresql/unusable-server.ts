/** The reasons that several parts give for not using a PostgreSQL server; loads no driver. */
import { UnusableDatabase } from '../unusable-database.ts'

export const standby = 'this server is a standby, which cannot be written and may lag behind'

export function readOnly (): UnusableDatabase {
  return new UnusableDatabase(
    'the database is read-only (default_transaction_read_only is on for it or the role, as hosts set it when the ' +
      'disk is full)',
    'make room, then, from another database, ALTER DATABASE … RESET default_transaction_read_only'
  )
}

/** Also when it shows later: a prepared statement exists already, or is missing. */
export function sharedSession (): UnusableDatabase {
  return new UnusableDatabase(
    'a pooler in transaction or statement mode shares the connections of the server between clients, which loses ' +
      'prepared statements, notifications and settings',
    'name the server itself, or a pooler in session mode (PgBouncer: pool_mode = session)'
  )
}
