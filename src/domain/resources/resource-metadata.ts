/** Protected resource metadata, for clients without a token (RFC 9728). */
import { authorizableScopes } from './authorizable-scopes.ts'
import { managementResourceId, type Resource } from './resource.ts'
import { tokenScopesOf } from './token-scopes.ts'

/** The members of RFC 9728 §2 that are used here. */
export interface ResourceMetadata {
  resource: string
  authorization_servers: string[]
  /** Absent if there is none (RFC 9728 §3.2). */
  scopes_supported?: string[]
  bearer_methods_supported: ['header']
  resource_name: string
}

const wellKnown = '/.well-known/oauth-protected-resource'

/**
 * The metadata document of a resource. Excludes API-key-only scopes: no token can have one. The management API names
 * those that members may allow clients, where the deployment offers it.
 */
export function resourceMetadata (resource: Resource, issuer: string): ResourceMetadata {
  const offered = resource.id === managementResourceId ? authorizableScopes(resource).map(({ name }) => name) : []
  const scopes = offered.length > 0 ? offered : tokenScopesOf(resource).tokenScopes
  return {
    resource: resource.identifier,
    authorization_servers: [issuer],
    ...(scopes.length > 0 ? { scopes_supported: [...scopes] } : {}),
    bearer_methods_supported: ['header'],
    resource_name: resource.name,
  }
}

/**
 * The metadata URL of a resource: the well-known path is inserted between host and path (RFC 9728 §3.1). Null: the
 * identifier has no host (`urn:…`), so it has no such URL.
 */
export function resourceMetadataUrl (identifier: string): string | null {
  const url = URL.parse(identifier)
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) return null
  const path = url.pathname === '/' ? '' : url.pathname
  return `${url.origin}${wellKnown}${path}${url.search}`
}

/**
 * The URL at which this server serves the metadata of a resource: at its well-known path if it shares the issuer's
 * origin, else below the issuer's own, because this server answers at no other origin. A challenge may name either (RFC
 * 9728 §5.1).
 */
export function hostedMetadataUrl ({ id, identifier }: Pick<Resource, 'id' | 'identifier'>, issuer: string): string {
  return isAt(identifier, issuer) ? resourceMetadataUrl(identifier)! : `${issuer}${wellKnown}${hostedPath}${id}`
}

/** The id of the resource on another origin whose metadata is served at a path below the well-known one; null: none. */
export function hostedResourceId (path: string): string | null {
  const id = path.startsWith(hostedPath) ? path.slice(hostedPath.length) : ''
  return /^res_\w{1,64}$/.test(id) ? id : null
}

const hostedPath = '/mcp-servers/'

function isAt (identifier: string, issuer: string): boolean {
  return URL.parse(identifier)?.origin === new URL(issuer).origin
}
