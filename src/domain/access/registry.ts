/** The registry: the records that checks follow from, as they are now, from memory wherever that is safe. */
import type { Awaitable } from '../../base/awaitable.ts'
import type { Authorization } from '../authorizations/authorization.ts'
import type { ApiKey } from '../credentials/api-key.ts'
import type { Client } from '../credentials/client.ts'
import type { ManagementToken } from '../credentials/management-token.ts'
import type { Member } from '../members/permissions.ts'
import type { Organization } from '../tenancy/organization.ts'
import type { PolicySet } from '../policy/policy-evaluation.ts'
import type { PublishableKey } from '../credentials/publishable-key.ts'
import type { RegistrationToken } from '../credentials/registration-token.ts'
import type { Resource } from '../resources/resource.ts'
import type { SigningKey } from '../tokens/signing-key.ts'
import type { WebhookToken } from '../credentials/webhook-token.ts'
import type { WorkloadTrust } from '../workloads/trusted-issuer.ts'

/**
 * Records by what checks have of them. An answer is never older than the last change that was acknowledged: where the
 * cache cannot guarantee that, the database is asked. Throws Failure `storage_unavailable`, never guesses. Records are
 * shared, and never changed. The cache serves the same object for an unchanged record, and without a promise.
 */
export interface Registry {
  /**
   * The same object until anything changes: until then, a record that was found after it was taken would be found
   * again, and need not be looked up. A record that was not found may come into being at any time. Null: nothing may be
   * kept from one look-up to the next.
   */
  readonly state: object | null
  /** A key that was made here: its digest says which. */
  apiKey (digest: string): Awaitable<ApiKey | null>
  /** As `apiKey`, from memory alone; null: it is not there. */
  cachedApiKey (digest: string): ApiKey | null
  /**
   * The key that was imported for a resource; for null, for a resource of the deployment: null as well where several
   * have it. Memory that knows which there are answers for all others, and what one organization imported costs or
   * spares no other a query.
   */
  importedApiKey (digest: string, resourceId: string | null): Awaitable<ApiKey | null>
  apiKeyById (id: string): Awaitable<ApiKey | null>
  authorization (id: string): Awaitable<Authorization | null>
  client (id: string): Awaitable<Client | null>
  managementToken (digest: string): Awaitable<ManagementToken | null>
  member (id: string): Awaitable<Member | null>
  organization (id: string): Awaitable<Organization | null>
  /** The policies of an organization; null: the deployment's. Compiled when they were read. */
  policies (organizationId: string | null): Awaitable<PolicySet>
  publishableKey (id: string): Awaitable<PublishableKey | null>
  resource (id: string): Awaitable<Resource | null>
  /** In whatever spelling. */
  resourceByIdentifier (identifier: string): Awaitable<Resource | null>
  /** Never kept in memory: each use of one changes it. */
  registrationToken (digest: string): Awaitable<RegistrationToken | null>
  /** All signing keys, by kid: a token whose key is not among them is not good. */
  signingKeys (): Awaitable<ReadonlyMap<string, SigningKey>>
  webhookToken (digest: string): Awaitable<WebhookToken | null>
  /** By the id of a rule; of an issuer, for ID-JAG. */
  workloadTrust (id: string): Awaitable<WorkloadTrust | null>
  isTokenRevoked (jti: string): Awaitable<boolean>
}
