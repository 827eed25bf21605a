/** What a credential can learn about itself. Both routes take a credential for any resource of the deployment. */
import type { FastifyInstance } from 'fastify'
import type { Principal } from '../domain/principal.ts'

export async function selfRoutes (app: FastifyInstance): Promise<void> {
  /** LB-06: an API key reads its own scopes, allowlist and expiry. */
  app.get('/api-key', { config: { scopes: [], apiKeyOnly: true } }, async ({ principal }) => {
    const { id, name, organizationId, environment, resource, scopes, allowlist, expiresAt } = principal
    return { id, name, organization: organizationId, environment, resource, scopes, allowlist, expiresAt, ...reachOf(principal) }
  })

  app.get('/principal', { config: { scopes: [] } }, async ({ principal }) => {
    const { kind, id, name, organizationId, organizations, environment, resource, access, scopes, objects, allowlist, expiresAt } = principal
    return { kind, id, name, organization: organizationId, organizations, environment, resource, access, scopes, objects, allowlist, expiresAt }
  })
}

/** What sets a key apart from a plain one, whose answer holds the members of LB-06 and no others. */
function reachOf ({ access, organizations, objects }: Principal): Partial<Principal> {
  return {
    ...(access === 'custom' ? {} : { access }),
    ...(organizations.length > 1 ? { organizations } : {}),
    ...(Object.keys(objects).length > 0 ? { objects } : {}),
  }
}
