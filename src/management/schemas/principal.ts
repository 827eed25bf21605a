/** The principal as every answer shows it that describes one. */
import type { Static } from 'typebox'
import { Type } from '../../http/typebox-lite.ts'
import type { Principal } from '../../domain/access/principal.ts'
import { accessLevels } from '../../domain/credentials/api-key.ts'
import { as, GivenObjects, GivenScopes, Moment, nullable, OrganizationId, Texts } from '../conventions/schemas.ts'

export const principalMembers = {
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
export const reachMembers = {
  access: nullable(Type.Enum([...accessLevels])), organizations: Texts, objects: GivenObjects
}
export const WirePrincipal = Type.Object({
  kind: Type.Enum(['api_key', 'access_token', 'management_token', 'session', 'person', 'admin_token']),
  idKind: Type.Optional(Type.Enum(['api_key', 'workload_rule'], {
    description: 'What `id` names in an access token; absent: a client, or the member for whom it acts.'
  })),
  ...principalMembers,
  ...reachMembers
}, { title: 'Principal' })

export function wirePrincipal (principal: Principal): Static<typeof WirePrincipal> {
  const { kind, idKind, id, name, organizationId, organizations, environment } = principal
  const { resource, access, scopes, objects, allowlist, expiresAt } = principal
  return {
    kind,
    ...(idKind === undefined ? {} : { idKind }),
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
}
