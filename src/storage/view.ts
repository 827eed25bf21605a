import { LRUCache } from 'lru-cache'
import type { Awaitable } from '../awaitable.ts'
import type { ApiKey } from '../domain/api-key.ts'
import type { Client } from '../domain/client.ts'
import type { ManagementToken } from '../domain/management-token.ts'
import type { Member } from '../domain/member.ts'
import type { Organization } from '../domain/organization.ts'
import type { PublishableKey } from '../domain/publishable-key.ts'
import type { Registry } from '../domain/registry.ts'
import type { Resource } from '../domain/resource.ts'
import type { Repositories } from '../domain/store.ts'
import type { WebhookToken } from '../domain/webhook-token.ts'
import type { Change } from './changes.ts'

/** How many credentials of each kind are kept in memory. */
const capacity = 50_000

/** A registry that asks the database every time: what several servers on one database need. */
export function unbuffered ({ apiKeys, clients, managementTokens, members, organizations, publishableKeys, resources, revokedTokens, webhookTokens }: Repositories): Registry {
  return {
    apiKey: digest => apiKeys.byDigest(digest),
    importedApiKey: digest => apiKeys.byDigest(digest),
    apiKeyById: id => apiKeys.get(id),
    client: id => clients.get(id),
    managementToken: digest => managementTokens.byDigest(digest),
    member: id => members.get(id),
    organization: id => organizations.get(id),
    publishableKey: id => publishableKeys.get(id),
    resource: id => resources.get(id),
    resourceByIdentifier: identifier => resources.byIdentifier(identifier),
    isTokenRevoked: jti => revokedTokens.has(jti),
    webhookToken: digest => webhookTokens.byDigest(digest),
  }
}

/**
 * A registry that keeps in memory what it was asked for. It is right only where this process makes every change, and
 * hands each to `apply` before it is acknowledged. What does not exist is not kept: it may come into being.
 */
export class View implements Registry {
  readonly #source: Registry
  readonly #apiKeys = new LRUCache<string, ApiKey>({ max: capacity })
  readonly #apiKeysById = new LRUCache<string, ApiKey>({ max: capacity })
  readonly #clients = new LRUCache<string, Client>({ max: capacity })
  readonly #managementTokens = new LRUCache<string, ManagementToken>({ max: capacity })
  readonly #members = new LRUCache<string, Member>({ max: capacity })
  readonly #organizations = new LRUCache<string, Organization>({ max: capacity })
  readonly #publishableKeys = new LRUCache<string, PublishableKey>({ max: capacity })
  readonly #resources = new LRUCache<string, Resource>({ max: capacity })
  readonly #resourcesByIdentifier = new LRUCache<string, Resource>({ max: capacity })
  readonly #webhookTokens = new LRUCache<string, WebhookToken>({ max: capacity })
  readonly #revoked: Map<string, Date>
  readonly #imported: Set<string>
  readonly #lookups: { hits: number, misses: number }
  #changes = 0

  /**
   * `revoked`: every token that is revoked, `imported`: the digest of every key that was made elsewhere. For these "no" is
   * the answer that has to be quick, whatever strangers make up.
   */
  constructor (
    source: Registry, { revoked, imported }: { revoked: Iterable<{ jti: string, expiresAt: Date }>, imported: Iterable<string> }, lookups = { hits: 0, misses: 0 }
  ) {
    this.#source = source
    this.#imported = new Set(imported)
    this.#lookups = lookups
    this.#revoked = new Map(Array.from(revoked, ({ jti, expiresAt }) => [jti, expiresAt]))
  }

  apiKey (digest: string): Awaitable<ApiKey | null> {
    return this.#through(this.#apiKeys, digest, () => this.#source.apiKey(digest))
  }

  importedApiKey (digest: string): Awaitable<ApiKey | null> {
    return this.#imported.has(digest) ? this.apiKey(digest) : null
  }

  apiKeyById (id: string): Awaitable<ApiKey | null> {
    return this.#through(this.#apiKeysById, id, () => this.#source.apiKeyById(id))
  }

  client (id: string): Awaitable<Client | null> {
    return this.#through(this.#clients, id, () => this.#source.client(id))
  }

  managementToken (digest: string): Awaitable<ManagementToken | null> {
    return this.#through(this.#managementTokens, digest, () => this.#source.managementToken(digest))
  }

  member (id: string): Awaitable<Member | null> {
    return this.#through(this.#members, id, () => this.#source.member(id))
  }

  organization (id: string): Awaitable<Organization | null> {
    return this.#through(this.#organizations, id, () => this.#source.organization(id))
  }

  publishableKey (id: string): Awaitable<PublishableKey | null> {
    return this.#through(this.#publishableKeys, id, () => this.#source.publishableKey(id))
  }

  resource (id: string): Awaitable<Resource | null> {
    return this.#through(this.#resources, id, () => this.#source.resource(id))
  }

  resourceByIdentifier (identifier: string): Awaitable<Resource | null> {
    return this.#through(this.#resourcesByIdentifier, identifier, () => this.#source.resourceByIdentifier(identifier))
  }

  webhookToken (digest: string): Awaitable<WebhookToken | null> {
    return this.#through(this.#webhookTokens, digest, () => this.#source.webhookToken(digest))
  }

  isTokenRevoked (jti: string): boolean {
    return this.#revoked.has(jti)
  }

  /** How many records of each kind are in memory. */
  sizes (): Record<string, number> {
    return {
      api_key: this.#apiKeys.size,
      client: this.#clients.size,
      management_token: this.#managementTokens.size,
      member: this.#members.size,
      organization: this.#organizations.size,
      publishable_key: this.#publishableKeys.size,
      resource: this.#resources.size,
      webhook_token: this.#webhookTokens.size,
      revoked_token: this.#revoked.size,
      imported_key: this.#imported.size,
    }
  }

  /** Forgets what changed, so that the next question reaches the database. */
  apply (change: Change): void {
    this.#changes++
    switch (change.of) {
      case 'organization': this.#organizations.delete(change.id); break
      case 'client': this.#clients.delete(change.id); break
      case 'clients': this.#clients.clear(); break
      case 'managementToken': this.#managementTokens.delete(change.digest); break
      case 'member': this.#members.delete(change.id); break
      case 'apiKey':
        this.#apiKeys.delete(change.digest)
        this.#apiKeysById.clear()
        break
      case 'importedKey': this.#imported.add(change.digest); break
      case 'publishableKey': this.#publishableKeys.delete(change.id); break
      case 'webhookTokens': this.#webhookTokens.clear(); break
      case 'resources':
        this.#resources.clear()
        this.#resourcesByIdentifier.clear()
        break
      case 'revokedToken': this.#revoked.set(change.jti, change.expiresAt); break
      case 'revokedTokensPruned':
        for (const [jti, expiresAt] of this.#revoked) if (expiresAt < change.before) this.#revoked.delete(jti)
    }
  }

  #through<T extends object> (kept: LRUCache<string, T>, key: string, load: () => Awaitable<T | null>): Awaitable<T | null> {
    const known = kept.get(key)
    if (known === undefined) {
      this.#lookups.misses++
      return this.#load(kept, key, load)
    }
    this.#lookups.hits++
    return known
  }

  async #load<T extends object> (kept: LRUCache<string, T>, key: string, load: () => Awaitable<T | null>): Promise<T | null> {
    const changesBefore = this.#changes
    const loaded = await load()
    // Read before a change that has been applied meanwhile: good as an answer to who asked before it, but not to keep.
    if (loaded !== null && this.#changes === changesBefore) kept.set(key, loaded)
    return loaded
  }
}
