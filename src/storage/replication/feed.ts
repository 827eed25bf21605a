/**
 * The statements of the change feed (PostgreSQL), without decisions. A position in the feed is a snapshot: the
 * transactions that are visible in it have been applied.
 */
import type pg from 'pg'
import { newId } from '../../secrets/random.ts'
import { readChange, type Change } from '../cache/changes.ts'
import type { Queries } from '../engine/prisma.ts'
import { changesChannel, reportsChannel, suffix } from './channels.ts'
import type { Run } from './database-history.ts'
import type { Membership } from './membership.ts'

/** The changes of one transaction. A failover may reuse its transaction number, but never its id. */
export interface FeedEntry { id: string, createdAt: Date, changes: readonly Change[] }

/** An entry that this server wrote, with its transaction number. */
export interface AppendedEntry extends FeedEntry { xid: bigint }

/** Appends the changes of a transaction, as its last statement, and notifies the other servers. */
export async function append (
  queries: Queries, replicaId: string, changes: readonly Change[]
): Promise<AppendedEntry> {
  const id = newId('fed')
  const json = JSON.stringify(changes)
  const [row] = await queries.$queryRaw<{ xid: bigint, createdAt: Date }[]>`
    WITH entry AS (
      INSERT INTO "FeedEntry" (id, xid, changes, "replicaId", "createdAt")
      VALUES (${id}, pg_current_xact_id()::text::bigint, ${json}::jsonb, ${replicaId}, timezone('UTC', now()))
      RETURNING xid, "createdAt"
    )
    SELECT xid, "createdAt", pg_notify(${changesChannel} || ${suffix}, '')::text
    FROM entry`
  return { id, createdAt: row!.createdAt, changes, xid: row!.xid }
}

/** The entries after a position, each with its server, and the position after them. */
export interface Poll { position: string, entries: (FeedEntry & { replicaId: string })[] }

/** An entry as PostgreSQL writes it in JSON: its instant is in UTC without saying so. */
interface WrittenEntry { id: string, createdAt: string, replicaId: string, changes: { of: string }[] }

/**
 * Reads the entries after `position`, which has been applied: it is recorded, and reported to the servers `waiting` for
 * it. Null: this server was evicted, and has to rejoin. One statement, hence one snapshot. Entries beyond the snapshot
 * were copied from another database server. A sign of life need not survive a crash, so this commit alone does not wait
 * for the disk: a pooler may hand the connection on, and a join has to be durable.
 */
export async function poll (
  client: pg.Client, { id, joined }: Membership, position: string, waiting: readonly string[]
): Promise<Poll | null> {
  const { rows: [row] } = await client.query<{ mine: string, position: string, entries: WrittenEntry[] }>({
    name: 'latchkey-poll',
    text: `
      WITH mine AS (
        UPDATE "Replica"
        SET position = $2::text, beat = beat + 1, "seenAt" = timezone('UTC', clock_timestamp())
        WHERE id = $1::text AND joined = $4 AND "leftAt" IS NULL
        RETURNING id
      ), reported AS (
        SELECT pg_notify(channel, $1::text || ' ' || CASE WHEN length($2::text) < 7900 THEN $2::text ELSE '' END)
        FROM unnest($3::text[]) AS channel, mine
      ), entry AS (
        SELECT id, "createdAt", "replicaId", changes FROM "FeedEntry"
        WHERE xid >= pg_snapshot_xmin($2::text::pg_snapshot)::text::bigint
          AND NOT pg_visible_in_snapshot(xid::text::xid8, $2::text::pg_snapshot)
          AND xid < pg_snapshot_xmax(pg_current_snapshot())::text::bigint
      )
      SELECT set_config('synchronous_commit', 'off', true),
        (SELECT count(*) FROM mine) AS mine,
        (SELECT count(*) FROM reported),
        pg_current_snapshot()::text AS position,
        coalesce((SELECT json_agg(entry) FROM entry), '[]') AS entries`,
    values: [id, position, waiting.map(reportsChannel), joined],
  })
  if (Number(row!.mine) === 0) return null
  return { position: row!.position, entries: row!.entries.map(readEntry) }
}

function readEntry ({ createdAt, changes, ...entry }: WrittenEntry): Poll['entries'][number] {
  return { ...entry, createdAt: new Date(`${createdAt}Z`), changes: changes.map(readChange) }
}

/** The entries of the last `milliseconds` by the database's clock, the latest last; at most the latest `most`. */
export async function recentEntries (client: pg.Client, milliseconds: number, most: number): Promise<FeedEntry[]> {
  const { rows: [row] } = await client.query<{ entries: WrittenEntry[] }>(`
    SELECT coalesce(json_agg(entry ORDER BY "createdAt"), '[]') AS entries FROM (
      SELECT id, "createdAt", "replicaId", changes FROM "FeedEntry"
      WHERE "createdAt" > timezone('UTC', now()) - make_interval(secs => $1 / 1000.0) AND changes <> '[]'::jsonb
      ORDER BY "createdAt" DESC LIMIT $2
    ) AS entry`, [milliseconds, most])
  return row!.entries.map(readEntry)
}

/** Rows deleted at once: pruning runs between two polls, so it has to be short. */
const pruneBatch = 2_000

/** Days for which servers that left are listed. */
const replicaDays = 7

/** Minutes for which entries are kept: longer than servers remember them, in case a database's clock differs. */
const entryMinutes = 20

/**
 * Deletes some old entries that every registered server has applied, old entries that a copy brought from another
 * database server (their numbers are ahead of this one's), and the servers that left days ago. Returns whether more may
 * be left. Skips rows that another server is deleting: waiting for them would delete no more. Records up to when
 * entries were deleted, so that they are not taken for lost.
 */
export async function prune (client: pg.Client, { id }: Pick<Membership, 'id'>): Promise<boolean> {
  // As an array the ids are selected once, up to the limit: a join might select them again for each row.
  const { rows: [entries] } = await client.query<{ n: number }>(`
    WITH before AS (SELECT timezone('UTC', now()) - make_interval(mins => $2) AS instant),
    gone AS (
      DELETE FROM "FeedEntry" WHERE id = ANY (ARRAY(
        SELECT id FROM "FeedEntry" WHERE "createdAt" < (SELECT instant FROM before) AND (
          xid >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint
          OR xid < least(
            pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
            (SELECT min(pg_snapshot_xmin(position::pg_snapshot)::text::bigint) FROM "Replica" WHERE "leftAt" IS NULL)
          )
        ) LIMIT $1 FOR UPDATE SKIP LOCKED
      )) RETURNING id
    ), recorded AS (
      UPDATE "Replica" SET "prunedBefore" = (SELECT instant FROM before) WHERE id = $3 AND EXISTS (SELECT FROM gone)
    )
    SELECT count(*)::int AS n FROM gone`, [pruneBatch, entryMinutes, id])
  const { rowCount: replicas } = await client.query(`
    DELETE FROM "Replica" WHERE id = ANY (ARRAY(
      SELECT id FROM "Replica" WHERE "leftAt" < timezone('UTC', now()) - make_interval(days => $1)
      LIMIT $2 FOR UPDATE SKIP LOCKED
    ))`, [replicaDays, pruneBatch])
  return entries!.n === pruneBatch || replicas === pruneBatch
}

/** The ids that the feed lacks, and the instant up to which entries may have been pruned; null: none were. */
export interface MissingEntries { missing: string[], prunedBefore: Date | null }

/** `run` never reaches a standby, which may still receive them: no connection to one is used. */
export async function findMissing (run: Run, ids: readonly string[]): Promise<MissingEntries> {
  const [row] = await run<{ missing: string[], pruned: number | null }>(`
    SELECT (
        SELECT coalesce(json_agg(known.id), '[]') FROM unnest($1::text[]) AS known (id)
        WHERE NOT EXISTS (SELECT FROM "FeedEntry" WHERE "FeedEntry".id = known.id)
      ) AS missing,
      (SELECT (extract(epoch FROM max("prunedBefore")) * 1000)::double precision FROM "Replica") AS pruned`, [ids])
  return { missing: row!.missing, prunedBefore: row!.pruned === null ? null : new Date(row!.pruned) }
}
