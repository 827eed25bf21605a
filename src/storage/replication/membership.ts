/** The statements on the table of servers (PostgreSQL): join, leave, evict, list. */
import type pg from 'pg'
import type { Page, PageQuery } from '../../domain/core/page.ts'
import type { DatabaseHistory } from '../../domain/maintenance/lost-change.ts'
import type { ReplicaState } from '../../domain/maintenance/replica.ts'
import type { Queries } from '../engine/prisma.ts'
import { joinLock } from '../rows/advisory-locks.ts'
import { pageOf, toPage } from '../rows/rows.ts'

/** A server, as people see it. */
export interface Identity { id: string, host: string, pid: number, version: string, lease: number }

/** The server and the number of its join: statements of an earlier join are void, also when they arrive late. */
export interface Membership { id: string, joined: number }

/**
 * The position of a server in the feed, and the lease of all servers. `isKnown`: a server has followed this history of
 * the database before, or none has followed any.
 */
export interface Place { position: string, lease: number, isKnown: boolean }

/** Registers this server, with nothing applied yet. Null: it has joined again since. */
export async function join (
  client: pg.Client, { id, host, pid, version, lease }: Identity, joined: number, { system, timeline }: DatabaseHistory
): Promise<Place | null> {
  await client.query('BEGIN ISOLATION LEVEL READ COMMITTED')
  await client.query('SELECT pg_advisory_xact_lock($1)', [joinLock])
  // An unknown history is recorded later, by the transaction that reports it.
  const { rows: [row] } = await client.query<Place>(`
    WITH known AS (
      SELECT $8::int AS timeline, $9::text AS system
      WHERE NOT EXISTS (SELECT FROM "Replica" WHERE timeline IS NOT NULL)
        OR EXISTS (SELECT FROM "Replica" WHERE timeline = $8 AND system IS NOT DISTINCT FROM $9)
    )
    INSERT INTO "Replica"
      (id, host, pid, version, lease, joined, position, beat, "createdAt", "seenAt", timeline, system)
    VALUES (
      $1, $2, $3, $4, coalesce((SELECT max(lease) FROM "Replica" WHERE "leftAt" IS NULL AND id <> $1), $5), $6,
      pg_current_snapshot()::text, 0, timezone('UTC', now()), timezone('UTC', now()),
      (SELECT timeline FROM known), (SELECT system FROM known)
    )
    ON CONFLICT (id) DO UPDATE SET
      lease = excluded.lease, joined = excluded.joined, position = excluded.position, beat = "Replica".beat + 1,
      "seenAt" = excluded."seenAt", "leftAt" = NULL, timeline = coalesce(excluded.timeline, "Replica".timeline),
      system = CASE WHEN excluded.timeline IS NULL THEN "Replica".system ELSE excluded.system END
    WHERE excluded.joined > "Replica".joined
    RETURNING position, lease, $7 OR (timeline = $8 AND system IS NOT DISTINCT FROM $9) AS "isKnown"`,
  [id, host, pid, version, lease, joined, timeline === null, timeline, system])
  await client.query('COMMIT')
  return row ?? null
}

/** Deregisters this server: changes no longer wait for it. */
export async function leave (client: pg.Client, { id, joined }: Membership): Promise<void> {
  await client.query(`
    UPDATE "Replica" SET "leftAt" = timezone('UTC', clock_timestamp())
    WHERE id = $1 AND joined = $2 AND "leftAt" IS NULL`, [id, joined])
}

/** A registered server, the position that it has applied, and its count of signs of life. */
export interface ReplicaPosition { id: string, beat: bigint, lease: number, position: string }

/** The registered servers other than `replicaId`. */
export async function replicaPositions (queries: Queries, replicaId: string): Promise<ReplicaPosition[]> {
  return await queries.$queryRaw<ReplicaPosition[]>`
    SELECT id, beat, lease, position FROM "Replica" WHERE "leftAt" IS NULL AND id <> ${replicaId}`
}

/** Deregisters another server, unless it has given a sign of life since. */
export async function evict (queries: Queries, { id, beat }: ReplicaPosition): Promise<void> {
  await queries.$executeRaw`
    UPDATE "Replica" SET "leftAt" = timezone('UTC', clock_timestamp())
    WHERE id = ${id} AND beat = ${beat} AND "leftAt" IS NULL`
}

/** The present and former servers, newest first. `behind`: the number of entries that a poll would return to them. */
export async function replicaPage (queries: Queries, query: PageQuery): Promise<Page<ReplicaState>> {
  const { where, ...page } = pageOf(query)
  const rows = await queries.replica.findMany({ ...page, where })
  const ids = JSON.stringify(rows.map(({ id }) => id))
  const details = await queries.$queryRaw<{ id: string, live: boolean, behind: bigint }[]>`
    SELECT id,
      "leftAt" IS NULL
        AND "seenAt" > timezone('UTC', clock_timestamp()) - make_interval(secs => lease / 1000.0) AS live,
      (
        SELECT count(*) FROM "FeedEntry"
        WHERE xid < pg_snapshot_xmax(pg_current_snapshot())::text::bigint
          AND xid >= pg_snapshot_xmin(position::pg_snapshot)::text::bigint
          AND NOT pg_visible_in_snapshot(xid::text::xid8, position::pg_snapshot)
      ) AS behind
    FROM "Replica" WHERE id IN (SELECT jsonb_array_elements_text(${ids}::jsonb))`
  const byId = new Map(details.map(each => [each.id, each]))
  return toPage(rows, query, ({ id, host, pid, version, lease, createdAt, seenAt, leftAt }) => {
    const { live, behind } = byId.get(id) ?? { live: false, behind: 0n }
    return { id, host, pid, version, lease, createdAt, seenAt, leftAt, live, behind: Number(behind) }
  })
}
