/** Reads the history and the standbys of a PostgreSQL. A login is the only privilege needed. */
import type { DatabaseHistory } from '../../domain/maintenance/lost-change.ts'

/** Runs a statement on some connection. */
export type Run = <Row extends object> (text: string, values: readonly unknown[]) => Promise<Row[]>

/** The history of the database behind a connection; nulls where the database does not report it. */
export async function historyOf (run: Run): Promise<DatabaseHistory> {
  // The timeline of the last checkpoint would be outdated for a while after a promotion.
  const found = await unlessDenied(() => run<DatabaseHistory>(`
    SELECT system_identifier::text AS system,
      ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int AS timeline
    FROM pg_control_system()`, []))
  return found?.[0] ?? { system: null, timeline: null }
}

/** The number of standbys, and whether commits wait for one. */
export interface Replication { standbys: number, synchronous: boolean }

/** Backups and logical replication are no standbys. Null: the database does not report it. */
export async function replicationOf (run: Run): Promise<Replication | null> {
  const found = await unlessDenied(() => run<Replication>(`
    SELECT count(*)::int AS standbys,
      current_setting('synchronous_standby_names') <> ''
        AND current_setting('synchronous_commit') NOT IN ('off', 'local') AS synchronous
    FROM pg_stat_replication AS standby
    WHERE state IS DISTINCT FROM 'backup' AND NOT EXISTS (
      SELECT FROM pg_replication_slots AS slot WHERE slot.active_pid = standby.pid AND slot_type = 'logical')`, []))
  return found?.[0] ?? null
}

/**
 * Classes of SQLSTATE: not permitted, or no such function (42); not on this kind of PostgreSQL (0A); not while it is a
 * standby (55). These queries only observe, so such an error does not keep a server from joining.
 */
const denied = new Set(['42', '0A', '55'])

async function unlessDenied<T> (query: () => Promise<T>): Promise<T | null> {
  try {
    return await query()
  } catch (error) {
    if (denied.has(((error as { code?: string }).code ?? '').slice(0, 2))) return null
    throw error
  }
}
