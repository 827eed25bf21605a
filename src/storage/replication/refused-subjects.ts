/** What is refused because a change of it was lost, in the way of every look-up that would let it pass. */
import { whenKnown, type Awaitable } from '../../base/awaitable.ts'
import { inPages } from '../../base/batches.ts'
import { everyone, type LostKind, type Refused } from '../../domain/maintenance/lost-change.ts'
import type { Registry } from '../../domain/access/registry.ts'
import { Failure } from '../../base/errors.ts'
import { serialReload } from '../../base/serial-reload.ts'
import type { Reads } from '../engine/reads.ts'

/** Whether anything is refused, and what. */
export interface Refusing {
  /** Nearly always: then a look-up costs nothing more. */
  readonly isEmpty: boolean
  refuses (kind: LostKind, subject: string): Awaitable<boolean>
}

const pageSize = 2_000

/** In memory. Right as long as `reload` was waited for after each change of it. */
export class RefusedSubjects implements Refusing {
  readonly #reads: Pick<Reads, 'refused'>
  #names: ReadonlySet<string> = new Set()

  constructor (reads: Pick<Reads, 'refused'>) {
    this.#reads = reads
  }

  get isEmpty (): boolean {
    return this.#names.size === 0
  }

  get size (): number {
    return this.#names.size
  }

  refuses (kind: LostKind, subject: string): boolean {
    if (this.#names.has(nameOf(kind, subject)) || this.#names.has(nameOf(kind, everyone))) return true
    return isCredential(kind) && this.#names.has(nameOf('deployment', everyone))
  }

  readonly reload = serialReload(async () => {
    const names = new Set<string>()
    const read = (after: string, limit: number) => this.#reads.refused(after, limit)
    for await (const page of inPages<Refused & { id: string }>(pageSize, ({ id }) => id, read)) {
      for (const { kind, subject } of page) names.add(nameOf(kind, subject))
    }
    this.#names = names
  })
}

/** As the database has it at the moment of each question. */
export function refusedInDatabase (reads: Pick<Reads, 'refusedSubject'>): Refusing {
  return {
    isEmpty: false,
    refuses (kind, subject) {
      const other = isCredential(kind) ? 'deployment' : kind
      return whenKnown(reads.refusedSubject(kind, other, subject), found => found.length > 0)
    },
  }
}

function nameOf (kind: LostKind, subject: string): string {
  return `${kind} ${subject}`
}

/**
 * What is refused with the whole deployment: every credential, but not what the server itself looks up when it starts.
 */
function isCredential (kind: LostKind): boolean {
  return kind !== 'deployment' && kind !== 'organization' && kind !== 'member' && kind !== 'access_token'
}

/** `registry`, of which nothing is found that is refused. Throws Failure `change_lost` instead. */
export function withholding (registry: Registry, refusing: Refusing): Registry {
  const judge = <T extends { id: string } | null>(found: T, kind: LostKind): Awaitable<T> => {
    if (found === null || refusing.isEmpty) return found
    return whenKnown(refusing.refuses(kind, found.id), allow, found, kind)
  }
  const pass = <T extends { id: string } | null>(found: Awaitable<T>, kind: LostKind): Awaitable<T> =>
    refusing.isEmpty && !(found instanceof Promise) ? found : whenKnown(found, judge, kind) as Awaitable<T>
  return {
    // What follows from records may not be gone by without asking for each of them again.
    get state () { return refusing.isEmpty ? registry.state : null },
    apiKey: digest => pass(registry.apiKey(digest), 'api_key'),
    cachedApiKey: digest => pass(registry.cachedApiKey(digest), 'api_key') as ReturnType<Registry['cachedApiKey']>,
    importedApiKey: (digest, resourceId) => pass(registry.importedApiKey(digest, resourceId), 'api_key'),
    apiKeyById: id => pass(registry.apiKeyById(id), 'api_key'),
    client: id => pass(registry.client(id), 'client'),
    managementToken: digest => pass(registry.managementToken(digest), 'management_token'),
    member: id => pass(registry.member(id), 'member'),
    organization: id => pass(registry.organization(id), 'organization'),
    policies: organizationId => registry.policies(organizationId),
    publishableKey: id => pass(registry.publishableKey(id), 'publishable_key'),
    registrationToken: digest => pass(registry.registrationToken(digest), 'registration_token'),
    resource: id => registry.resource(id),
    resourceByIdentifier: identifier => registry.resourceByIdentifier(identifier),
    isTokenRevoked: jti => {
      const isRevoked = registry.isTokenRevoked(jti)
      if (refusing.isEmpty && !(isRevoked instanceof Promise)) return isRevoked
      return whenKnown(isRevoked, judgeToken, refusing, jti)
    },
    signingKeys: () => registry.signingKeys(),
    webhookToken: digest => pass(registry.webhookToken(digest), 'webhook_token'),
  }
}

function allow<T extends { id: string } | null> (isRefused: boolean, found: T, kind: LostKind): T {
  if (isRefused) throw refusal(kind, found!.id)
  return found
}

function judgeToken (isRevoked: boolean, refusing: Refusing, jti: string): Awaitable<boolean> {
  if (isRevoked || refusing.isEmpty) return isRevoked
  return whenKnown(refusing.refuses('access_token', jti), isRefused => {
    if (isRefused) throw refusal('access_token', jti)
    return false
  })
}

function refusal (kind: LostKind, subject: string): Failure {
  return new Failure('change_lost', { detail: `${kind} ${subject}` })
}

/** Each of a registry's answers as `ask` gets it. */
export function askedBy (registry: Registry, ask: <T>(read: () => Awaitable<T>) => Promise<T>): Registry {
  return {
    get state () { return registry.state },
    apiKey: digest => ask(() => registry.apiKey(digest)),
    cachedApiKey: digest => registry.cachedApiKey(digest),
    importedApiKey: (digest, resourceId) => ask(() => registry.importedApiKey(digest, resourceId)),
    apiKeyById: id => ask(() => registry.apiKeyById(id)),
    client: id => ask(() => registry.client(id)),
    managementToken: digest => ask(() => registry.managementToken(digest)),
    member: id => ask(() => registry.member(id)),
    organization: id => ask(() => registry.organization(id)),
    policies: organizationId => ask(() => registry.policies(organizationId)),
    publishableKey: id => ask(() => registry.publishableKey(id)),
    registrationToken: digest => ask(() => registry.registrationToken(digest)),
    resource: id => ask(() => registry.resource(id)),
    resourceByIdentifier: identifier => ask(() => registry.resourceByIdentifier(identifier)),
    isTokenRevoked: jti => ask(() => registry.isTokenRevoked(jti)),
    signingKeys: () => ask(() => registry.signingKeys()),
    webhookToken: digest => ask(() => registry.webhookToken(digest)),
  }
}
