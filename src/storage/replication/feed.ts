/**
 * The statements of the change feed (PostgreSQL), and nothing that decides. A position in it is a snapshot: what is
 * visible in the snapshot has been applied.
 */
import type pg from 'pg'
import type { DatabaseHistory } from '../../domain/maintenance/lost-change.ts'
import type { Page, PageQuery } from '../../domain/core/page.ts'
import type { ReplicaState } from '../../domain/maintenance/replica.ts'
import { Failure } from '../../base/errors.ts'
import { newId } from '../../secrets/secrets.ts'
import { readChange, type Change } from '../cache/changes.ts'
import type { Queries } from '../engine/prisma.ts'
import type { Run } from './database-history.ts'
import { pageOf, toPage } from '../rows/rows.ts'

/**
 * Where everybody hears that there is something new. As the next one, with the number of the schema behind it unless
 * that is `public`.
 */
export const changesChannel = 'latchkey_changes'

/** Where everybody hears what the others have counted (domain/shared-counts.ts). */
export const countsChannel = 'latchkey_counts'

/** Notifications are a whole database's: deployments in several schemas of one are not to count for each other. */
export async function channels (client: pg.Client): Promise<string[]> {
  const { rows: [row] } = await client.query<{ schema: string }>(
    "SELECT CASE current_schema() WHEN 'public' THEN '' ELSE '_' || quote_ident(current_schema())::regnamespace::oid " +
      'END AS schema'
  )
  return [changesChannel, countsChannel].map(name => name + row!.schema)
}

/** PostgreSQL takes less than 8,000 bytes at once, and the server's id goes before the news. */
export const longestBroadcast = 7_900

/** Tells every server that listens, this one included. */
export async function broadcastCounts (queries: Queries, replicaId: string, news: string): Promise<void> {
  await queries
    .$queryRaw`SELECT pg_notify(${countsChannel} || CASE current_schema() WHEN 'public' THEN '' ELSE '_' || quote_ident(current_schema())::regnamespace::oid END, ${`${replicaId} ${news}`})::text`
}

/** Where one server hears how far the others are. */
export function reportsChannel (replicaId: string): string {
  return `latchkey_applied_${replicaId}`
}

/** Joins of a deployment's servers go one at a time: the second one sees the lease of the first. */
export const joinLock = 7_305_241_017

/** Who a server is, for people. */
export interface Identity { id: string, host: string, pid: number, version: string, lease: number }

/** What one transaction changed. A failover may give its number to another transaction, but never its id. */
export interface FeedEntry { id: string, createdAt: Date, changes: readonly Change[] }

/** An entry that this server has written, and the number of the transaction. */
export interface AppendedEntry extends FeedEntry { xid: bigint }

/** Writes down, as the last statement of a transaction, what it changed. */
export async function append (queries: Queries, replicaId: string, changes: readonly Change[]): Promise<AppendedEntry> {
  const id = newId('fed')
  const [row] = await queries.$queryRaw<{ xid: bigint, createdAt: Date }[]>`
    WITH entry AS (
      INSERT INTO "FeedEntry" (id, xid, changes, "replicaId", "createdAt")
      VALUES (
        ${id}, pg_current_xact_id()::text::bigint, ${
    JSON.stringify(changes)
  }::jsonb, ${replicaId}, timezone('UTC', now())
      )
      RETURNING xid, "createdAt"
    ) SELECT xid, "createdAt",
      pg_notify(${changesChannel} || CASE current_schema() WHEN 'public' THEN '' ELSE '_' || quote_ident(current_schema())::regnamespace::oid END, '')::text
    FROM entry`
  return { id, createdAt: row!.createdAt, changes, xid: row!.xid }
}

/** Which connection a server speaks on: what it sent on an earlier one is void, also when it arrives late. */
export interface Membership { id: string, joined: number }

/**
 * The place of a server in the feed, and the lease of all servers. `isKnown`: a server followed this history of the
 * database before, or none followed any.
 */
export interface Place { position: string, lease: number, isKnown: boolean }

/** Enters this server among those that are waited for, with nothing applied yet. Null: it has joined again since. */
export async function join (
  client: pg.Client, { id, host, pid, version, lease }: Identity, joined: number, { system, timeline }: DatabaseHistory
): Promise<Place | null> {
  await client.query('BEGIN ISOLATION LEVEL READ COMMITTED')
  await client.query('SELECT pg_advisory_xact_lock($1)', [joinLock])
  // One that is not known is written down with what is said about it.
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

/**
 * What is new since `position`, by who made it, and the position of whoever has applied it. Null: this server was
 * counted out, and has to join again.
 */
export interface Poll { position: string, entries: (FeedEntry & { replicaId: string })[] }

/** An entry as PostgreSQL writes it in JSON: its instant is in UTC, and does not say so. */
interface WrittenEntry { id: string, createdAt: string, replicaId: string, changes: { of: string }[] }

/**
 * Reads on from `position`, which has been applied: that is written down, and told to the servers `waiting` for it. One
 * statement, so one snapshot. What lies ahead of it was brought along by a copy from another database server. A sign of
 * life need not survive a crash of the database, so its commit does not wait for the disk: for this statement alone,
 * since a pooler may hand the connection on, and a joining has to last.
 */
export async function poll (
  client: pg.Client, { id, joined }: Membership, position: string, waiting: readonly string[]
): Promise<Poll | null> {
  const { rows: [row] } = await client.query<{ mine: string, position: string, entries: WrittenEntry[] }>({
    name: 'latchkey-poll',
    text: `
    WITH mine AS (
      UPDATE "Replica" SET position = $2::text, beat = beat + 1, "seenAt" = timezone('UTC', clock_timestamp()) WHERE id = $1::text AND joined = $4 AND "leftAt" IS NULL RETURNING id
    ), told AS (
      SELECT pg_notify(channel, $1::text || ' ' || CASE WHEN length($2::text) < 7900 THEN $2::text ELSE '' END) FROM unnest($3::text[]) AS channel, mine
    ), entry AS (
      SELECT id, "createdAt", "replicaId", changes FROM "FeedEntry"
      WHERE xid >= pg_snapshot_xmin($2::text::pg_snapshot)::text::bigint AND NOT pg_visible_in_snapshot(xid::text::xid8, $2::text::pg_snapshot)
        AND xid < pg_snapshot_xmax(pg_current_snapshot())::text::bigint
    )
    SELECT set_config('synchronous_commit', 'off', true), (SELECT count(*) FROM mine) AS mine, (SELECT count(*) FROM told), pg_current_snapshot()::text AS position,
      coalesce((SELECT json_agg(entry) FROM entry), '[]') AS entries`,
    values: [id, position, waiting.map(reportsChannel), joined],
  })
  if (Number(row!.mine) === 0) return null
  return { position: row!.position, entries: row!.entries.map(readEntry) }
}

function readEntry ({ createdAt, changes, ...entry }: WrittenEntry): Poll['entries'][number] {
  return { ...entry, createdAt: new Date(`${createdAt}Z`), changes: changes.map(readChange) }
}

/**
 * What was changed in the last `milliseconds`, by the clock of the database, latest last; of more than `most` entries
 * the latest.
 */
export async function recentEntries (client: pg.Client, milliseconds: number, most: number): Promise<FeedEntry[]> {
  const { rows: [row] } = await client.query<{ entries: WrittenEntry[] }>(`
    SELECT coalesce(json_agg(entry ORDER BY "createdAt"), '[]') AS entries FROM (
      SELECT id, "createdAt", "replicaId", changes FROM "FeedEntry"
      WHERE "createdAt" > timezone('UTC', now()) - make_interval(secs => $1 / 1000.0) AND changes <> '[]'::jsonb
      ORDER BY "createdAt" DESC LIMIT $2
    ) AS entry`, [milliseconds, most])
  return row!.entries.map(readEntry)
}

/** Nobody needs to wait for this server any more. */
export async function leave (client: pg.Client, { id, joined }: Membership): Promise<void> {
  await client.query(
    'UPDATE "Replica" SET "leftAt" = timezone(\'UTC\', clock_timestamp()) WHERE id = $1 AND joined = $2 AND "leftAt" ' +
      'IS NULL',
    [id, joined]
  )
}

/** A server that is waited for, how far it says it is, and its sign of life. */
export interface ReplicaPosition { id: string, beat: bigint, lease: number, position: string }

/** Those other than `replicaId` that are waited for. */
export async function replicaPositions (queries: Queries, replicaId: string): Promise<ReplicaPosition[]> {
  return await queries.$queryRaw<
    ReplicaPosition[]
  >`SELECT id, beat, lease, position FROM "Replica" WHERE "leftAt" IS NULL AND id <> ${replicaId}`
}

/** Counts a server out, unless it has given a sign of life since. */
export async function evict (queries: Queries, { id, beat }: ReplicaPosition): Promise<void> {
  await queries
    .$executeRaw`UPDATE "Replica" SET "leftAt" = timezone('UTC', clock_timestamp()) WHERE id = ${id} AND beat = ${beat} AND "leftAt" IS NULL`
}

/** A round of pruning stands between two polls, and so may not take long. */
const pruneAtOnce = 2_000

/** Days for which it can be seen which servers there were. */
const replicaDays = 7

/**
 * Minutes for which entries stay: longer than any server remembers them, should the clock of another database differ.
 */
const entryMinutes = 20

/**
 * Removes some of what every server that is waited for has applied, of what a copy brought along from another database
 * server (its numbers lie ahead of this one's), each once it is old enough, and of the servers that left days ago.
 * Returns whether more may be left. What another server is about to remove is passed over: two that wait for each other
 * would remove no more than one. What it has removed is not to be taken for lost: up to when it did is written down
 * with it.
 */
export async function prune (client: pg.Client, { id }: Pick<Membership, 'id'>): Promise<boolean> {
  // As an array they are selected once, and no more than so many: a join might select again for each row.
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
    ), told AS (
      UPDATE "Replica" SET "prunedBefore" = (SELECT instant FROM before) WHERE id = $3 AND EXISTS (SELECT FROM gone)
    )
    SELECT count(*)::int AS n FROM gone`, [pruneAtOnce, entryMinutes, id])
  const { rowCount: replicas } = await client.query(`
    DELETE FROM "Replica" WHERE id = ANY (ARRAY(
      SELECT id FROM "Replica" WHERE "leftAt" < timezone('UTC', now()) - make_interval(days => $1) LIMIT $2 FOR UPDATE SKIP LOCKED
    ))`, [replicaDays, pruneAtOnce])
  return entries!.n === pruneAtOnce || replicas === pruneAtOnce
}

/** Of some entries, those that are not there; and before which instant they may have been pruned. */
export interface Search { missing: string[], prunedBefore: Date | null }

/** @throws on a standby: what it lacks may still come. */
export async function search (run: Run, ids: readonly string[]): Promise<Search> {
  const [row] = await run<{ standby: boolean, missing: string[], pruned: number | null }>(`
    SELECT pg_is_in_recovery() AS standby,
      (
        SELECT coalesce(json_agg(known.id), '[]') FROM unnest($1::text[]) AS known (id)
        WHERE NOT EXISTS (SELECT FROM "FeedEntry" WHERE "FeedEntry".id = known.id)
      ) AS missing,
      (SELECT (extract(epoch FROM max("prunedBefore")) * 1000)::double precision FROM "Replica") AS pruned`, [ids])
  if (row!.standby) {
    throw new Failure('storage_unavailable', { detail: 'this database is a standby, which cannot be written' })
  }
  return { missing: row!.missing, prunedBefore: row!.pruned === null ? null : new Date(row!.pruned) }
}

/**
 * The servers there are and were, newest first. `behind` counts what `poll` would bring them: nothing that lies ahead.
 */
export async function replicaPage (queries: Queries, query: PageQuery): Promise<Page<ReplicaState>> {
  const { where, ...page } = pageOf(query)
  const rows = await queries.replica.findMany({ ...page, where })
  const details = await queries.$queryRaw<{ id: string, live: boolean, behind: bigint }[]>`
    SELECT id, "leftAt" IS NULL AND "seenAt" > timezone('UTC', clock_timestamp()) - make_interval(secs => lease / 1000.0) AS live,
      (SELECT count(*) FROM "FeedEntry"
        WHERE xid < pg_snapshot_xmax(pg_current_snapshot())::text::bigint AND xid >= pg_snapshot_xmin(position::pg_snapshot)::text::bigint
          AND NOT pg_visible_in_snapshot(xid::text::xid8, position::pg_snapshot)) AS behind
    FROM "Replica" WHERE id IN (SELECT jsonb_array_elements_text(${JSON.stringify(rows.map(({ id }) => id))}::jsonb))`
  const byId = new Map(details.map(each => [each.id, each]))
  return toPage(rows, query, ({ id, host, pid, version, lease, createdAt, seenAt, leftAt }) => {
    const { live, behind } = byId.get(id) ?? { live: false, behind: 0n }
    return { id, host, pid, version, lease, createdAt, seenAt, leftAt, live, behind: Number(behind) }
  })
}
