/** A credential reads about itself. Both routes accept a credential for any resource of the deployment. */
import { Type } from '../../http/typebox-lite.ts'
import type { Principal } from '../../domain/access/principal.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import { principalMembers, reachMembers, WirePrincipal, wirePrincipal } from '../schemas/principal.ts'

const OwnApiKey = Type.Object({ ...principalMembers, ...Type.Partial(Type.Object(reachMembers)).properties }, {
  title: 'OwnApiKey'
})
const tags = ['self']

export const selfRoutes = routes<void>(getOwnApiKeyRoute, getPrincipalRoute)()

/** LB-06: an API key reads its own scopes, allowlist and expiry. */
function getOwnApiKeyRoute (app: RouteContext): void {
  app.get('/api-key', {
    config: { scopes: [], apiKeyOnly: true },
    schema: {
      summary: 'Read this API key',
      description: 'Its scopes, allowlist and expiry (LB-06), for a key of any resource.',
      operationId: 'getOwnApiKey',
      tags,
      response: { 200: OwnApiKey },
    },
  }, async ({ principal }) => {
    const { id, name, organizationId, environment, resource, scopes, allowlist, expiresAt } = principal
    return {
      id, name, organization: organizationId, environment, resource, scopes, allowlist, expiresAt, ...reachOf(principal)
    }
  })
}

function getPrincipalRoute (app: RouteContext): void {
  app.get('/principal', {
    config: { scopes: [] },
    schema: {
      summary: 'Read the principal of this credential',
      description: 'For any credential of any resource of the deployment.',
      tags,
      response: { 200: WirePrincipal },
    },
  }, async ({ principal }) => wirePrincipal(principal))
}

/** Members beyond those of LB-06, present only for a key that differs from a plain one. */
function reachOf ({ access, organizations, objects }: Principal): Partial<Principal> {
  return {
    ...(access === 'custom' ? {} : { access }),
    ...(organizations.length > 1 ? { organizations } : {}),
    ...(Object.keys(objects).length > 0 ? { objects } : {}),
  }
}
