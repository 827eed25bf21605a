/** What a credential can learn about itself. Both routes take a credential for any resource of the deployment. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { as, GivenScopes, Moment, nullable, OrganizationId, Texts } from './schemas.ts'

const seen = {
  id: as(Type.String(), 'key_2bNfD7hXk9mQpRsTuVwYzA'),
  name: as(Type.String(), 'ci'),
  organization: Type.Union([OrganizationId, Type.Null()], { description: 'Null: none, or, for the admin token, the whole deployment.' }),
  environment: Type.Enum(['live', 'test']),
  resource: nullable(as(Type.String(), 'https://api.acme.test')),
  scopes: GivenScopes,
  allowlist: Texts,
  expiresAt: nullable(Moment),
}
const Own = Type.Object(seen, { title: 'OwnApiKey' })
const Seen = Type.Object({ kind: Type.Enum(['api_key', 'access_token', 'session', 'admin_token']), ...seen }, { title: 'Principal' })
const tags = ['self']

export const selfRoutes: FastifyPluginAsyncTypebox = async app => {
  /** LB-06: an API key reads its own scopes, allowlist and expiry. */
  app.get('/api-key', { config: { scopes: [], apiKeyOnly: true }, schema: { summary: 'What this API key may do', operationId: 'getOwnApiKey', tags, response: { 200: Own } } }, async ({ principal }) => {
    const { id, name, organizationId, environment, resource, scopes, allowlist, expiresAt } = principal
    return { id, name, organization: organizationId, environment, resource, scopes, allowlist, expiresAt }
  })

  app.get('/principal', { config: { scopes: [] }, schema: { summary: 'What this credential amounts to', tags, response: { 200: Seen } } }, async ({ principal }) => {
    const { kind, id, name, organizationId, environment, resource, scopes, allowlist, expiresAt } = principal
    return { kind, id, name, organization: organizationId, environment, resource, scopes, allowlist, expiresAt }
  })
}
