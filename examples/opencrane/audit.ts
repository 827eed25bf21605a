/** The audit log: every change and every refusal that Latchkey has written. */
import { Type } from 'typebox'
import { exactly, pageOf, pageQuery, shown, Text, type Collection } from './context.ts'
import { byOrganization, organizationOf } from './tenants.ts'

const Entry = Type.Object({
  timestamp: Type.String({ format: 'date-time' }),
  tenant: Type.Optional(Type.String()),
  action: Type.String(),
  resource: Type.String(),
  message: Type.String()
})

interface Event {
  createdAt: string,
  type: string,
  organization: string | null
  actor: string,
  actorName: string | null,
  subject: string | null,
  subjectName: string | null
}

export const audit: Collection = (app, plane) => {
  app.get('/audit', {
    schema: {
      operationId: 'listAuditEntries',
      summary: 'Query the audit log, newest first',
      tags: ['Audit'],
      querystring: exactly({ ...pageQuery, tenant: Type.Optional(Text) }),
      response: { 200: pageOf(Entry) }
    }
  }, async request => {
    const latchkey = plane.latchkey(request)
    const { tenant, ...query } = request.query
    const organization = await organizationOf(plane, latchkey, tenant)
    const known = byOrganization(plane)
    const page = await latchkey.page<Event>('/audit', query, { organization, names: true })
    return shown(page, event => {
      const named = event.organization === null ? undefined : known.get(event.organization)?.name
      const actor = event.actorName ?? event.actor
      const subject = event.subjectName ?? event.subject ?? 'the deployment'
      return {
        timestamp: event.createdAt,
        ...(named === undefined ? {} : { tenant: named }),
        action: event.type,
        resource: event.subject ?? '',
        message: `${actor}: ${event.type} (${subject})`
      }
    })
  })
}
