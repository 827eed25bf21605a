/** Refuses the subjects of lost changes in every look-up that would let them pass. */
import { whenKnown, type Awaitable } from '../../base/awaitable.ts'
import { inPages } from '../../base/batches.ts'
import { everyone, type LostKind, type Refused } from '../../domain/maintenance/lost-change.ts'
import type { Registry } from '../../domain/access/registry.ts'
import { Failure } from '../../base/errors.ts'
import { serialReload } from '../../base/serial-reload.ts'
import type { Reads } from '../engine/reads.ts'

export interface RefusalLookup {
  /** Nearly always true: then a look-up costs nothing more. */
  readonly isEmpty: boolean
  refuses (kind: LostKind, subject: string): Awaitable<boolean>
}

const pageSize = 2_000

/** In memory. Correct if `reload` is awaited after each change of the lost changes. */
export class RefusedSubjects implements RefusalLookup {
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

/** Queries the database each time. */
export function refusedInDatabase (reads: Pick<Reads, 'refusedSubject'>): RefusalLookup {
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

/** Refused with the whole deployment: every credential, but not the records that the server reads when it starts. */
function isCredential (kind: LostKind): boolean {
  return kind !== 'deployment' && kind !== 'organization' && kind !== 'member' && kind !== 'access_token'
}

/** `registry`, whose look-ups throw Failure `change_lost` for refused subjects. */
export function withoutRefused (registry: Registry, refusals: RefusalLookup): Registry {
  const check = <T extends { id: string } | null>(found: T, kind: LostKind): Awaitable<T> => {
    if (found === null || refusals.isEmpty) return found
    return whenKnown(refusals.refuses(kind, found.id), allow, found, kind)
  }
  const pass = <T extends { id: string } | null>(found: Awaitable<T>, kind: LostKind): Awaitable<T> =>
    refusals.isEmpty && !(found instanceof Promise) ? found : whenKnown(found, check, kind) as Awaitable<T>
  return {
    // While anything is refused, verdicts must not be memoized.
    get state () { return refusals.isEmpty ? registry.state : null },
    apiKey: digest => pass(registry.apiKey(digest), 'api_key'),
    cachedApiKey: digest => pass(registry.cachedApiKey(digest), 'api_key') as ReturnType<Registry['cachedApiKey']>,
    importedApiKey: (digest, resourceId) => pass(registry.importedApiKey(digest, resourceId), 'api_key'),
    apiKeyById: id => pass(registry.apiKeyById(id), 'api_key'),
    authorization: id => pass(registry.authorization(id), 'authorization'),
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
      if (refusals.isEmpty && !(isRevoked instanceof Promise)) return isRevoked
      return whenKnown(isRevoked, checkToken, refusals, jti)
    },
    signingKeys: () => registry.signingKeys(),
    webhookToken: digest => pass(registry.webhookToken(digest), 'webhook_token'),
    workloadTrust: id => pass(registry.workloadTrust(id), 'trusted_issuer'),
  }
}

function allow<T extends { id: string } | null> (isRefused: boolean, found: T, kind: LostKind): T {
  if (isRefused) throw refusal(kind, found!.id)
  return found
}

function checkToken (isRevoked: boolean, refusals: RefusalLookup, jti: string): Awaitable<boolean> {
  if (isRevoked || refusals.isEmpty) return isRevoked
  return whenKnown(refusals.refuses('access_token', jti), isRefused => {
    if (isRefused) throw refusal('access_token', jti)
    return false
  })
}

function refusal (kind: LostKind, subject: string): Failure {
  return new Failure('change_lost', { detail: `${kind} ${subject}` })
}
