/** What checks ask for the most, read by prepared statements: Prisma takes forty times as long. */
import type { Awaitable } from '../awaitable.ts'
import type { ApiKey } from '../domain/api-key.ts'
import type { Client } from '../domain/client.ts'
import type { Organization } from '../domain/organization.ts'

/**
 * Each answers as its repository does, with what is committed. On SQLite in the same turn, so that no change can come between
 * reading a record and keeping it in memory. Throws or rejects with Failure `storage_unavailable`.
 */
export interface Reads {
  apiKeyByDigest (digest: string): Awaitable<ApiKey | null>
  apiKey (id: string): Awaitable<ApiKey | null>
  client (id: string): Awaitable<Client | null>
  organization (id: string): Awaitable<Organization | null>
}

/** By what a read is looked up, and in which table. */
export const readsBy: Readonly<Record<keyof Reads, { table: 'ApiKey' | 'Client' | 'Organization', column: 'digest' | 'id' }>> = {
  apiKeyByDigest: { table: 'ApiKey', column: 'digest' },
  apiKey: { table: 'ApiKey', column: 'id' },
  client: { table: 'Client', column: 'id' },
  organization: { table: 'Organization', column: 'id' },
}
