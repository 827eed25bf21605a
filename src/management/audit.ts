import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { auditEventTypes, type AuditEvent } from '../domain/audit.ts'
import { operationOf, organizationFilter, type ManagementDependencies } from './operation.ts'
import { pageQuery, wirePage } from './pages.ts'
import { exactly, Id, PageQuerystring } from './schemas.ts'

const Query = exactly({
  ...PageQuerystring,
  organization: Type.Optional(Id),
  type: Type.Optional(Type.Enum([...auditEventTypes])),
  subject: Type.Optional(Id),
})

export function auditRoutes (dependencies: ManagementDependencies): FastifyPluginAsyncTypebox {
  return async app => {
    app.get('/audit', { config: { scopes: ['audit:read'] }, schema: { querystring: Query } }, async request => {
      const operation = operationOf(dependencies, request)
      const query = pageQuery(request.query)
      const { organization, type, subject } = request.query
      const filter = { ...organizationFilter(operation, organization), ...(type ? { type } : {}), ...(subject ? { subject } : {}) }
      return wirePage(query, await operation.store.audit.page(query, filter), wireEvent)
    })
  }
}

function wireEvent ({ id, createdAt, type, actor, organizationId, subject, address, requestId, detail }: AuditEvent) {
  return { id, createdAt, type, actor, organization: organizationId, subject, address, requestId, detail }
}
