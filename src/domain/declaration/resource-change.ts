/** Changes of declared resources: update and revocation. */
import {
  auditDetail, find, hostResourceId, isBuiltIn, isOfThisVersion, requireReadable, type ClientGenerations,
  type Resource, type ResourcePort
} from '../resources/resource.ts'
import { Failure } from '../../base/errors.ts'
import { auditEvent } from '../audit/event.ts'
import type { Actor } from '../core/actor.ts'
import { requireExpected, type Operation } from '../core/operation.ts'
import { requireDeployment } from '../members/delegation.ts'
import { requireStyle, requireKnownSigner } from './resource-declaration.ts'
import { requireScopes, declared, requireDefaults, stillGrantable } from './scope-declaration.ts'
import type { Scope } from '../resources/scope.ts'
import type { Style } from '../resources/style.ts'
import type { SigningAlgorithm, SigningKeyPort } from '../tokens/signing-key.ts'
import type { AuditPort } from '../audit/log.ts'

export interface ResourceChange {
  name?: string
  scopes?: readonly Scope[]
  style?: Style
  /** As at its creation. Tokens that were signed before stay good. */
  signingAlgorithm?: SigningAlgorithm
  /** Left out: those that are still declared. */
  defaultScopes?: readonly string[]
  mostCredits?: number
  /** Of an MCP server. Null: none. */
  title?: string | null
  description?: string | null
  version?: string
}

/** As `getResource`, for a change. @throws Failure as `updateResource`. */
export async function getChangeableResource (
  { store, actor }: Operation<ResourcePort>, idOrIdentifier: string
): Promise<Resource> {
  const found = changeable(actor, await find(store, idOrIdentifier), idOrIdentifier)
  requireNotBuiltIn(found, {})
  return found
}

/**
 * Changes a resource. A scope that is removed, or becomes API-key only, is missing from every client's next token;
 * tokens that carry it end with the generation of their clients, which is raised in the same transaction. A removed
 * scope that is declared again is a new one: nothing that had its name gets it back. An organization's change of style
 * keeps the features that its plan has to include.
 * @throws Failure `insufficient_permissions` for a member's key that hands on scopes which the member lacks, as default
 * scopes or by making a scope no longer API-key only; `invalid_request`, `not_found`, `unknown_scope`,
 * `scope_api_key_only`.
 */
export async function updateResource (
  operation: Operation<AuditPort & ClientGenerations & ResourcePort & SigningKeyPort>,
  idOrIdentifier: string,
  change: ResourceChange
): Promise<Resource> {
  const { store, clock, actor } = operation
  return await store.transaction(async (tx) => {
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
      mostCredits: change.mostCredits ?? before.mostCredits,
      title: change.title === undefined ? before.title : change.title,
      description: change.description === undefined ? before.description : change.description,
      version: change.version ?? before.version,
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

/** Ends a resource: every credential for it is refused. Idempotent. */
export async function revokeResource (
  operation: Operation<AuditPort & ResourcePort>, idOrIdentifier: string
): Promise<Resource> {
  const { store, clock, actor } = operation
  return await store.transaction(async (tx) => {
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

export function changeable (actor: Actor, found: Resource | null, name: string): Resource {
  const resource = requireReadable(actor, found, name)
  if (resource.organizationId === null) {
    requireDeployment(
      actor, `The resource ${resource.identifier} belongs to the deployment; an organization cannot change it.`
    )
  }
  return resource
}

/**
 * A changed management API could not be repaired through itself: it never changes, nor does userinfo. Of the host's
 * resource everything changes but its default scopes.
 */
export function requireNotBuiltIn (resource: Resource, { defaultScopes }: ResourceChange): void {
  const { id, identifier } = resource
  if (isOfThisVersion(resource)) {
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
 * The features that a plan has to include are the deployment's to set: an organization's change of style keeps them.
 * Imported keys are a fact and no choice of style: another style keeps them working.
 */
export function restyled ({ organizationId }: Actor, before: Style, style: Style): Style {
  const { customAccessFeature, sessionFeature, importedKeys } = before
  const plan = organizationId === null
    ? {}
    : { ...(customAccessFeature && { customAccessFeature }), ...(sessionFeature && { sessionFeature }) }
  return { ...style, ...plan, ...(importedKeys && { importedKeys }) }
}
