/** The notification channels between servers (LISTEN and NOTIFY); messages may be late or lost. */
import { raw } from '@prisma/client/runtime/client'
import type pg from 'pg'
import type { Queries } from '../engine/prisma.ts'

/** Announces new feed entries. The names of both channels end in `schemaSuffix`. */
export const changesChannel = 'latchkey_changes'

/** Carries the counts of each server to the others (domain/metering/shared-counters.ts). */
export const countsChannel = 'latchkey_counts'

/**
 * Channels belong to a whole database: the suffix separates the deployments in its schemas. It is empty for `public`,
 * else the number of the schema.
 */
const schemaSuffix = `CASE current_schema()
  WHEN 'public' THEN ''
  ELSE '_' || quote_ident(current_schema())::regnamespace::oid
END`

/** `schemaSuffix` inside a statement of Prisma. */
export const suffix = raw(schemaSuffix)

/** The names of both channels in the schema of `client`. */
export async function channels (client: pg.Client): Promise<string[]> {
  const { rows: [row] } = await client.query<{ schema: string }>(`SELECT ${schemaSuffix} AS schema`)
  return [changesChannel, countsChannel].map(name => name + row!.schema)
}

/** PostgreSQL limits a message to less than 8,000 bytes, and the server's id precedes the text. */
export const longestBroadcast = 7_900

/** Sends counts to every listening server, this one included. */
export async function broadcastCounts (queries: Queries, replicaId: string, counts: string): Promise<void> {
  await queries.$queryRaw`SELECT pg_notify(${countsChannel} || ${suffix}, ${`${replicaId} ${counts}`})::text`
}

/** On which one server receives the positions of the others. */
export function reportsChannel (replicaId: string): string {
  return `latchkey_applied_${replicaId}`
}
