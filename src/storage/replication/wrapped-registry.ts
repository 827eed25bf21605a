/** Runs every look-up of a registry through one function. */
import type { Awaitable } from '../../base/awaitable.ts'
import type { Registry } from '../../domain/access/registry.ts'

/** `registry` with every look-up run by `run`; the cached and the memoized answers stay as they are. */
export function withEachRead (registry: Registry, run: <T>(read: () => Awaitable<T>) => Promise<T>): Registry {
  return {
    get state () { return registry.state },
    apiKey: digest => run(() => registry.apiKey(digest)),
    cachedApiKey: digest => registry.cachedApiKey(digest),
    importedApiKey: (digest, resourceId) => run(() => registry.importedApiKey(digest, resourceId)),
    apiKeyById: id => run(() => registry.apiKeyById(id)),
    authorization: id => run(() => registry.authorization(id)),
    client: id => run(() => registry.client(id)),
    managementToken: digest => run(() => registry.managementToken(digest)),
    member: id => run(() => registry.member(id)),
    organization: id => run(() => registry.organization(id)),
    policies: organizationId => run(() => registry.policies(organizationId)),
    publishableKey: id => run(() => registry.publishableKey(id)),
    registrationToken: digest => run(() => registry.registrationToken(digest)),
    resource: id => run(() => registry.resource(id)),
    resourceByIdentifier: identifier => run(() => registry.resourceByIdentifier(identifier)),
    isTokenRevoked: jti => run(() => registry.isTokenRevoked(jti)),
    signingKeys: () => run(() => registry.signingKeys()),
    webhookToken: digest => run(() => registry.webhookToken(digest)),
    workloadTrust: id => run(() => registry.workloadTrust(id)),
  }
}
