/** Readiness checks: the database, its disk, the change feed, its migrations and the signing keys. */
import type { SigningKeys } from '../domain/tokens/signing-key.ts'
import type { Check } from '../observability/readiness.ts'
import type { Storage } from './storage.ts'

export function readinessChecks (
  { ping, isFull, pendingMigrations, feedProblem }: Storage, { ring }: SigningKeys
): Readonly<Record<string, Check>> {
  return {
    database: async () => { await ping(); return null },
    disk_space: () => isFull() ? 'the database has no room for what is to be written' : null,
    feed: feedProblem,
    migrations: async () =>
      (await pendingMigrations()).length === 0 ? null : 'the database lacks migrations of this version',
    signing_key: () => ring().jwks.keys.length > 0 ? null : 'there is no key to sign with'
  }
}
