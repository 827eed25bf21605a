/** Resources: protected APIs, and the checks of visibility and use. */
import { Failure } from '../../base/errors.ts'
import type { KeyUse, SigningAlgorithm } from '../tokens/signing-key.ts'
import type { Actor } from '../core/actor.ts'
import type { Listed, ListQuery, Sought } from '../core/list.ts'
import type { Scope } from './scope.ts'
import type { Style } from './style.ts'
import { requireVisible, type Revised, type Operation } from '../core/operation.ts'

/** `mcp`: a server of the Model Context Protocol, with metadata by which its clients find the authorization server. */
export const resourceKinds = ['api', 'mcp'] as const
export type ResourceKind = typeof resourceKinds[number]

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
  /** Null: it belongs to the deployment, and credentials of every organization may be made for it. */
  organizationId: string | null
  scopes: readonly Scope[]
  style: Style
  /** The lifetime of its access tokens, in seconds. */
  tokenLifetime: number
  /** The algorithm that signs its access tokens. */
  signingAlgorithm: SigningAlgorithm
  kind: ResourceKind
  /** For an MCP server: the names of its scopes that clients receive when they register with its organization. */
  defaultScopes: readonly string[]
  /**
   * The most credits that one call may cost which another process asks about, whole; 0: such calls are free. Routes
   * behind a guard in this process declare their own cost.
   */
  mostCredits: number
  /** Of an MCP server, as registries show it. Null: its name stands for it. */
  title: string | null
  /** Null: none. */
  description: string | null
  version: string
  createdAt: Date
  revokedAt: Date | null
}

export interface ResourceRepository extends KeyUse {
  insert (resource: Resource): Promise<void>
  get (id: string): Promise<Resource | null>
  /** In any spelling. */
  byIdentifier (identifier: string): Promise<Resource | null>
  /** At most `limit` resources that an earlier version stored without normal form, by id, behind `after`. */
  withoutNormalForm (after: string, limit: number): Promise<Resource[]>
  /** Stores the normal form of its identifier, by which every spelling finds it. */
  normalize (resource: Pick<Resource, 'id' | 'identifier'>): Promise<void>
  /** Replaces everything but id and createdAt, its scopes included; returns it with its next revision. */
  update (resource: Resource): Promise<Resource>
  /** Of these names, those of scopes that were removed from the resource, as they were then. */
  retiredScopes (id: string, names: readonly string[]): Promise<Scope[]>
  /** Stores scopes that are removed from the resource. */
  retireScopes (id: string, scopes: readonly Scope[]): Promise<void>
  /** Copies the removed API-key-only scopes of the resource that had the same identifier before. */
  inheritRetiredScopes (from: string, to: string): Promise<void>
  /** Revokes every resource of an organization. */
  revokeAll (organizationId: string, revokedAt: Date): Promise<void>
  page (query: ListQuery, filter: ResourceFilter): Promise<Listed<Resource>>
}

/** The clients whose tokens a change of scopes revokes: implemented by the port of clients. */
export interface ClientGenerations {
  clients: {
    /** Adds one to the generation of every client that has a grant on the resource. */
    raiseGenerations (filter: { resourceId: string }): Promise<void>
  }
}

export interface ResourcePort { resources: ResourceRepository }

/** Filters of resources; an absent one matches all. `search`: in the name, or the identifier. */
export interface ResourceFilter extends Sought {
  /** That organization's resources and the deployment's. */
  visibleTo?: string
  /** That organization's only. */
  organizationId?: string
  /** In any spelling. */
  identifier?: string
  /** Exactly this name. */
  name?: string
  kind?: ResourceKind
  revoked?: boolean
}

/** The default lifetime of an access token, in seconds (LB-10). */
export const defaultTokenLifetime = 3600

/** The resource of the issuer's host: the API that shares its origin with Latchkey. */
export const hostResourceId = 'res_host'
/** Latchkey's own API. */
export const managementResourceId = 'res_management'
/** What OpenID Connect tells of a member: the audience of tokens for userinfo. It has no scopes of its own. */
export const identityResourceId = 'res_identity'

/** Their name, scopes and style belong to the version that runs. */
const ofThisVersion = new Set<string>([managementResourceId, identityResourceId])

/** Whether an operator changes nothing of the resource. */
export function isOfThisVersion ({ id }: Pick<Resource, 'id'>): boolean {
  return ofThisVersion.has(id)
}

/** Whether every deployment has the resource. */
export function isBuiltIn ({ id }: Pick<Resource, 'id'>): boolean {
  return id === hostResourceId || ofThisVersion.has(id)
}

/** By id or identifier. An organization sees its own resources and the deployment's. @throws Failure `not_found`. */
export async function getResource (
  { store, actor }: Operation<ResourcePort>, idOrIdentifier: string
): Promise<Resource> {
  return requireReadable(actor, await find(store, idOrIdentifier), idOrIdentifier)
}

/**
 * A resource for which a credential of `organizationId` may be made. Userinfo has tokens of members alone.
 * @throws Failure `unknown_resource`.
 */
export async function requireUsableResource (
  tx: ResourcePort, organizationId: string | null, idOrIdentifier: string
): Promise<Resource> {
  const found = await find(tx, idOrIdentifier)
  if (
    found === null || found.revokedAt !== null || found.id === identityResourceId ||
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

export async function find (repositories: ResourcePort, idOrIdentifier: string): Promise<Resource | null> {
  return await repositories.resources.get(idOrIdentifier) ?? await repositories.resources.byIdentifier(idOrIdentifier)
}

export function requireReadable (actor: Actor, found: Resource | null, name: string): Resource {
  if (found !== null && found.organizationId === null) return found
  return requireVisible(actor, found, 'resource', name)
}

/** The audit detail of a resource. */
export function auditDetail (resource: Resource) {
  const { identifier, name, kind, scopes, defaultScopes, mostCredits, style, signingAlgorithm } = resource
  const { title, description, version } = resource
  return {
    organizationId: resource.organizationId,
    subject: resource.id,
    detail: {
      identifier,
      name,
      kind,
      scopes: scopes.map(scope => scope.name),
      defaultScopes,
      mostCredits,
      ...(kind === 'mcp' ? { title, description, version } : {}),
      style: style.errors,
      signingAlgorithm
    }
  }
}
