import type { Pool } from 'pg'
import { readApiKey } from './api-keys.ts'
import { readClient } from './clients.ts'
import { postgresqlColumns } from './columns.ts'
import { readOrganization } from './organizations.ts'
import { readsBy, type Reads } from './reads.ts'
import type { Row } from './rows.ts'

/** Rows of a client that belong to it, in their order, in the one statement that reads it: another server may change them between two. */
const withParts = ['ClientSecret', 'ClientGrant'].map(table =>
  `(SELECT coalesce(jsonb_agg(to_jsonb(p) ORDER BY p."position"), '[]') FROM "${table}" p WHERE p."clientId" = t."id")`)

const whole = {
  ApiKey: 'to_jsonb(t)',
  Client: `to_jsonb(t) || jsonb_build_object('secrets', ${withParts[0]}, 'grants', ${withParts[1]})`,
  Organization: 'to_jsonb(t)',
}

/** Reads by named statements, which each connection of the pool prepares once. */
export function postgresqlReads (pool: Pool): Reads {
  const columns = postgresqlColumns()
  const reading = <T>(name: keyof Reads, read: (row: Row) => T) => {
    const { table, column } = readsBy[name]
    const text = `SELECT ${whole[table]} AS "row" FROM "${table}" t WHERE t."${column}" = $1`
    return async (value: string): Promise<T | null> => {
      const { rows: [found] } = await pool.query<{ row: Row }>({ name, text, values: [value] })
      return found === undefined ? null : read(found.row)
    }
  }
  return {
    apiKeyByDigest: reading('apiKeyByDigest', row => readApiKey(row, columns)),
    apiKey: reading('apiKey', row => readApiKey(row, columns)),
    client: reading('client', row => readClient(row, columns)),
    organization: reading('organization', row => readOrganization(row, columns)),
  }
}
