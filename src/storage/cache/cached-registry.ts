/** The registry that caches the records it reads. */
import type { Awaitable } from '../../base/awaitable.ts'
import { serialReload } from '../../base/serial-reload.ts'
import type { Registry } from '../../domain/access/registry.ts'
import type { Authorization } from '../../domain/authorizations/authorization.ts'
import type { ApiKey } from '../../domain/credentials/api-key.ts'
import type { Client } from '../../domain/credentials/client.ts'
import type { ManagementToken } from '../../domain/credentials/management-token.ts'
import type { PublishableKey } from '../../domain/credentials/publishable-key.ts'
import type { RegistrationToken } from '../../domain/credentials/registration-token.ts'
import type { WebhookToken } from '../../domain/credentials/webhook-token.ts'
import type { Difference, ReplicaMemory } from '../../domain/maintenance/drift.ts'
import type { Member } from '../../domain/members/permissions.ts'
import type { PolicySet } from '../../domain/policy/policy-evaluation.ts'
import { normalIdentifier } from '../../domain/resources/resource-identifier.ts'
import type { Resource } from '../../domain/resources/resource.ts'
import type { Organization } from '../../domain/tenancy/organization.ts'
import type { SigningKey } from '../../domain/tokens/signing-key.ts'
import type { WorkloadTrust } from '../../domain/workloads/trusted-issuer.ts'
import { byteBoundedCache, type ByteBoundedCache } from './byte-bounded-cache.ts'
import type { Change } from './changes.ts'
import { importedDifferences, recordDifferences, revokedDifferences, type RecordCache } from './drift.ts'
import { deployment, importedKeyName, loadApiKey, ownText } from './cache-keys.ts'
import { loadNegatives, type NegativeFacts, type NegativeSets } from './negative-facts.ts'
import { RevokedSet } from './revoked-set.ts'
import { onlyOne } from './uncached-registry.ts'

/**
 * Caches the records that it reads. Correct only while every change of any server is passed to `apply` before it is
 * acknowledged. Does not cache that a record is missing: it may be created.
 */
export class CachedRegistry implements Registry, ReplicaMemory {
  readonly source = 'memory'
  readonly #source: Registry
  readonly #apiKeys = byteBoundedCache<ApiKey>(1 / 2)
  readonly #apiKeysById = byteBoundedCache<ApiKey>(1 / 16)
  readonly #authorizations = byteBoundedCache<Authorization>(1 / 16)
  readonly #clients = byteBoundedCache<Client>(3 / 16)
  readonly #managementTokens = byteBoundedCache<ManagementToken>(1 / 64)
  readonly #members = byteBoundedCache<Member>(1 / 32)
  readonly #organizations = byteBoundedCache<Organization>(1 / 16)
  readonly #policies = byteBoundedCache<PolicySet>(1 / 64)
  readonly #publishableKeys = byteBoundedCache<PublishableKey>(1 / 64)
  readonly #resources = byteBoundedCache<Resource>(1 / 64)
  readonly #resourcesByIdentifier = byteBoundedCache<Resource>(1 / 64)
  /** All of them, or none: a key that is not among them does not exist, and costs no query. */
  readonly #signingKeys = byteBoundedCache<ReadonlyMap<string, SigningKey>>(1 / 64)
  readonly #webhookTokens = byteBoundedCache<WebhookToken>(1 / 64)
  readonly #workloadTrusts = byteBoundedCache<WorkloadTrust>(1 / 128)
  readonly #negatives: NegativeFacts
  readonly #lookups: { hits: number, misses: number }
  #sets: NegativeSets = { revoked: new RevokedSet(), imported: null }
  /** Replaced by every change. */
  #state = {}
  /** The changes applied since the negative facts began to load. Null: they are not loading. */
  #appliedMeanwhile: Change[] | null = null

  /** Knows no negative facts before the first `reload`. Counts look-ups in `lookups`. */
  constructor (source: Registry, negatives: NegativeFacts, lookups = { hits: 0, misses: 0 }) {
    this.#source = source
    this.#negatives = negatives
    this.#lookups = lookups
  }

  get state (): object {
    return this.#state
  }

  apiKey (digest: string): Awaitable<ApiKey | null> {
    return this.#cached(this.#apiKeys, digest, () => this.#source.apiKey(digest))
  }

  cachedApiKey (digest: string): ApiKey | null {
    const cached = this.#apiKeys.get(digest)
    if (cached === undefined) return null
    this.#lookups.hits++
    return cached
  }

  importedApiKey (digest: string, resourceId: string | null): Awaitable<ApiKey | null> {
    if (resourceId === null) return this.#importedForDeployment(digest)
    if (this.#sets.imported?.has(digest, resourceId) === false) return null
    return this.#cached(
      this.#apiKeys, importedKeyName(digest, resourceId), () => this.#source.importedApiKey(digest, resourceId)
    )
  }

  #importedForDeployment (digest: string): Awaitable<ApiKey | null> {
    // Without the set of imported keys, the import of a second key evicts nothing: the first must not be cached.
    if (this.#sets.imported === null) return this.#source.importedApiKey(digest, null)
    const resourceId = onlyOne(this.#sets.imported.sharedResources(digest))
    return resourceId === null ? null : this.importedApiKey(digest, resourceId)
  }

  apiKeyById (id: string): Awaitable<ApiKey | null> {
    return this.#cached(this.#apiKeysById, id, () => this.#source.apiKeyById(id))
  }

  authorization (id: string): Awaitable<Authorization | null> {
    return this.#cached(this.#authorizations, id, () => this.#source.authorization(id))
  }

  client (id: string): Awaitable<Client | null> {
    return this.#cached(this.#clients, id, () => this.#source.client(id))
  }

  managementToken (digest: string): Awaitable<ManagementToken | null> {
    return this.#cached(this.#managementTokens, digest, () => this.#source.managementToken(digest))
  }

  member (id: string): Awaitable<Member | null> {
    return this.#cached(this.#members, id, () => this.#source.member(id))
  }

  organization (id: string): Awaitable<Organization | null> {
    return this.#cached(this.#organizations, id, () => this.#source.organization(id))
  }

  policies (organizationId: string | null): Awaitable<PolicySet> {
    return this.#cached(this.#policies, organizationId ?? deployment, () => this.#source.policies(organizationId))
  }

  publishableKey (id: string): Awaitable<PublishableKey | null> {
    return this.#cached(this.#publishableKeys, id, () => this.#source.publishableKey(id))
  }

  registrationToken (digest: string): Awaitable<RegistrationToken | null> {
    return this.#source.registrationToken(digest)
  }

  resource (id: string): Awaitable<Resource | null> {
    return this.#cached(this.#resources, id, () => this.#source.resource(id))
  }

  resourceByIdentifier (identifier: string): Awaitable<Resource | null> {
    // The normal form is a string of its own, not a slice that would retain the whole request.
    const normal = normalIdentifier(identifier)
    return this.#cached(this.#resourcesByIdentifier, normal, () => this.#source.resourceByIdentifier(normal))
  }

  signingKeys (): Awaitable<ReadonlyMap<string, SigningKey>> {
    return this.#cached(this.#signingKeys, deployment, () => this.#source.signingKeys())
  }

  webhookToken (digest: string): Awaitable<WebhookToken | null> {
    return this.#cached(this.#webhookTokens, digest, () => this.#source.webhookToken(digest))
  }

  workloadTrust (id: string): Awaitable<WorkloadTrust | null> {
    return this.#cached(this.#workloadTrusts, id, () => this.#source.workloadTrust(id))
  }

  isTokenRevoked (jti: string): boolean {
    return this.#sets.revoked.has(jti)
  }

  /** The number of cached records by kind. */
  sizes (): Record<string, number> {
    return {
      api_key: this.#apiKeys.size,
      client: this.#clients.size,
      management_token: this.#managementTokens.size,
      member: this.#members.size,
      organization: this.#organizations.size,
      policies: this.#policies.size,
      publishable_key: this.#publishableKeys.size,
      resource: this.#resources.size,
      webhook_token: this.#webhookTokens.size,
      trusted_issuer: this.#workloadTrusts.size,
      revoked_token: this.#sets.revoked.size,
      imported_key: this.#sets.imported?.size ?? 0,
    }
  }

  /** Evicts the records that changed, so that the next look-up reads the database. */
  apply (change: Change): void {
    this.#state = {}
    this.#appliedMeanwhile?.push(change)
    switch (change.of) {
      case 'organization': this.#organizations.delete(change.id); break
      case 'authorization': this.#authorizations.delete(change.id); break
      case 'authorizations':
        if (change.ids === undefined) this.#authorizations.clear()
        else for (const id of change.ids) this.#authorizations.delete(id)
        break
      case 'client': this.#clients.delete(change.id); break
      case 'clients': this.#clients.clear(); break
      case 'managementToken': this.#managementTokens.delete(change.digest); break
      case 'member': this.#members.delete(change.id); break
      case 'members': this.#members.clear(); break
      case 'policies': this.#policies.delete(change.organizationId ?? deployment); break
      case 'apiKey':
        this.#apiKeys.delete(change.digest)
        this.#apiKeys.delete(importedKeyName(change.digest, change.resourceId))
        this.#apiKeysById.clear()
        break
      case 'importedKey': this.#sets.imported?.add(change); break
      case 'publishableKey': this.#publishableKeys.delete(change.id); break
      case 'trustedIssuers': for (const id of change.ids) this.#workloadTrusts.delete(id); break
      case 'webhookTokens': this.#webhookTokens.clear(); break
      case 'signingKeys': this.#signingKeys.clear(); break
      case 'resources':
        this.#resources.clear()
        this.#resourcesByIdentifier.clear()
        break
      case 'revokedToken': this.#sets.revoked.add(change.jti, change.expiresAt); break
      case 'revokedTokensPruned': this.#sets.revoked.forgetBefore(change.before)
    }
  }

  held (): number {
    return this.#caches().reduce((sum, { records }) => sum + records.size, this.#sets.revoked.size)
  }

  /** `catchUp` resolves once every change that was committed before the call is applied. */
  async differences (catchUp: () => Promise<void> = async () => {}): Promise<Difference[]> {
    const cached = () => this.#sets
    return [
      ...await recordDifferences(this.#caches(), catchUp),
      ...await revokedDifferences(cached, this.#negatives, this.#source, catchUp),
      ...await importedDifferences(cached, this.#negatives, this.#source, catchUp),
    ]
  }

  /**
   * Clears every cache and loads the negative facts; resolves once they are in memory, read after the call. Reloads run
   * one after the other, so that an earlier answer of the database cannot replace a later one.
   */
  readonly reload = serialReload(async () => {
    for (const { records } of this.#caches()) records.clear()
    // Loads that are under way began before: they are not cached.
    this.#state = {}
    const meanwhile: Change[] = this.#appliedMeanwhile = []
    try {
      // In one turn with the changes below: the sets alone may lack tokens that were revoked during the load.
      this.#sets = await loadNegatives(this.#negatives)
      this.#state = {}
    } finally {
      this.#appliedMeanwhile = null
    }
    for (const change of meanwhile) this.apply(change)
  })

  /** Every cache of records, with its source. */
  #caches (): RecordCache[] {
    const source = this.#source
    return [
      { kind: 'organization', records: this.#organizations, load: key => source.organization(key) },
      { kind: 'resource', records: this.#resources, load: key => source.resource(key) },
      { kind: 'resource', records: this.#resourcesByIdentifier, load: key => source.resourceByIdentifier(key) },
      { kind: 'authorization', records: this.#authorizations, load: key => source.authorization(key) },
      { kind: 'client', records: this.#clients, load: key => source.client(key) },
      { kind: 'api_key', records: this.#apiKeys, load: key => loadApiKey(source, key) },
      { kind: 'api_key', records: this.#apiKeysById, load: key => source.apiKeyById(key) },
      { kind: 'management_token', records: this.#managementTokens, load: key => source.managementToken(key) },
      { kind: 'member', records: this.#members, load: key => source.member(key) },
      { kind: 'publishable_key', records: this.#publishableKeys, load: key => source.publishableKey(key) },
      { kind: 'webhook_token', records: this.#webhookTokens, load: key => source.webhookToken(key) },
      { kind: 'trusted_issuer', records: this.#workloadTrusts, load: key => source.workloadTrust(key) },
      { kind: 'signing_keys', records: this.#signingKeys, load: () => source.signingKeys() },
      { kind: 'policies', records: this.#policies, load: key => source.policies(key === deployment ? null : key) },
    ]
  }

  #cached<T extends object, Found extends T | null> (
    cache: ByteBoundedCache<T>, key: string, load: () => Awaitable<Found>
  ): Awaitable<T | Found> {
    const known = cache.get(key)
    if (known === undefined) {
      this.#lookups.misses++
      return this.#load(cache, key, load)
    }
    this.#lookups.hits++
    return known
  }

  #load<T extends object, Found extends T | null> (
    cache: ByteBoundedCache<T>, key: string, load: () => Awaitable<Found>
  ): Awaitable<Found> {
    const before = this.#state
    const loading = load()
    if (loading instanceof Promise) return this.#cacheUnlessChanged(cache, key, loading, before)
    // Read and cached in one turn: a later commit is applied later.
    if (loading !== null) cache.set(ownText(key, loading), loading)
    return loading
  }

  async #cacheUnlessChanged<T extends object, Found extends T | null> (
    cache: ByteBoundedCache<T>, key: string, loading: Promise<Found>, before: object
  ): Promise<Found> {
    const loaded = await loading
    // After a change meanwhile the record may be outdated: right for this call, which began earlier, but not to cache.
    if (loaded !== null && this.#state === before) cache.set(ownText(key, loaded), loaded)
    return loaded
  }
}
