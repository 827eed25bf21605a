import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { createMember, getMember, removeMember, roles, updateMember, type Member } from '../domain/member.ts'
import { operationOf, organizationFilter, organizationOf, type ManagementDependencies } from './operation.ts'
import { pageQuery, wirePage } from './pages.ts'
import { exactly, Id, IdParams, Name, OrganizationQuerystring, Reason, ScopeNames } from './schemas.ts'

const read = { scopes: ['members:read'] }
const write = { scopes: ['members:write'] }

const Role = Type.Enum([...roles])
const Scopes = Type.Union([ScopeNames, Type.Null()], { description: 'Patterns of scopes that stand instead of the role\'s; null: the role\'s.' })
const NewMember = exactly({ organization: Type.Optional(Id), name: Name, role: Role, scopes: Type.Optional(Scopes) })
const MemberChange = exactly({ name: Type.Optional(Name), role: Type.Optional(Role), scopes: Type.Optional(Scopes) })

export function memberRoutes (dependencies: ManagementDependencies): FastifyPluginAsyncTypebox {
  return async app => {
    app.post('/members', { config: write, schema: { body: NewMember } }, async (request, reply) => {
      const operation = operationOf(dependencies, request)
      const { organization, ...input } = request.body
      return await reply.code(201).send(wireMember(await createMember(operation, { ...input, organizationId: organizationOf(operation, organization) })))
    })

    app.get('/members', { config: read, schema: { querystring: OrganizationQuerystring } }, async request => {
      const operation = operationOf(dependencies, request)
      const query = pageQuery(request.query)
      return wirePage(query, await operation.store.members.page(query, organizationFilter(operation, request.query.organization)), wireMember)
    })

    app.get('/members/:id', { config: read, schema: { params: IdParams } }, async request =>
      wireMember(await getMember(operationOf(dependencies, request), request.params.id)))

    app.patch('/members/:id', { config: write, schema: { params: IdParams, body: MemberChange } }, async request =>
      wireMember(await updateMember(operationOf(dependencies, request), request.params.id, request.body)))

    app.post('/members/:id/remove', { config: write, schema: { params: IdParams, body: Reason } }, async request =>
      wireMember(await removeMember(operationOf(dependencies, request), request.params.id)))
  }
}

function wireMember ({ id, organizationId, name, role, scopes, createdAt, removedAt }: Member) {
  return { id, organization: organizationId, name, role, scopes, createdAt, removedAt }
}
