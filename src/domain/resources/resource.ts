import { isDeepStrictEqual } from 'node:util'
import { Failure } from '../../base/errors.ts'
import { newId } from '../../secrets/secrets.ts'
import { auditEvent } from '../audit/event.ts'
import { systemActor } from '../core/actor.ts'
import { type Actor } from '../core/actor.ts'
import { requireActiveOrganization } from '../tenancy/organization.ts'
import type { Page, PageQuery } from '../core/page.ts'
import { requireIdentifier } from './resource-identifier.ts'
import {
  expand, grantableNow, isScopeToken, namesOf, newReference, readsAsPattern, requireGrantable, type Scope,
} from './scope.ts'
import { defaultAlgorithm, freshUntil, isProvided, type SigningAlgorithm } from '../tokens/signing-key.ts'
import { isKeyPrefix, type Style } from './style.ts'
import {
  type Repositories, type Store
} from '../store.ts'
import { requireVisible } from '../core/operation.ts'
import { requireExpected } from '../core/operation.ts'
import { type Revised } from '../core/operation.ts'
import { type Operation } from '../core/operation.ts'
import type { Clock } from '../../base/clock.ts'

/** `mcp`: a server of the Model Context Protocol, with what its clients need to find the way here. */
export type ResourceKind = 'api' | 'mcp'

/** A protected API, named by its resource indicator (RFC 8707). */
export interface Resource extends Revised {
  /** `res_…`; the built-in ones have fixed ids. */
  id: string
  /**
   * An absolute URI without fragment, as the operator wrote it: the `aud` of its tokens. One URL in the deployment,
   * whatever its spelling.
   */
  identifier: string
  name: string
  /** Null: it belongs to the deployment, and every organization's credentials may be made for it. */
  organizationId: string | null
  scopes: readonly Scope[]
  style: Style
  /** Seconds that an access token for it lives. */
  tokenLifetime: number
  /** What its access tokens are signed by. */
  signingAlgorithm: SigningAlgorithm
  kind: ResourceKind
  /** Of an MCP server: what clients get on it that register with its organization. Names of scopes that it declares. */
  defaultScopes: readonly string[]
  createdAt: Date
  revokedAt: Date | null
}

export interface ResourceRepository {
  insert (resource: Resource): Promise<void>
  get (id: string): Promise<Resource | null>
  /** In whatever spelling. */
  byIdentifier (identifier: string): Promise<Resource | null>
  /**
   * Those that an earlier version wrote, which compared spellings: behind an id, in the order of their ids, at most so
   * many.
   */
  withoutNormalForm (after: string, limit: number): Promise<Resource[]>
  /** Has one of those found by every spelling of its identifier. */
  normalize (resource: Pick<Resource, 'id' | 'identifier'>): Promise<void>
  /** Replaces everything but id and createdAt, its scopes included; returns it with its next revision. */
  update (resource: Resource): Promise<Resource>
  /** Those of the names that stood for scopes which were taken from the resource, as they were then. */
  retiredScopes (id: string, names: readonly string[]): Promise<Scope[]>
  /** Remembers scopes that are taken from the resource. */
  retireScopes (id: string, scopes: readonly Scope[]): Promise<void>
  /**
   * Has a resource remember those API-key-only scopes, too, that were taken from the one which had its identifier
   * before.
   */
  inheritRetiredScopes (from: string, to: string): Promise<void>
  /** Ends every resource of an organization. */
  revokeAll (organizationId: string, revokedAt: Date): Promise<void>
  /** Whether a resource that is in use has it. */
  usesAlgorithm (algorithm: SigningAlgorithm): Promise<boolean>
  /** In seconds, of all resources there ever were. */
  longestTokenLifetime (): Promise<number>
  page (query: PageQuery, filter: ResourceFilter): Promise<Page<Resource>>
}

/** Which resources a list is to hold; what is left out does not narrow it. */
export interface ResourceFilter {
  /** That organization's resources and the deployment's. */
  visibleTo?: string
  /** That organization's alone. */
  organizationId?: string
  /** In whatever spelling. */
  identifier?: string
  /** Exactly this name. */
  name?: string
  kind?: ResourceKind
  revoked?: boolean
}

/** Seconds an access token lives unless a resource says otherwise (LB-10). */
export const defaultTokenLifetime = 3600

/** The resource that stands for the issuer's host: the API that shares its origin with Latchkey. */
export const hostResourceId = 'res_host'
/** Latchkey's own API. */
export const managementResourceId = 'res_management'

const builtIn = new Set<string>([hostResourceId, managementResourceId])

/** Whether a resource is one that every deployment has. */
export function isBuiltIn ({ id }: Pick<Resource, 'id'>): boolean {
  return builtIn.has(id)
}

const builtInDefaults = {
  organizationId: null,
  tokenLifetime: defaultTokenLifetime,
  signingAlgorithm: defaultAlgorithm,
  kind: 'api',
  defaultScopes: [],
  revokedAt: null,
  revision: 1
} as const

export interface ResourceInput {
  identifier: string
  name?: string
  organizationId?: string | null
  scopes: readonly Scope[]
  style: Style
  /** Another than the default one needs a key: `SigningKeys.provide` first. */
  signingAlgorithm?: SigningAlgorithm
  kind?: ResourceKind
  defaultScopes?: readonly string[]
}

/**
 * Declares a resource. The identifier of one that has ended may be declared again by the organization that it belonged
 * to, and by the deployment; nothing of the old one comes with it but which scopes were API-key only.
 * @throws Failure `invalid_request` for an unusable identifier, scope or prefix; `conflict` for a taken identifier, and
 * for an algorithm that has no key.
 */
export async function createResource (operation: Operation, input: ResourceInput): Promise<Resource> {
  const { store, actor } = operation
  const resource = newResource(operation, input)
  await store.transaction(async tx => {
    const holder = await requireDeclarable(tx, actor, resource)
    if (holder !== null) await releaseIdentifier(tx, actor, holder, resource)
    await requireSigner(tx, resource.signingAlgorithm, resource.createdAt)
    await tx.resources.insert(resource)
    if (holder !== null) await tx.resources.inheritRetiredScopes(holder.id, resource.id)
    await tx.audit.append(auditEvent(actor, resource.createdAt, 'resource.created', auditDetail(resource)))
  })
  return resource
}

/** Whether `createResource` would not refuse it now: for what has to be made before, and would stay if it did. */
export async function isDeclarable (operation: Operation, input: ResourceInput): Promise<boolean> {
  try {
    const resource = newResource(operation, input)
    await operation.store.transaction(async tx => await requireDeclarable(tx, operation.actor, resource))
    return true
  } catch (error) {
    if (error instanceof Failure && error.status < 500) return false
    throw error
  }
}

function newResource ({ clock, actor }: Operation, input: ResourceInput): Resource {
  const organizationId = input.organizationId ?? actor.organizationId
  const scopes = requireScopes(input.scopes).map(asFirstDeclared)
  return {
    id: newId('res'),
    identifier: requireIdentifier(input.identifier),
    name: input.name ?? input.identifier,
    organizationId,
    scopes,
    style: requireStyle(input.style),
    tokenLifetime: defaultTokenLifetime,
    signingAlgorithm: input.signingAlgorithm ?? defaultAlgorithm,
    kind: input.kind ?? 'api',
    defaultScopes: requireDefaults(
      actor, { id: '', identifier: input.identifier, scopes, defaultScopes: [] }, input.defaultScopes ?? []
    ),
    createdAt: clock(),
    revokedAt: null,
    revision: 1,
  }
}

/**
 * Returns the ended resource that has the identifier; null: none has it.
 * @throws Failure `conflict` while one that has it is in use, and for an organization that it did not belong to: what
 * is behind that URI may trust this issuer still, and would take the tokens of the successor.
 */
async function requireDeclarable (
  tx: Repositories, actor: Actor, { identifier, organizationId }: Pick<Resource, 'identifier' | 'organizationId'>
): Promise<Resource | null> {
  if (organizationId !== null) await requireActiveOrganization(tx, actor, organizationId)
  if (actor.organizationId !== null) await requireElsewhere(tx, identifier)
  const holder = await tx.resources.byIdentifier(identifier)
  const mayTake = actor.organizationId === null || actor.organizationId === holder?.organizationId
  if (holder === null || (holder.revokedAt !== null && mayTake)) return holder
  // In the caller's spelling: how another organization wrote it is its own business.
  throw new Failure('conflict', { message: `The identifier ${identifier} is taken.` })
}

/**
 * Lets an ended resource give up its identifier.
 * @throws Failure `insufficient_permissions` as for a change: behind that URI is still the same API, and what was
 * API-key only there is not opened by an end in between.
 */
async function releaseIdentifier (
  tx: Repositories, actor: Actor, holder: Resource, { scopes, createdAt }: Pick<Resource, 'scopes' | 'createdAt'>
): Promise<void> {
  await tx.resources.retireScopes(holder.id, holder.scopes)
  requireReserved(actor, await tx.resources.retiredScopes(holder.id, scopes.map(({ name }) => name)), scopes)
  await takeIdentifier(tx, actor, holder, createdAt)
}

/**
 * Takes its identifier from a resource, which has a fragment of it then, that no resource can be declared by. Its keys,
 * grants and policies go by its id and stay with it; its tokens go by the identifier, and die with the generation of
 * their clients.
 */
export async function takeIdentifier (tx: Repositories, actor: Actor, holder: Resource, at: Date): Promise<void> {
  const after = await tx.resources.update({ ...holder, identifier: `${holder.identifier}#${holder.id}` })
  await tx.clients.raiseGenerations({ resourceId: holder.id })
  await tx.audit.append(auditEvent(actor, at, 'resource.updated', auditDetail(after)))
}

/** By id or identifier. An organization sees its own resources and the deployment's. @throws Failure `not_found`. */
export async function getResource ({ store, actor }: Operation, idOrIdentifier: string): Promise<Resource> {
  return readable(actor, await find(store, idOrIdentifier), idOrIdentifier)
}

/** As `getResource`, for what is to be changed. @throws Failure as `updateResource`. */
export async function getChangeableResource ({ store, actor }: Operation, idOrIdentifier: string): Promise<Resource> {
  const found = changeable(actor, await find(store, idOrIdentifier), idOrIdentifier)
  requireNotBuiltIn(found, {})
  return found
}

export interface ResourceChange {
  name?: string
  scopes?: readonly Scope[]
  style?: Style
  /** As at its creation. Tokens that were signed before stay good. */
  signingAlgorithm?: SigningAlgorithm
  /** Left out, those stay that are still declared. */
  defaultScopes?: readonly string[]
}

/**
 * Changes a resource. A scope that is taken away, or becomes API-key only, is gone from every client's next token;
 * tokens that carry it die with the generation of their clients, which is raised in the same transaction. What was
 * taken away and is declared anew comes back to nobody who had it by name. An organization's change of style leaves
 * what its plan has to include.
 * @throws Failure `insufficient_permissions` for a member's key that hands on, as a default scope or by making a scope
 * no longer API-key only, what the member has not; `invalid_request`, `not_found`, `unknown_scope`,
 * `scope_api_key_only`.
 */
export async function updateResource (
  operation: Operation, idOrIdentifier: string, change: ResourceChange
): Promise<Resource> {
  const { store, clock, actor } = operation
  return await store.transaction(async tx => {
    const before = changeable(actor, await find(tx, idOrIdentifier), idOrIdentifier)
    requireExpected(operation, before)
    requireNotBuiltIn(before, change)
    const signingAlgorithm = change.signingAlgorithm ?? before.signingAlgorithm
    if (signingAlgorithm !== before.signingAlgorithm) await requireKnownSigner(tx, signingAlgorithm, clock())
    const scopes = change.scopes ? await declared(tx, actor, before, requireScopes(change.scopes)) : before.scopes
    const after: Resource = {
      ...before,
      name: change.name ?? before.name,
      signingAlgorithm,
      scopes,
      defaultScopes: change.defaultScopes
        ? requireDefaults(actor, { ...before, scopes }, change.defaultScopes)
        : stillGrantable(before.defaultScopes, scopes),
      style: change.style ? restyled(actor, before.style, requireStyle(change.style)) : before.style,
    }
    const kept = await tx.resources.update(after)
    const narrowed = before.scopes.filter(scope =>
      !scope.keyOnly && !after.scopes.some(kept => kept.name === scope.name && !kept.keyOnly)
    )
    if (narrowed.length > 0) await tx.clients.raiseGenerations({ resourceId: after.id })
    await tx.audit.append(auditEvent(actor, clock(), 'resource.updated', auditDetail(after)))
    return kept
  })
}

/** Ends a resource: no credential for it passes any more. Doing it twice changes nothing. */
export async function revokeResource (operation: Operation, idOrIdentifier: string): Promise<Resource> {
  const { store, clock, actor } = operation
  return await store.transaction(async tx => {
    const before = changeable(actor, await find(tx, idOrIdentifier), idOrIdentifier)
    requireExpected(operation, before)
    if (isBuiltIn(before)) {
      throw new Failure('invalid_request', {
        message: `The resource ${before.identifier} is built in and cannot be revoked.`
      })
    }
    if (before.revokedAt !== null) return before
    const after = { ...before, revokedAt: clock() }
    const kept = await tx.resources.update(after)
    await tx.audit.append(auditEvent(actor, after.revokedAt, 'resource.revoked', auditDetail(after)))
    return kept
  })
}

/** A resource that a credential of `organizationId` may be made for. @throws Failure `unknown_resource`. */
export async function requireUsableResource (
  tx: Repositories, organizationId: string | null, idOrIdentifier: string
): Promise<Resource> {
  const found = await find(tx, idOrIdentifier)
  if (
    found === null || found.revokedAt !== null ||
    (found.organizationId !== null && found.organizationId !== organizationId)
  ) {
    throw new Failure('unknown_resource', {
      message: `There is no resource ${
        JSON.stringify(idOrIdentifier.slice(0, 256))
      }; create it with \`latchkey resource create\`.`,
      details: { field: 'resource', resource: idOrIdentifier.slice(0, 256) }
    })
  }
  return found
}

/**
 * Every server knows the key of an algorithm before any resource has it: none mints what another cannot verify.
 * @throws Failure `conflict`.
 */
async function requireSigner (tx: Repositories, algorithm: SigningAlgorithm, now: Date): Promise<void> {
  if (algorithm === defaultAlgorithm || isProvided(await tx.signingKeys.all(), now, algorithm)) return
  throw new Failure('conflict', {
    message:
      `There is no signing key of ${algorithm}; make one with \`latchkey signing-key rotate --algorithm ` +
        `${algorithm}\`, and do this again.`
  })
}

/**
 * For a resource that verifiers know: the first key of an algorithm that a new resource brought along signs at once,
 * and their caches may lack it. While the first key is only published the default one signs.
 */
async function requireKnownSigner (tx: Repositories, algorithm: SigningAlgorithm, now: Date): Promise<void> {
  await requireSigner(tx, algorithm, now)
  const until = algorithm === defaultAlgorithm ? null : freshUntil(await tx.signingKeys.all(), now, algorithm)
  if (until === null) return
  throw new Failure('conflict', {
    message:
      `The signing key of ${algorithm} was made a moment ago, and signs already: verifiers of this resource may ` +
      `not have it before ${until.toISOString()}. Do this again then.`
  })
}

/**
 * The issuer's own origin is described by this server's well-known documents: what is protected there is not an
 * organization's to say.
 */
async function requireElsewhere (tx: Repositories, identifier: string): Promise<void> {
  const host = await tx.resources.get(hostResourceId)
  if (host === null || new URL(identifier).origin !== new URL(host.identifier).origin) return
  throw new Failure('insufficient_permissions', {
    message: `Naming a resource at ${host.identifier} takes the admin token; that origin is the deployment's.`
  })
}

/**
 * What a credential is to have, by its references, that is bound to no member: on the management API nobody hands on
 * more than they have, and on no other does a member's key hand on more than the member has. What may manage could then
 * make keys that are nobody's, so a member's key gives that to keys alone, which are bound (CD-09). @throws Failure
 * `insufficient_permissions`.
 */
export function requireDelegable (
  actor: Actor, resource: Pick<Resource, 'id' | 'scopes'>, scopes: readonly string[]
): readonly string[] {
  requireScopesHeld(actor, resource, grantableNow(scopes, resource.scopes))
  if (actor.creator === null || scopes.length === 0) return scopes
  if (resource.id === managementResourceId) {
    throw new Failure('insufficient_permissions', {
      message:
        `Your credential is bound to the member ${actor.creator.id}: for the management API it makes API keys and ` +
          'access tokens alone, which are bound to them too.',
      details: { requiredScopes: namesOf(scopes) }
    })
  }
  const permitted = expand(actor.creator.permissions, resource.scopes)
  const missing = grantableNow(scopes, resource.scopes).filter(name => !permitted.includes(name))
  if (missing.length === 0) return scopes
  throw new Failure('insufficient_permissions', {
    message: `The member ${actor.creator.id} that your credential is bound to has not the scope ${
      missing.join(' ')
    } and cannot hand it on.`,
    details: { requiredScopes: missing }
  })
}

/** On the management API nobody hands on more than they have. @throws Failure `insufficient_permissions`. */
export function requireScopesHeld (
  actor: Actor, resource: Pick<Resource, 'id'>, scopes: readonly string[]
): readonly string[] {
  const missing = actor.scopes === null || resource.id !== managementResourceId
    ? []
    : scopes.filter(name => !actor.scopes!.includes(name))
  if (missing.length === 0) return scopes
  throw new Failure('insufficient_permissions', {
    message: `Your credential has not the scope ${missing.join(' ')} itself and cannot hand it on.`,
    details: { requiredScopes: missing }
  })
}

/** A built-in resource, as this version and its configuration have it. */
type Seed = Pick<Resource, 'id' | 'identifier' | 'name' | 'scopes' | 'style'>

/**
 * Creates the built-in resources, or moves them to the issuer's present name. Called at every start. What names itself
 * so already has to give it up: an organization could else keep a deployment from moving there.
 */
export async function seedResources (store: Store, clock: Clock, seeds: readonly Seed[]): Promise<void> {
  const present = await Promise.all(seeds.map(({ id }) => store.resources.get(id)))
  if (seeds.every((seed, i) => isSeeded(seed, present[i]!))) return
  await store.transaction(async tx => {
    for (const seed of seeds) {
      const present = await tx.resources.get(seed.id)
      const holder = await tx.resources.byIdentifier(seed.identifier)
      if (holder !== null && holder.id !== seed.id) await takeIdentifier(tx, systemActor, holder, clock())
      if (present === null) {
        const resource: Resource = { ...seed, ...builtInDefaults, createdAt: clock() }
        await tx.resources.insert(resource)
        await tx.audit.append(auditEvent(systemActor, resource.createdAt, 'resource.created', auditDetail(resource)))
      } else if (!isSeeded(seed, present)) {
        const own = seed.id === managementResourceId
          ? { name: seed.name, scopes: await declared(tx, systemActor, present, seed.scopes), style: seed.style }
          : {}
        await tx.resources.update({ ...present, identifier: seed.identifier, ...own })
      }
    }
  })
}

/**
 * The management API's resource is this version's; of another an operator may have changed everything but the
 * identifier.
 */
function isSeeded (seed: Seed, present: Resource | null): boolean {
  if (present?.identifier !== seed.identifier) return false
  return seed.id !== managementResourceId || isDeepStrictEqual(
    [present.name, present.scopes.map(withoutReference), present.style], [seed.name, seed.scopes, seed.style]
  )
}

function withoutReference ({ name, keyOnly, description }: Scope): Scope {
  return { name, keyOnly, description }
}

async function find (repositories: Repositories, idOrIdentifier: string): Promise<Resource | null> {
  return await repositories.resources.get(idOrIdentifier) ?? await repositories.resources.byIdentifier(idOrIdentifier)
}

function readable (actor: Actor, found: Resource | null, name: string): Resource {
  if (found !== null && found.organizationId === null) return found
  return requireVisible(actor, found, 'resource', name)
}

function changeable (actor: Actor, found: Resource | null, name: string): Resource {
  const resource = readable(actor, found, name)
  if (actor.organizationId !== null && resource.organizationId === null) {
    throw new Failure('insufficient_permissions', {
      message: `The resource ${resource.identifier} belongs to the deployment; an organization cannot change it.`
    })
  }
  return resource
}

/**
 * Without the management API as this version has it there is no way back: of it nothing changes, of the host's what a
 * deployment protects there.
 */
function requireNotBuiltIn ({ id, identifier }: Resource, { defaultScopes }: ResourceChange): void {
  if (id === managementResourceId) {
    throw new Failure('invalid_request', {
      message:
        `The resource ${identifier} is Latchkey's own API: its name, scopes and style belong to the version that ` +
          'runs and cannot be changed.'
    })
  }
  if (id === hostResourceId && defaultScopes !== undefined) {
    throw new Failure('invalid_request', {
      message:
        `The resource ${identifier} is built in: its name, scopes and style can be changed, its default scopes cannot.`,
      details: { field: 'defaultScopes' }
    })
  }
}

/**
 * What a resource declares after a change. A scope that stays is the same one; what is declared anew is another, so
 * that nothing which kept a reference to the one before has it. What is taken away is remembered for that.
 */
async function declared (tx: Repositories, actor: Actor, before: Resource, scopes: readonly Scope[]): Promise<Scope[]> {
  const added = scopes.filter(({ name }) => !before.scopes.some(held => held.name === name))
  const retired = added.length === 0 ? [] : await tx.resources.retiredScopes(before.id, added.map(({ name }) => name))
  const gone = before.scopes.filter(held => !scopes.some(({ name }) => name === held.name))
  if (gone.length > 0) await tx.resources.retireScopes(before.id, gone)
  requireReserved(actor, [...before.scopes, ...retired], scopes)
  return scopes.map(scope => {
    const held = before.scopes.find(({ name }) => name === scope.name)
    if (held !== undefined) return { ...scope, ...(held.reference === undefined ? {} : { reference: held.reference }) }
    return retired.some(({ name }) => name === scope.name)
      ? { ...scope, reference: newReference(scope.name) }
      : asFirstDeclared(scope)
  })
}

/** Members may have been given the name before anybody knew that a pattern does not give it. */
function asFirstDeclared (scope: Scope): Scope {
  return scope.keyOnly ? { ...scope, reference: newReference(scope.name) } : scope
}

/**
 * What was API-key only is had by its own name. A member's key that makes it an ordinary scope, also by taking it away
 * first, gives it to everybody whose patterns cover it: that takes having it. @throws Failure
 * `insufficient_permissions`.
 */
function requireReserved ({ creator }: Actor, before: readonly Scope[], after: readonly Scope[]): void {
  if (creator === null) return
  const opened = before.filter(
    ({ name, keyOnly }) => keyOnly && after.some(scope => scope.name === name && !scope.keyOnly)
  )
  const missing = opened.map(({ name }) => name).filter(name => !expand(creator.permissions, opened).includes(name))
  if (missing.length === 0) return
  throw new Failure('insufficient_permissions', {
    message: `The member ${creator.id} that your credential is bound to has not the API-key-only scope ${
      missing.join(' ')
    } and cannot open it to others.`,
    details: { requiredScopes: missing }
  })
}

/**
 * What registers from now on has the default scopes: those that are added are handed on.
 * @throws Failure `insufficient_permissions`, `unknown_scope`, `scope_api_key_only`.
 */
function requireDefaults (
  actor: Actor,
  { id, identifier, scopes, defaultScopes }: Pick<Resource, 'id' | 'identifier' | 'scopes' | 'defaultScopes'>,
  names: readonly string[]
): string[] {
  const wanted = requireGrantable(names, scopes, identifier)
  requireDelegable(
    actor, { id, scopes }, requireGrantable(names.filter(name => !defaultScopes.includes(name)), scopes, identifier)
  )
  return namesOf(wanted)
}

function stillGrantable (names: readonly string[], scopes: readonly Scope[]): string[] {
  return names.filter(name => scopes.some(scope => scope.name === name && !scope.keyOnly))
}

/**
 * What a plan has to include is the deployment's to say: an organization's change of style keeps it. That keys were
 * taken over is a fact and no choice of style: another style does not cut them off.
 */
function restyled ({ organizationId }: Actor, before: Style, style: Style): Style {
  const { customAccessFeature, sessionFeature, importedKeys } = before
  const plan = organizationId === null
    ? {}
    : { ...(customAccessFeature && { customAccessFeature }), ...(sessionFeature && { sessionFeature }) }
  return { ...style, ...plan, ...(importedKeys && { importedKeys }) }
}

function requireScopes (scopes: readonly Scope[]): Scope[] {
  const byName = new Map<string, Scope>()
  for (const scope of scopes) {
    if (!isScopeToken(scope.name)) {
      throw new Failure('invalid_request', {
        message: `${
          JSON.stringify(scope.name.slice(0, 64))
        } cannot be a scope: use visible ASCII without space, quote or backslash, at most 128 characters (RFC 6749 §3.3).`,
        details: { field: 'scopes' }
      })
    }
    if (readsAsPattern(scope.name)) {
      throw new Failure('invalid_request', {
        message: `${
          JSON.stringify(scope.name)
        } cannot be a scope: it reads as a pattern of scopes. Use a name without an asterisk before or behind its last colon.`,
        details: { field: 'scopes' }
      })
    }
    if (byName.has(scope.name)) {
      throw new Failure('invalid_request', {
        message: `The scope ${scope.name} is named twice.`, details: { field: 'scopes' }
      })
    }
    byName.set(scope.name, { name: scope.name, keyOnly: scope.keyOnly, description: scope.description })
  }
  return [...byName.values()]
}

function requireStyle (style: Style): Style {
  if (isKeyPrefix(style.keyPrefix)) return style
  throw new Failure('invalid_request', {
    message: `${
      JSON.stringify(style.keyPrefix.slice(0, 64))
    } cannot be a key prefix: a lower-case letter and up to 15 more letters or digits.`,
    details: { field: 'style' }
  })
}

/** What an audit row says of a resource. */
export function auditDetail (resource: Resource) {
  const { identifier, name, kind, scopes, defaultScopes, style, signingAlgorithm } = resource
  return {
    organizationId: resource.organizationId,
    subject: resource.id,
    detail: {
      identifier,
      name,
      kind,
      scopes: scopes.map(scope => scope.name),
      defaultScopes,
      style: style.errors,
      signingAlgorithm
    }
  }
}
