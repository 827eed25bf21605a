import { Failure } from '../../base/errors.ts'
import type { KeyUse } from '../tokens/signing-key.ts'
import type { Actor } from '../core/actor.ts'
import type { Page, PageQuery } from '../core/page.ts'
import type { Scope } from './scope.ts'
import type { SigningAlgorithm } from '../tokens/signing-key.ts'
import type { Style } from './style.ts'
import { requireVisible, type Revised, type Operation } from '../core/operation.ts'

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

export interface ResourceRepository extends KeyUse {
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
  page (query: PageQuery, filter: ResourceFilter): Promise<Page<Resource>>
}

/** The clients that a change of scopes takes tokens from: implemented by the port of clients. */
export interface ClientGenerations {
  clients: {
    /** Adds one to the generation of every client that has a grant on the resource. */
    raiseGenerations (filter: { resourceId: string }): Promise<void>
  }
}

export interface ResourcePort { resources: ResourceRepository }

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

/** By id or identifier. An organization sees its own resources and the deployment's. @throws Failure `not_found`. */
export async function getResource (
  { store, actor }: Operation<ResourcePort>, idOrIdentifier: string
): Promise<Resource> {
  return readable(actor, await find(store, idOrIdentifier), idOrIdentifier)
}

/** A resource that a credential of `organizationId` may be made for. @throws Failure `unknown_resource`. */
export async function requireUsableResource (
  tx: ResourcePort, organizationId: string | null, idOrIdentifier: string
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

export async function find (repositories: ResourcePort, idOrIdentifier: string): Promise<Resource | null> {
  return await repositories.resources.get(idOrIdentifier) ?? await repositories.resources.byIdentifier(idOrIdentifier)
}

export function readable (actor: Actor, found: Resource | null, name: string): Resource {
  if (found !== null && found.organizationId === null) return found
  return requireVisible(actor, found, 'resource', name)
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
