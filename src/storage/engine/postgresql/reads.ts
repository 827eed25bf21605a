/** The prepared reads on PostgreSQL. */
import type { Pool } from 'pg'
import { normalIdentifier } from '../../../domain/resources/resource-identifier.ts'
import { readApiKey } from '../../tables/api-keys.ts'
import { readAuthorization } from '../../tables/authorizations.ts'
import { readClient } from '../../tables/clients.ts'
import { postgresqlColumns } from '../../rows/columns.ts'
import { readOrganization } from '../../tables/organizations.ts'
import { readsOfSeveral, statements, type Reads, type SharedRead } from '../reads.ts'
import { readResource } from '../../tables/resources.ts'
import type { Row } from '../../rows/rows.ts'

/** Child rows in their order, read in the statement of their parent: another server may change them between two. */
const parts = (table: string, owner: string) =>
  `(SELECT coalesce(jsonb_agg(to_jsonb(p) ORDER BY p."position"), '[]') FROM "${table}" p WHERE p."${owner}" = t."id")`

const withParts: Record<string, string> = {
  Client: `to_jsonb(t) || jsonb_build_object('secrets', ${parts('ClientSecret', 'clientId')}, 'grants', ${
    parts('ClientGrant', 'clientId')
  })`,
  Resource: `to_jsonb(t) || jsonb_build_object('scopes', ${parts('Scope', 'resourceId')})`
}

function textOf (name: SharedRead): string {
  const { table, rows, columns } = statements[name]
  const row = columns === undefined
    ? withParts[table] ?? 'to_jsonb(t)'
    : `jsonb_build_object(${columns.map(column => `'${column}', t."${column}"`).join(', ')})`
  let parameters = 0
  return `SELECT ${row} AS "row" FROM "${table}" t ${rows.replaceAll('?', () => `$${++parameters}`)}`
}

/** Uses named statements, which each connection of the pool prepares once. */
export function postgresqlReads (pool: Pool): Reads {
  const columns = postgresqlColumns()
  const several = <T>(name: SharedRead, read: (row: Row) => T) => {
    const text = textOf(name)
    return async (...values: (string | number)[]): Promise<T[]> =>
      (await pool.query<{ row: Row }>({ name, text, values })).rows.map(({ row }) => read(row))
  }
  const one = <T>(name: SharedRead, read: (row: Row) => T) => {
    const rows = several(name, read)
    return async (...values: string[]): Promise<T | null> => (await rows(...values))[0] ?? null
  }
  const resourceByNormalForm = one('resourceByIdentifier', row => readResource(row, columns))
  return {
    apiKeyByDigest: one('apiKeyByDigest', row => readApiKey(row, columns)),
    importedApiKey: one('importedApiKey', row => readApiKey(row, columns)),
    apiKey: one('apiKey', row => readApiKey(row, columns)),
    authorization: one('authorization', row => readAuthorization(row, columns)),
    client: one('client', row => readClient(row, columns)),
    organization: one('organization', row => readOrganization(row, columns)),
    resource: one('resource', row => readResource(row, columns)),
    resourceByIdentifier: identifier => resourceByNormalForm(normalIdentifier(identifier)),
    resourcesWithoutNormalForm: several('resourcesWithoutNormalForm', row => readResource(row, columns)),
    ...readsOfSeveral(several, columns),
  }
}
