/** Grants of a client that registers without naming any: default scopes of the MCP servers of its organization. */
import type { ResourcePort } from '../resources/resource.ts'
import { requireGrantable } from '../resources/scope.ts'
import type { ClientGrant } from './client.ts'

/** Most MCP servers that a client is granted by default: it would never name more. */
export const mostDefaults = 50

/**
 * The grants of a client that registers with a token without a resource: the default scopes of the MCP servers of the
 * organization.
 */
export async function defaultGrants (tx: ResourcePort, organizationId: string): Promise<ClientGrant[]> {
  const { items } = await tx.resources.page({ limit: mostDefaults, after: null }, {
    organizationId, kind: 'mcp', revoked: false
  })
  const giving = items.filter(({ defaultScopes }) => defaultScopes.length > 0)
  return giving.map(({ id: resourceId, identifier, scopes, defaultScopes }) => ({
    resourceId, scopes: requireGrantable(defaultScopes, scopes, identifier)
  }))
}
