import { setImmediate as nextTurn } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { whenKnown, type Awaitable } from '../../base/awaitable.ts'
import type { ApiKey } from '../../domain/credentials/api-key.ts'
import type { Client } from '../../domain/credentials/client.ts'
import type { Difference, ReplicaMemory } from '../../domain/maintenance/drift.ts'
import type { ManagementToken } from '../../domain/credentials/management-token.ts'
import type { Member } from '../../domain/members/permissions.ts'
import type { Organization } from '../../domain/tenancy/organization.ts'
import { compilePolicies, type PolicySet } from '../../domain/policy/policy-evaluation.ts'
import type { PublishableKey } from '../../domain/credentials/publishable-key.ts'
import type { RegistrationToken } from '../../domain/credentials/registration-token.ts'
import type { Registry } from '../../domain/access/registry.ts'
import type { Resource } from '../../domain/resources/resource.ts'
import { normalIdentifier } from '../../domain/resources/resource-identifier.ts'
import type { SigningKey } from '../../domain/tokens/signing-key.ts'
import type { Repositories } from '../../domain/store.ts'
import type { WebhookToken } from '../../domain/credentials/webhook-token.ts'
import { serialReload } from '../../base/serial-reload.ts'
import type { NegativeFacts } from './negative-facts.ts'
import type { Change } from './changes.ts'
import { ImportedKeys, type ImportedKey } from './imported-keys.ts'
import { byteBoundedCache, type ByteBoundedCache } from './byte-bounded-cache.ts'
import type { Reads } from '../engine/reads.ts'
import { RevokedSet } from './revoked-set.ts'

/** One of the caches, and where what is in it comes from. */
interface Memory {
  kind: Difference['kind']
  kept: Pick<ByteBoundedCache<object>, 'size'> & {
    clear(): void, peek(key: string): object | undefined, entries(): Iterable<[string, object]>
  }
  load(key: string): Awaitable<object | null>
}

/** What the deployment's policies, and its signing keys, are kept by: no organization's id. */
const deployment = 'deployment'

/** How many records are read at a time when memory is compared with the database. */
const batch = 100

/** A registry that asks the database every time: what several servers on one database need. */
export function uncachedRegistry (
  {
    managementTokens, members, policies, publishableKeys, registrationTokens, revokedTokens, signingKeys, webhookTokens
  }: Repositories,
  reads: Reads
): Registry {
  return {
    state: null,
    apiKey: digest => reads.apiKeyByDigest(digest),
    cachedApiKey: () => null,
    importedApiKey: (digest, resourceId) =>
      resourceId === null
        ? whenKnown(reads.importedForDeployment(digest), theOnly)
        : reads.importedApiKey(digest, resourceId),
    apiKeyById: id => reads.apiKey(id),
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
  }
}

/** Null: there is none, or which is meant cannot be told. */
function theOnly<T> (found: readonly T[]): T | null {
  return found.length === 1 ? found[0]! : null
}

/** What an imported key is kept by: beside digests, which are what keys that were made here are kept by. */
function importedName (digest: string, resourceId: string): string {
  return `${digest} ${resourceId}`
}

/**
 * A registry that keeps in memory what it was asked for. It is right only where every change is handed to `apply`
 * before it is acknowledged, whichever server made it. What does not exist is not kept: it may come into being.
 */
export class CachedRegistry implements Registry, ReplicaMemory {
  readonly source = 'memory'
  readonly #source: Registry
  readonly #apiKeys = byteBoundedCache<ApiKey>(1 / 2)
  readonly #apiKeysById = byteBoundedCache<ApiKey>(1 / 16)
  readonly #clients = byteBoundedCache<Client>(1 / 4)
  readonly #managementTokens = byteBoundedCache<ManagementToken>(1 / 64)
  readonly #members = byteBoundedCache<Member>(1 / 32)
  readonly #organizations = byteBoundedCache<Organization>(1 / 16)
  readonly #policies = byteBoundedCache<PolicySet>(1 / 64)
  readonly #publishableKeys = byteBoundedCache<PublishableKey>(1 / 64)
  readonly #resources = byteBoundedCache<Resource>(1 / 64)
  readonly #resourcesByIdentifier = byteBoundedCache<Resource>(1 / 64)
  /** All of them, or nothing: what is not among them does not exist, and costs no query. */
  readonly #signingKeys = byteBoundedCache<ReadonlyMap<string, SigningKey>>(1 / 64)
  readonly #webhookTokens = byteBoundedCache<WebhookToken>(1 / 64)
  readonly #absences: NegativeFacts
  readonly #lookups: { hits: number, misses: number }
  #revoked = new RevokedSet()
  #imported: ImportedKeys | null = null
  #state = {}
  /** While absences are being read: what has been applied since that began. */
  #meanwhile: Change[] | null = null

  /** Knows of no absences before it is reloaded for the first time. `lookups` are counted for whoever looks. */
  constructor (source: Registry, absences: NegativeFacts, lookups = { hits: 0, misses: 0 }) {
    this.#source = source
    this.#absences = absences
    this.#lookups = lookups
  }

  get state (): object {
    return this.#state
  }

  apiKey (digest: string): Awaitable<ApiKey | null> {
    return this.#through(this.#apiKeys, digest, () => this.#source.apiKey(digest))
  }

  cachedApiKey (digest: string): ApiKey | null {
    const held = this.#apiKeys.get(digest)
    if (held === undefined) return null
    this.#lookups.hits++
    return held
  }

  importedApiKey (digest: string, resourceId: string | null): Awaitable<ApiKey | null> {
    if (resourceId === null) return this.#importedForDeployment(digest)
    if (this.#imported?.has(digest, resourceId) === false) return null
    return this.#through(
      this.#apiKeys, importedName(digest, resourceId), () => this.#source.importedApiKey(digest, resourceId)
    )
  }

  #importedForDeployment (digest: string): Awaitable<ApiKey | null> {
    // Where it is not known which were imported, a second one is no change that is heard of: nothing of the first may
    // be kept.
    if (this.#imported === null) return this.#source.importedApiKey(digest, null)
    const resourceId = theOnly(this.#imported.sharedResources(digest))
    return resourceId === null ? null : this.importedApiKey(digest, resourceId)
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

  policies (organizationId: string | null): Awaitable<PolicySet> {
    return this.#through(this.#policies, organizationId ?? deployment, () => this.#source.policies(organizationId))
  }

  publishableKey (id: string): Awaitable<PublishableKey | null> {
    return this.#through(this.#publishableKeys, id, () => this.#source.publishableKey(id))
  }

  registrationToken (digest: string): Awaitable<RegistrationToken | null> {
    return this.#source.registrationToken(digest)
  }

  resource (id: string): Awaitable<Resource | null> {
    return this.#through(this.#resources, id, () => this.#source.resource(id))
  }

  resourceByIdentifier (identifier: string): Awaitable<Resource | null> {
    // The normal form is a text of its own, and no piece of a whole request, which memory would keep.
    const normal = normalIdentifier(identifier)
    return this.#through(this.#resourcesByIdentifier, normal, () => this.#source.resourceByIdentifier(normal))
  }

  signingKeys (): Awaitable<ReadonlyMap<string, SigningKey>> {
    return this.#through(this.#signingKeys, deployment, () => this.#source.signingKeys())
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
      policies: this.#policies.size,
      publishable_key: this.#publishableKeys.size,
      resource: this.#resources.size,
      webhook_token: this.#webhookTokens.size,
      revoked_token: this.#revoked.size,
      imported_key: this.#imported?.size ?? 0,
    }
  }

  /** Forgets what changed, so that the next question reaches the database. */
  apply (change: Change): void {
    this.#state = {}
    this.#meanwhile?.push(change)
    switch (change.of) {
      case 'organization': this.#organizations.delete(change.id); break
      case 'client': this.#clients.delete(change.id); break
      case 'clients': this.#clients.clear(); break
      case 'managementToken': this.#managementTokens.delete(change.digest); break
      case 'member': this.#members.delete(change.id); break
      case 'members': this.#members.clear(); break
      case 'policies': this.#policies.delete(change.organizationId ?? deployment); break
      case 'apiKey':
        this.#apiKeys.delete(change.digest)
        this.#apiKeys.delete(importedName(change.digest, change.resourceId))
        this.#apiKeysById.clear()
        break
      case 'importedKey': this.#imported?.add(change); break
      case 'publishableKey': this.#publishableKeys.delete(change.id); break
      case 'webhookTokens': this.#webhookTokens.clear(); break
      case 'signingKeys': this.#signingKeys.clear(); break
      case 'resources':
        this.#resources.clear()
        this.#resourcesByIdentifier.clear()
        break
      case 'revokedToken': this.#revoked.add(change.jti, change.expiresAt); break
      case 'revokedTokensPruned': this.#revoked.forgetBefore(change.before)
    }
  }

  held (): number {
    return this.#memories().reduce((sum, { kept }) => sum + kept.size, this.#revoked.size)
  }

  /** `caughtUp` resolves once everything has been applied that was committed before. */
  async differences (caughtUp: () => Promise<void> = async () => {}): Promise<Difference[]> {
    const differences: Difference[] = []
    for (const memory of this.#memories()) {
      const entries = [...memory.kept.entries()]
      for (let i = 0; i < entries.length; i += batch) {
        const found = await Promise.all(
          entries.slice(i, i + batch).map(([key, held]) => compare(memory, key, held, caughtUp))
        )
        differences.push(...found.filter(each => each !== null))
        // Reads that are answered at once would let nobody else have a turn.
        await nextTurn()
      }
    }
    // A credential is held by its digest and by its id; it is told once.
    const each = new Map(differences.map(difference => [JSON.stringify(difference), difference]))
    return [...each.values(), ...await this.#revokedDifferences(caughtUp), ...await this.#importedDifferences(caughtUp)]
  }

  /**
   * Forgets everything and reads what it has to know of as a whole; resolves once that is in memory, read after the
   * call. One after the other: what is read waits for the database, and the earlier answer must not come in the place
   * of the later one.
   */
  readonly reload = serialReload(async () => {
    for (const { kept } of this.#memories()) kept.clear()
    // Answers that are under way were read before: they are not kept.
    this.#state = {}
    const meanwhile: Change[] = this.#meanwhile = []
    try {
      const revoked = new RevokedSet()
      for await (const page of this.#absences.revoked()) {
        for (const { jti, expiresAt } of page) revoked.add(jti, expiresAt)
      }
      const imported = this.#absences.imported === null ? null : new ImportedKeys()
      if (this.#absences.imported !== null) for await (const page of this.#absences.imported()) for (const key of page) imported!.add(key)
      this.#revoked = revoked
      this.#imported = imported
      this.#state = {}
    } finally {
      this.#meanwhile = null
    }
    // What was revoked or imported while this was read may not be in it.
    for (const change of meanwhile) this.apply(change)
  })

  /** All that is kept, by what it is, and where it comes from. */
  #memories (): Memory[] {
    const source = this.#source
    return [
      { kind: 'organization', kept: this.#organizations, load: key => source.organization(key) },
      { kind: 'resource', kept: this.#resources, load: key => source.resource(key) },
      { kind: 'resource', kept: this.#resourcesByIdentifier, load: key => source.resourceByIdentifier(key) },
      { kind: 'client', kept: this.#clients, load: key => source.client(key) },
      { kind: 'api_key', kept: this.#apiKeys, load: key => loadApiKey(source, key) },
      { kind: 'api_key', kept: this.#apiKeysById, load: key => source.apiKeyById(key) },
      { kind: 'management_token', kept: this.#managementTokens, load: key => source.managementToken(key) },
      { kind: 'member', kept: this.#members, load: key => source.member(key) },
      { kind: 'publishable_key', kept: this.#publishableKeys, load: key => source.publishableKey(key) },
      { kind: 'webhook_token', kept: this.#webhookTokens, load: key => source.webhookToken(key) },
      { kind: 'signing_keys', kept: this.#signingKeys, load: () => source.signingKeys() },
      { kind: 'policies', kept: this.#policies, load: key => source.policies(key === deployment ? null : key) },
    ]
  }

  async #revokedDifferences (caughtUp: () => Promise<void>): Promise<Difference[]> {
    const told = (id: string, difference: Difference['difference']): Difference => ({
      kind: 'revoked_token', id, difference, fields: []
    })
    const notHeld: string[] = []
    const stored = new RevokedSet()
    for await (const page of this.#absences.revoked()) {
      for (const { jti, expiresAt } of page) {
        stored.add(jti, expiresAt)
        if (!this.#revoked.has(jti)) notHeld.push(jti)
      }
    }
    await caughtUp()
    const differences = notHeld.filter(jti => !this.#revoked.has(jti)).map(jti => told(jti, 'not_held'))
    for await (const held of this.#revoked.pages()) {
      for (const jti of held) {
        // One that was revoked while the others were read is in the database by now.
        if (!stored.has(jti) && this.#revoked.has(jti) && !await this.#source.isTokenRevoked(jti)) {
          differences.push(told(jti, 'gone'))
        }
      }
    }
    return differences
  }

  /** Keys that were imported and are not known to be. One that is gone is told where it is kept, if it is. */
  async #importedDifferences (caughtUp: () => Promise<void>): Promise<Difference[]> {
    if (this.#absences.imported === null) return []
    const isNotHeld = ({ digest, resourceId }: ImportedKey) => this.#imported?.has(digest, resourceId) === false
    const notHeld: ImportedKey[] = []
    for await (const page of this.#absences.imported()) notHeld.push(...page.filter(isNotHeld))
    await caughtUp()
    const keys = await Promise.all(
      notHeld.filter(isNotHeld).map(({ digest, resourceId }) => this.#source.importedApiKey(digest, resourceId))
    )
    return keys.flatMap(key => key === null ? [] : { kind: 'api_key', id: key.id, difference: 'not_held', fields: [] })
  }

  #through<T extends object, Found extends T | null> (
    kept: ByteBoundedCache<T>, key: string, load: () => Awaitable<Found>
  ): Awaitable<T | Found> {
    const known = kept.get(key)
    if (known === undefined) {
      this.#lookups.misses++
      return this.#load(kept, key, load)
    }
    this.#lookups.hits++
    return known
  }

  #load<T extends object, Found extends T | null> (
    kept: ByteBoundedCache<T>, key: string, load: () => Awaitable<Found>
  ): Awaitable<Found> {
    const before = this.#state
    const loading = load()
    if (loading instanceof Promise) return this.#keepUnlessChanged(kept, key, loading, before)
    // Read and kept in one turn: what is committed after it is applied after it, too.
    if (loading !== null) kept.set(ownText(key, loading), loading)
    return loading
  }

  async #keepUnlessChanged<T extends object, Found extends T | null> (
    kept: ByteBoundedCache<T>, key: string, loading: Promise<Found>, before: object
  ): Promise<Found> {
    const loaded = await loading
    // Read before a change that has been applied meanwhile: good as an answer to who asked before it, but not to keep.
    if (loaded !== null && this.#state === before) kept.set(ownText(key, loaded), loaded)
    return loaded
  }
}

/**
 * What a record is kept by, as the record has it: what was asked with may be a piece of a whole request, all of which
 * it would keep, a client's secret too.
 */
function ownText (key: string, record: object): string {
  return Object.values(record).find((value): value is string => value === key) ?? key
}

/** By what it is kept by. */
function loadApiKey (source: Registry, name: string): Awaitable<ApiKey | null> {
  const [digest, resourceId] = name.split(' ') as [string, string?]
  return resourceId === undefined ? source.apiKey(digest) : source.importedApiKey(digest, resourceId)
}

/** Null: it is held as the database has it, or is not held any more. */
async function compare (
  { kind, kept, load }: Memory, key: string, held: object, caughtUp: () => Promise<void>
): Promise<Difference | null> {
  const stored = await load(key)
  await caughtUp()
  // Changed while it was compared: then it has been forgotten, too.
  if (kept.peek(key) !== held) return null
  const id = kind === 'policies' || kind === 'signing_keys' ? key : (held as { id: string }).id
  if (stored === null) return { kind, id, difference: 'gone', fields: [] }
  const fields = whatDiffers(kind, held, stored)
  return fields.length === 0 ? null : { kind, id, difference: 'changed', fields }
}

function whatDiffers (kind: Difference['kind'], held: object, stored: object): string[] {
  switch (kind) {
    case 'policies':
      return thoseThatDiffer(byId(held as PolicySet), byId(stored as PolicySet))
    case 'signing_keys':
      return thoseThatDiffer(held as ReadonlyMap<string, object>, stored as ReadonlyMap<string, object>)
    default:
      return fieldsThatDiffer(held, stored)
  }
}

/** When a credential was last used is written behind the view's back, and no check goes by it. */
function fieldsThatDiffer (held: object, stored: object): string[] {
  const [one, other] = [held, stored] as [Record<string, unknown>, Record<string, unknown>]
  return Object.keys({ ...one, ...other }).filter(name =>
    name !== 'lastUsedAt' && !isDeepStrictEqual(one[name], other[name])
  )
}

function byId ({ policies }: PolicySet): ReadonlyMap<string, object> {
  return new Map(policies.map(policy => [policy.id, policy]))
}

/** Their ids. */
function thoseThatDiffer (one: ReadonlyMap<string, object>, other: ReadonlyMap<string, object>): string[] {
  return [...new Set([...one.keys(), ...other.keys()])].filter(id => !isDeepStrictEqual(one.get(id), other.get(id)))
}
