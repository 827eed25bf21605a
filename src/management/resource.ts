/** The management API as a resource: its identifier, and the scopes that credentials for it may have. */
import { managementResourceId, type Resource } from '../domain/resources/resource.ts'
import type { Scope } from '../domain/resources/scope.ts'
import { managementStyle } from '../domain/resources/style.ts'

/** The path below which the management API is served. */
export const managementPath = '/api/v1'

/** Collections with a scope for reading and a scope for writing. */
const collections = [
  'organizations',
  'members',
  'groups',
  'policies',
  'effective-access',
  'resources',
  'clients',
  'api-keys',
  'publishable-keys',
  'webhook-tokens',
  'registration-tokens',
  'access-tokens',
  'mcp-servers',
  'signing-keys'
]

/** The scopes that a credential may be granted on the management API. */
export const managementScopes: readonly Scope[] = [
  ...collections.flatMap(collection => [`${collection}:read`, `${collection}:write`]),
  'audit:read',
  'audit:write',
  'usage:read',
  'credits:read',
  'credits:write',
  'server:read',
  'replicas:read',
  'replicas:write'
].map(name => ({ name, keyOnly: false, description: null }))

/** The resource that credentials for the management API are issued for. */
export function managementResource (issuer: string): Pick<Resource, 'id' | 'identifier' | 'name' | 'scopes' | 'style'> {
  return {
    id: managementResourceId,
    identifier: issuer + managementPath,
    name: 'Latchkey management API',
    scopes: managementScopes,
    style: managementStyle
  }
}
