import type { ApiKey } from './api-key.ts'
import type { Client } from './client.ts'
import type { Organization } from './organization.ts'
import type { Resource } from './resource.ts'

/**
 * What a check needs to know, as it is now. An answer is never older than the last change that was acknowledged: where a
 * view in memory cannot promise that, the database is asked. Throws Failure `storage_unavailable`, never guesses.
 * Records are shared and frozen in spirit: nobody changes one. The same unchanged record is the same object where a view
 * in memory serves it.
 */
export interface Registry {
  apiKey (digest: string): Promise<ApiKey | null>
  client (id: string): Promise<Client | null>
  organization (id: string): Promise<Organization | null>
  resource (id: string): Promise<Resource | null>
  resourceByIdentifier (identifier: string): Promise<Resource | null>
  isTokenRevoked (jti: string): Promise<boolean>
}
