import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { auditEventTypes, type AuditEvent } from '../domain/audit.ts'
import { operationOf, organizationFilter, type ManagementDependencies } from './operation.ts'
import { pageQuery, wirePage } from './pages.ts'
import { as, exactly, Id, Moment, nullable, OrganizationId, pageOf, PageQuerystring } from './schemas.ts'

const Query = exactly({
  ...PageQuerystring,
  organization: Type.Optional(Id),
  type: Type.Optional(Type.Enum([...auditEventTypes])),
  subject: Type.Optional(Id),
})

export function auditRoutes (dependencies: ManagementDependencies): FastifyPluginAsyncTypebox {
  return async app => {
    app.get('/audit', { config: { scopes: ['audit:read'] }, schema: { summary: 'List what happened', tags: ['audit'], operationId: 'listAuditEvents', querystring: Query, response: { 200: pageOf(Event) } } }, async request => {
      const operation = operationOf(dependencies, request)
      const query = pageQuery(request.query)
      const { organization, type, subject } = request.query
      const filter = { ...organizationFilter(operation, organization), ...(type ? { type } : {}), ...(subject ? { subject } : {}) }
      return wirePage(query, await operation.store.audit.page(query, filter), wireEvent)
    })
  }
}

const Event = Type.Object({
  id: as(Type.String(), 'evt_7gHjKlMnPqRsTuVwXyZbCd'),
  createdAt: Moment,
  type: Type.Enum([...auditEventTypes]),
  actor: as(Type.String({ description: '`admin`, `system`, or the id of a credential.' }), 'admin'),
  organization: nullable(OrganizationId),
  subject: nullable(Type.String({ description: 'The id of what was changed or refused.', examples: ['cli_SMFY997Oo6f1bZteLcSAnl'] })),
  address: nullable(as(Type.String(), '203.0.113.7')),
  requestId: nullable(Type.String()),
  detail: Type.Record(Type.String(), Type.Unknown()),
}, { title: 'AuditEvent' })

function wireEvent ({ id, createdAt, type, actor, organizationId, subject, address, requestId, detail }: AuditEvent) {
  return { id, createdAt, type, actor, organization: organizationId, subject, address, requestId, detail }
}
