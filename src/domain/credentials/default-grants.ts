/** Grants of a client that registers without naming any: default scopes of the MCP servers of its organization. */
import type { ResourcePort } from '../resources/resource.ts'
import { requireGrantable } from '../resources/scope.ts'
import type { ClientGrant } from './client.ts'

/** More servers than this a client is not given by default: it would never name all of them. */
export const mostDefaults = 50

/**
 * What a client gets by registering with an organization whose token names no resource: the default scopes of its MCP
 * servers.
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
