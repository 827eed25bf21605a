/** A credential reads about itself. Both routes accept a credential for any resource of the deployment. */
import { Type } from '../../http/typebox-lite.ts'
import { accessLevels } from '../../domain/credentials/api-key.ts'
import type { Principal } from '../../domain/access/principal.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import { as, GivenObjects, GivenScopes, Moment, nullable, OrganizationId, Texts } from '../conventions/schemas.ts'

const principalMembers = {
  id: as(Type.String(), 'key_2bNfD7hXk9mQpRsTuVwYzA'),
  name: as(Type.String(), 'ci'),
  organization: Type.Union([OrganizationId, Type.Null()], {
    description: 'Null: none, or, for the admin token, the whole deployment.'
  }),
  environment: Type.Enum(['live', 'test']),
  resource: nullable(as(Type.String(), 'https://api.acme.test')),
  scopes: GivenScopes,
  allowlist: Texts,
  expiresAt: nullable(Moment),
}
const reachMembers = { access: nullable(Type.Enum([...accessLevels])), organizations: Texts, objects: GivenObjects }
const OwnApiKey = Type.Object({ ...principalMembers, ...Type.Partial(Type.Object(reachMembers)).properties }, {
  title: 'OwnApiKey'
})
const WirePrincipal = Type.Object({
  kind: Type.Enum(['api_key', 'access_token', 'management_token', 'session', 'admin_token']),
  ...principalMembers,
  ...reachMembers
}, { title: 'Principal' })
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
  }, async ({ principal }) => {
    const { kind, id, name, organizationId, organizations, environment } = principal
    const { resource, access, scopes, objects, allowlist, expiresAt } = principal
    return {
      kind,
      id,
      name,
      organization: organizationId,
      organizations,
      environment,
      resource,
      access,
      scopes,
      objects,
      allowlist,
      expiresAt
    }
  })
}

/** Members beyond those of LB-06, present only for a key that differs from a plain one. */
function reachOf ({ access, organizations, objects }: Principal): Partial<Principal> {
  return {
    ...(access === 'custom' ? {} : { access }),
    ...(organizations.length > 1 ? { organizations } : {}),
    ...(Object.keys(objects).length > 0 ? { objects } : {}),
  }
}
