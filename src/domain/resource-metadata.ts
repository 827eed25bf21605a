/** What a resource says of itself to those who come without a token (RFC 9728). */
import type { Resource } from './resource.ts'

/** RFC 9728 §2, the members that are used here. */
export interface ResourceMetadata {
  resource: string
  authorization_servers: string[]
  scopes_supported: string[]
  bearer_methods_supported: ['header']
  resource_name: string
}

const wellKnown = '/.well-known/oauth-protected-resource'

/** The metadata document of a resource. Never names an API-key-only scope: no token can have one. */
export function resourceMetadata (resource: Resource, issuer: string): ResourceMetadata {
  return {
    resource: resource.identifier,
    authorization_servers: [issuer],
    scopes_supported: resource.scopes.filter(scope => !scope.keyOnly).map(scope => scope.name),
    bearer_methods_supported: ['header'],
    resource_name: resource.name,
  }
}

/**
 * Where the metadata of a resource is found: the well-known path is inserted between host and path (RFC 9728 §3.1).
 * Null: an identifier without a host (`urn:…`) has no such place.
 */
export function resourceMetadataUrl (identifier: string): string | null {
  const url = URL.parse(identifier)
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) return null
  const path = url.pathname === '/' ? '' : url.pathname
  return `${url.origin}${wellKnown}${path}${url.search}`
}
