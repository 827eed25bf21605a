/** Names of records by their ids, from all tables that have one. */
import { join, raw, sqltag as sql, type Sql } from '@prisma/client/runtime/client'
import type { NameRepository } from '../../domain/core/names.ts'
import type { Queries } from '../engine/prisma.ts'

/** By the start of their ids. An organization is its own record. */
const tables: Readonly<Record<string, { table: string, owner: string }>> = {
  org: { table: 'Organization', owner: 'id' },
  res: { table: 'Resource', owner: 'organizationId' },
  cli: { table: 'Client', owner: 'organizationId' },
  mem: { table: 'Member', owner: 'organizationId' },
  grp: { table: 'Group', owner: 'organizationId' },
  pol: { table: 'Policy', owner: 'organizationId' },
  key: { table: 'ApiKey', owner: 'organizationId' },
  pbk: { table: 'PublishableKey', owner: 'organizationId' },
  mat: { table: 'ManagementToken', owner: 'organizationId' },
}

export function nameRepository (queries: Queries): NameRepository {
  return {
    async of (ids, organizationId) {
      const selects = Object.entries(tables).flatMap(([start, { table, owner }]): Sql[] => {
        const known = ids.filter(id => id.startsWith(`${start}_`))
        if (known.length === 0) return []
        const own = organizationId === null ? raw('') : sql` AND ${raw(`"${owner}"`)} = ${organizationId}`
        return [sql`SELECT "id", "name" FROM ${raw(`"${table}"`)} WHERE "id" IN (${join(known)})${own}`]
      })
      if (selects.length === 0) return new Map()
      const rows = await queries.$queryRaw<{ id: string, name: string }[]>`${join(selects, ' UNION ALL ')}`
      return new Map(rows.map(({ id, name }) => [id, name]))
    }
  }
}
