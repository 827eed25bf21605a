/** New resources: an identifier that is free, scopes, a style, a signing algorithm. */
import type { ClientGenerations } from '../resources/resource.ts'
import { Failure } from '../../base/errors.ts'
import { newId } from '../../secrets/random.ts'
import { auditEvent } from '../audit/event.ts'
import type { Actor } from '../core/actor.ts'
import type { Operation } from '../core/operation.ts'
import { requireIdentifier } from '../resources/resource-identifier.ts'
import {
  auditDetail, defaultTokenLifetime, hostResourceId, type Resource, type ResourceKind
} from '../resources/resource.ts'
import type { Scope } from '../resources/scope.ts'
import { isKeyPrefix, type Style } from '../resources/style.ts'
import { requireActiveOrganization } from '../tenancy/organization.ts'
import { defaultAlgorithm, freshUntil, isProvided, type SigningAlgorithm } from '../tokens/signing-key.ts'
import { requireDeployment, requireOpenedHeld } from '../members/delegation.ts'
import { requireDefaults, requireScopes, asFirstDeclared } from './scope-declaration.ts'
import type { ResourcePort } from '../resources/resource.ts'
import type { AuditPort } from '../audit/log.ts'
import type { SigningKeyPort } from '../tokens/signing-key.ts'
import type { OrganizationPort } from '../tenancy/organization.ts'

/** The ports of the operations of this file. */
type Ports = AuditPort & ClientGenerations & OrganizationPort & ResourcePort & SigningKeyPort

/** The version of an MCP server that names none. */
export const defaultVersion = '1.0.0'

export interface ResourceInput {
  identifier: string
  name?: string
  organizationId?: string | null
  scopes: readonly Scope[]
  style: Style
  /** Any but the default needs a key: `SigningKeys.provide` first. */
  signingAlgorithm?: SigningAlgorithm
  kind?: ResourceKind
  defaultScopes?: readonly string[]
  /** 0 unless given. */
  mostCredits?: number
  /** Of an MCP server; left out: none, and 1.0.0. */
  title?: string | null
  description?: string | null
  version?: string
}

/**
 * Declares a resource. The identifier of an ended resource may be declared again by the organization that it belonged
 * to, and by the deployment; the new resource inherits nothing but which scopes were API-key only.
 * @throws Failure `invalid_request` for an unusable identifier, scope or prefix; `conflict` for a taken identifier, and
 * for an algorithm that has no key.
 */
export async function createResource (operation: Operation<Ports>, input: ResourceInput): Promise<Resource> {
  const { store, actor } = operation
  const resource = newResource(operation, input)
  await store.transaction(async (tx) => {
    const holder = await requireDeclarable(tx, actor, resource)
    if (holder !== null) await releaseIdentifier(tx, actor, holder, resource)
    await requireSigner(tx, resource.signingAlgorithm, resource.createdAt)
    await tx.resources.insert(resource)
    if (holder !== null) await tx.resources.inheritRetiredScopes(holder.id, resource.id)
    await tx.audit.append(auditEvent(actor, resource.createdAt, 'resource.created', auditDetail(resource)))
  })
  return resource
}

/** Throws what `createResource` would throw now; before a signing key is made, which would stay after a refusal. */
export async function checkDeclaration (
  operation: Operation<OrganizationPort & ResourcePort>, input: ResourceInput
): Promise<void> {
  const resource = newResource(operation, input)
  await operation.store.transaction(async tx => await requireDeclarable(tx, operation.actor, resource))
}

export function newResource ({ clock, actor }: Operation<unknown>, input: ResourceInput): Resource {
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
    mostCredits: input.mostCredits ?? 0,
    title: input.title ?? null,
    description: input.description ?? null,
    version: input.version ?? defaultVersion,
    createdAt: clock(),
    revokedAt: null,
    revision: 1,
  }
}

/**
 * Returns the ended resource that has the identifier; null: none has it.
 * @throws Failure `conflict` while one that has it is in use, and for an organization that it did not belong to: the
 * API behind that URI may still trust this issuer, and would accept the tokens of the successor.
 */
export async function requireDeclarable (
  tx: OrganizationPort & ResourcePort,
  actor: Actor,
  { identifier, organizationId }: Pick<Resource, 'identifier' | 'organizationId'>
): Promise<Resource | null> {
  if (organizationId !== null) await requireActiveOrganization(tx, actor, organizationId)
  if (actor.organizationId !== null) await requireElsewhere(tx, actor, identifier)
  const holder = await tx.resources.byIdentifier(identifier)
  const mayTake = actor.organizationId === null || actor.organizationId === holder?.organizationId
  if (holder === null || (holder.revokedAt !== null && mayTake)) return holder
  // In the caller's spelling: how another organization wrote it is its own business.
  throw new Failure('conflict', { message: `The identifier ${identifier} is taken.` })
}

/**
 * Makes an ended resource give up its identifier.
 * @throws Failure `insufficient_permissions` as for a change: the same API is behind that URI, and its API-key-only
 * scopes are not opened by an end in between.
 */
export async function releaseIdentifier (
  tx: AuditPort & ClientGenerations & ResourcePort,
  actor: Actor,
  holder: Resource,
  { scopes, createdAt }: Pick<Resource, 'scopes' | 'createdAt'>
): Promise<void> {
  await tx.resources.retireScopes(holder.id, holder.scopes)
  requireOpenedHeld(actor, await tx.resources.retiredScopes(holder.id, scopes.map(({ name }) => name)), scopes)
  await takeIdentifier(tx, actor, holder, createdAt)
}

/**
 * Takes its identifier from a resource, which gets a fragment appended that no declared identifier can have. Keys,
 * grants and policies refer to its id and stay with it; tokens refer to the identifier, and end with the generation of
 * their clients.
 */
export async function takeIdentifier (
  tx: AuditPort & ClientGenerations & ResourcePort, actor: Actor, holder: Resource, at: Date
): Promise<void> {
  const after = await tx.resources.update({ ...holder, identifier: `${holder.identifier}#${holder.id}` })
  await tx.clients.raiseGenerations({ resourceId: holder.id })
  await tx.audit.append(auditEvent(actor, at, 'resource.updated', auditDetail(after)))
}

/**
 * Every server knows the key of an algorithm before a resource uses it: no server issues a token that another cannot
 * verify.
 * @throws Failure `conflict`.
 */
export async function requireSigner (tx: SigningKeyPort, algorithm: SigningAlgorithm, now: Date): Promise<void> {
  if (algorithm === defaultAlgorithm || isProvided(await tx.signingKeys.all(), now, algorithm)) return
  throw new Failure('conflict', {
    message: `There is no signing key of ${algorithm}; make one with \`latchkey signing-key rotate --algorithm ` +
      `${algorithm}\`, and do this again.`
  })
}

/**
 * As `requireSigner`, for a resource that verifiers know already: the first key of an algorithm that a new resource
 * brought along signs at once, and their caches may lack it. While a first key is only published the default one signs.
 */
export async function requireKnownSigner (tx: SigningKeyPort, algorithm: SigningAlgorithm, now: Date): Promise<void> {
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
 * This server's well-known documents describe the issuer's own origin: an organization declares no resource there.
 * @throws Failure `insufficient_permissions`.
 */
export async function requireElsewhere (tx: ResourcePort, actor: Actor, identifier: string): Promise<void> {
  const host = await tx.resources.get(hostResourceId)
  if (host === null || new URL(identifier).origin !== new URL(host.identifier).origin) return
  requireDeployment(
    actor, `Naming a resource at ${host.identifier} takes the admin token; that origin is the deployment's.`
  )
}

export function requireStyle (style: Style): Style {
  if (isKeyPrefix(style.keyPrefix)) return style
  throw new Failure('invalid_request', {
    message: `${
      JSON.stringify(style.keyPrefix.slice(0, 64))
    } cannot be a key prefix: a lower-case letter and up to 15 more letters or digits.`,
    details: { field: 'style' }
  })
}
