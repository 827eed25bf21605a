/** What a credential can learn about itself. Both routes take a credential for any resource of the deployment. */
import type { FastifyInstance } from 'fastify'

export async function selfRoutes (app: FastifyInstance): Promise<void> {
  /** LB-06: an API key reads its own scopes, allowlist and expiry. */
  app.get('/api-key', { config: { scopes: [], apiKeyOnly: true } }, async ({ principal }) => {
    const { id, name, organizationId, environment, resource, scopes, allowlist, expiresAt } = principal
    return { id, name, organization: organizationId, environment, resource, scopes, allowlist, expiresAt }
  })

  app.get('/principal', { config: { scopes: [] } }, async ({ principal }) => {
    const { kind, id, name, organizationId, environment, resource, scopes, allowlist, expiresAt } = principal
    return { kind, id, name, organization: organizationId, environment, resource, scopes, allowlist, expiresAt }
  })
}
