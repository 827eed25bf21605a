/** The registry of a server among several: the cache while its lease is valid, else the database. */
import type { Registry } from '../../domain/access/registry.ts'
import type { CacheLease } from './cache-lease.ts'

/** Caches nothing while it reads from the database, and counts those reads as misses. */
export function leasedRegistry (
  lease: CacheLease, { memory, database }: { memory: Registry, database: Registry }, lookups: { misses: number }
): Registry {
  const current = (): Registry => {
    if (lease.isValid()) return memory
    lookups.misses++
    return database
  }
  return {
    get state () { return lease.isValid() ? memory.state : null },
    apiKey: digest => current().apiKey(digest),
    cachedApiKey: digest => lease.isValid() ? memory.cachedApiKey(digest) : null,
    importedApiKey: (digest, resourceId) => current().importedApiKey(digest, resourceId),
    apiKeyById: keyId => current().apiKeyById(keyId),
    authorization: id => current().authorization(id),
    client: clientId => current().client(clientId),
    managementToken: digest => current().managementToken(digest),
    member: memberId => current().member(memberId),
    organization: organizationId => current().organization(organizationId),
    policies: organizationId => current().policies(organizationId),
    publishableKey: keyId => current().publishableKey(keyId),
    registrationToken: digest => current().registrationToken(digest),
    resource: resourceId => current().resource(resourceId),
    resourceByIdentifier: identifier => current().resourceByIdentifier(identifier),
    isTokenRevoked: jti => current().isTokenRevoked(jti),
    signingKeys: () => current().signingKeys(),
    webhookToken: digest => current().webhookToken(digest),
    workloadTrust: id => current().workloadTrust(id),
  }
}
