/** An attacker with every right in the database, but without LATCHKEY_SECRET. */
import Database from 'better-sqlite3'
import { administer } from './postgres.ts'
import { patience } from './waiting.ts'

/** Runs statements on a database without the server knowing. */
export async function behindTheServer (url: string, statements: readonly string[]): Promise<void> {
  if (url.startsWith('postgres')) {
    for (const statement of statements) await administer(url, statement)
    return
  }
  const database = new Database(url.slice('file:'.length), { timeout: patience })
  try {
    for (const statement of statements) database.exec(statement)
  } finally {
    database.close()
  }
}

/** Drops the triggers that refuse changes to audit rows. */
export async function dropTriggers (url: string): Promise<void> {
  await behindTheServer(
    url,
    url.startsWith('postgres')
      ? [
          'DROP TRIGGER "AuditEvent_append_only" ON "AuditEvent"',
          'DROP TRIGGER "AuditEvent_untruncatable" ON "AuditEvent"'
        ]
      : ['DROP TRIGGER "AuditEvent_unchangeable"', 'DROP TRIGGER "AuditEvent_unremovable"']
  )
}

/**
 * Makes the database refuse new rows of this type: an operation that writes one fails at that statement. The result
 * undoes it.
 */
export async function refuseAuditRows (url: string, type: string): Promise<() => Promise<void>> {
  const [refuse, allow] = url.startsWith('postgres')
    ? [
        `CREATE FUNCTION refuse_row () RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$;
          CREATE TRIGGER refused BEFORE INSERT ON "AuditEvent" FOR EACH ROW WHEN (NEW."type" = '${type}') EXECUTE FUNCTION refuse_row()`,
        'DROP TRIGGER refused ON "AuditEvent"; DROP FUNCTION refuse_row'
      ]
    : [
      `CREATE TRIGGER refused BEFORE INSERT ON "AuditEvent" WHEN NEW."type" = '${type}' BEGIN SELECT RAISE(ABORT, ` +
        '\'refused\'); END',
      'DROP TRIGGER refused'
      ]
  await behindTheServer(url, [refuse])
  return async () => { await behindTheServer(url, [allow]) }
}
