import type { AuditEvent, AuditLog } from '../domain/audit.ts'
import type { Prisma, Queries } from './prisma.ts'
import { json, pageOf, toPage } from './rows.ts'

export function auditLog ({ auditEvent: table }: Queries): AuditLog {
  return {
    async append (event) {
      await table.create({ data: { ...event, detail: json(event.detail) } })
    },
    async page (query, { organizationId, type, subject }) {
      const { where, ...page } = pageOf(query)
      return toPage(await table.findMany({ ...page, where: { AND: [where, { organizationId, type, subject }] } }), query, read)
    },
  }
}

function read (row: Prisma.AuditEventGetPayload<object>): AuditEvent {
  return { ...row, type: row.type as AuditEvent['type'], detail: row.detail as Record<string, unknown> }
}
