/** The registry that queries the database each time. */
import { whenKnown } from '../../base/awaitable.ts'
import type { Registry } from '../../domain/access/registry.ts'
import { compilePolicies } from '../../domain/policy/policy-evaluation.ts'
import type { Repositories } from '../../domain/store.ts'
import type { Reads } from '../engine/reads.ts'

/** Needed where another server may change the database, until this one follows the change feed. */
export function uncachedRegistry (
  {
    managementTokens, members, policies, publishableKeys, registrationTokens, revokedTokens, signingKeys, webhookTokens,
    workloadRules
  }: Repositories,
  reads: Reads
): Registry {
  return {
    state: null,
    apiKey: digest => reads.apiKeyByDigest(digest),
    cachedApiKey: () => null,
    importedApiKey: (digest, resourceId) =>
      resourceId === null
        ? whenKnown(reads.importedForDeployment(digest), onlyOne)
        : reads.importedApiKey(digest, resourceId),
    apiKeyById: id => reads.apiKey(id),
    authorization: id => reads.authorization(id),
    client: id => reads.client(id),
    managementToken: digest => managementTokens.byDigest(digest),
    member: id => members.get(id),
    organization: id => reads.organization(id),
    policies: async organizationId => compilePolicies(await policies.of(organizationId)),
    publishableKey: id => publishableKeys.get(id),
    registrationToken: digest => registrationTokens.byDigest(digest),
    resource: id => reads.resource(id),
    resourceByIdentifier: identifier => reads.resourceByIdentifier(identifier),
    isTokenRevoked: jti => revokedTokens.has(jti),
    signingKeys: async () => new Map((await signingKeys.all()).map(key => [key.kid, key])),
    webhookToken: digest => webhookTokens.byDigest(digest),
    workloadTrust: id => workloadRules.trust(id),
  }
}

/** Null: there is none, or several, of which none is preferred. */
export function onlyOne<T> (found: readonly T[]): T | null {
  return found.length === 1 ? found[0]! : null
}
