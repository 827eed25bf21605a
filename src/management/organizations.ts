import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { namesLimits } from '../domain/limits.ts'
import { createOrganization, getOrganization, updateOrganization, type Organization } from '../domain/organization.ts'
import { operationOf, requireDeployment, type ManagementDependencies } from './operation.ts'
import { pageQuery, wirePage } from './pages.ts'
import { exactly, Features, IdParams, limits, Name, PageQuerystring } from './schemas.ts'

const read = { scopes: ['organizations:read'] }
const write = { scopes: ['organizations:write'] }

export function organizationRoutes (dependencies: ManagementDependencies): FastifyPluginAsyncTypebox {
  return async app => {
    const NewOrganization = exactly({ name: Name, features: Type.Optional(Features), ...limits })
    app.post('/organizations', { config: write, schema: { body: NewOrganization } }, async (request, reply) => {
      const operation = operationOf(dependencies, request)
      requireDeployment(operation, 'Creating an organization')
      return await reply.code(201).send(wireOrganization(await createOrganization(operation, request.body)))
    })

    app.get('/organizations', { config: read, schema: { querystring: exactly(PageQuerystring) } }, async request => {
      const { actor, store } = operationOf(dependencies, request)
      const query = pageQuery(request.query)
      return wirePage(query, await store.organizations.page(query, actor.organizationId === null ? {} : { id: actor.organizationId }), wireOrganization)
    })

    app.get('/organizations/:id', { config: read, schema: { params: IdParams } }, async request =>
      wireOrganization(await getOrganization(operationOf(dependencies, request), request.params.id)))

    const change = exactly({ name: Type.Optional(Name), status: Type.Optional(Type.Enum(['active', 'suspended'])), features: Type.Optional(Features), ...limits })
    app.patch('/organizations/:id', { config: write, schema: { params: IdParams, body: change } }, async request => {
      const operation = operationOf(dependencies, request)
      if (request.body.status !== undefined) requireDeployment(operation, 'Suspending or resuming an organization')
      if (request.body.features !== undefined) requireDeployment(operation, 'Changing what the plan of an organization includes')
      if (namesLimits(request.body)) requireDeployment(operation, 'Setting the limits of an organization')
      return wireOrganization(await updateOrganization(operation, request.params.id, request.body))
    })
  }
}

function wireOrganization ({ id, name, status, features, callsPerMonth, creditsPerMonth, callsPerMinute, createdAt, suspendedAt }: Organization) {
  return { id, name, status, features, callsPerMonth, creditsPerMonth, callsPerMinute, createdAt, suspendedAt }
}
