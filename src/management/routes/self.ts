/** What a credential can learn about itself. Both routes take a credential for any resource of the deployment. */
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
const OwnApiKey = Type.Object({ ...principalMembers, ...Type.Partial(Type.Object(reachMembers)).properties }, { title: 'OwnApiKey' })
const WirePrincipal = Type.Object({
  kind: Type.Enum(['api_key', 'access_token', 'management_token', 'session', 'admin_token']), ...principalMembers, ...reachMembers
}, { title: 'Principal' })
const tags = ['self']

export const selfRoutes = routes<void>(getOwnApiKeyRoute, getPrincipalRoute)()

/** LB-06: an API key reads its own scopes, allowlist and expiry. */
function getOwnApiKeyRoute (app: RouteContext): void {
  app.get('/api-key', {
    config: { scopes: [], apiKeyOnly: true },
    schema: {
      summary: 'What this API key may do',
      description: 'Its scopes, allowlist and end (LB-06), whatever the resource that it is for.',
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
      summary: 'What this credential amounts to',
      description: 'Any credential, for any resource of the deployment.',
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

/** What sets a key apart from a plain one, whose answer holds the members of LB-06 and no others. */
function reachOf ({ access, organizations, objects }: Principal): Partial<Principal> {
  return {
    ...(access === 'custom' ? {} : { access }),
    ...(organizations.length > 1 ? { organizations } : {}),
    ...(Object.keys(objects).length > 0 ? { objects } : {}),
  }
}
