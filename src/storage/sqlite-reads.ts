import Database from 'better-sqlite3'
import { readApiKey } from './api-keys.ts'
import { readClient } from './clients.ts'
import { sqliteColumns } from './columns.ts'
import type { Limits } from './limits.ts'
import { readOrganization } from './organizations.ts'
import { readsOfSeveral, statements, type Reads, type Shared } from './reads.ts'
import { readResource } from './resources.ts'
import type { Row } from './rows.ts'

/**
 * Reads on a connection of their own, which sees what is committed and nothing of a transaction that is open. Opened by the
 * first of them: before that the tables may not be there. `close` before the writing connection, which tidies up behind itself
 * only when it is the last.
 */
export function sqliteReads (path: string, limits: Limits): { reads: Required<Reads>, close (): void } {
  let open: { database: InstanceType<typeof Database>, reads: Required<Reads> } | null = null
  const reads = (): Required<Reads> => (open ??= openReads(path, limits)).reads
  return {
    reads: {
      apiKeyByDigest: digest => reads().apiKeyByDigest(digest),
      apiKey: id => reads().apiKey(id),
      client: id => reads().client(id),
      organization: id => reads().organization(id),
      resource: id => reads().resource(id),
      resourceByIdentifier: identifier => reads().resourceByIdentifier(identifier),
      policiesOf: organizationId => reads().policiesOf(organizationId),
      deploymentPolicies: () => reads().deploymentPolicies(),
      signingKeys: () => reads().signingKeys(),
      revokedTokens: (after, limit) => reads().revokedTokens(after, limit),
      headsNotUnder: (key, limit) => reads().headsNotUnder(key, limit),
      importedDigests: (after, limit) => reads().importedDigests(after, limit),
    },
    close () {
      open?.database.close()
      open = null
    },
  }
}

function openReads (path: string, limits: Limits) {
  const database = new Database(path, { readonly: true, timeout: limits.busy })
  const columns = sqliteColumns()
  const prepared = (name: Shared) => {
    const { table, rows, columns } = statements[name]
    return database.prepare<(string | number)[], Row>(`SELECT ${columns?.map(column => `"${column}"`).join(', ') ?? '*'} FROM "${table}" ${rows}`)
  }
  const one = <T>(name: Shared, read: (row: Row, value: string) => T) => {
    const statement = prepared(name)
    return (value: string): T | null => {
      const row = statement.get(value)
      return row === undefined ? null : read(row, value)
    }
  }
  const several = <T>(name: Shared, read: (row: Row) => T) => {
    const statement = prepared(name)
    return (...values: (string | number)[]): T[] => statement.all(...values).map(read)
  }
  const parts = (table: string, owner: string) => database.prepare<[string], Row>(`SELECT * FROM "${table}" WHERE "${owner}" = ? ORDER BY "position"`)
  const [secrets, grants, scopes] = [parts('ClientSecret', 'clientId'), parts('ClientGrant', 'clientId'), parts('Scope', 'resourceId')]
  const resource = (row: Row) => readResource({ ...row, scopes: scopes.all(row.id as string) }, columns)
  // By rowid, the order in which they are stored: by any other order each key costs a search.
  const nextKeys = database.prepare<[number, number], { through: number | null, digests: string }>(`
    SELECT max("place") AS "through", json_group_array("digest") FILTER (WHERE "imported") AS "digests"
    FROM (SELECT rowid AS "place", "digest", "imported" FROM "ApiKey" WHERE rowid > ? ORDER BY rowid LIMIT ?)`)
  const reads: Required<Reads> = {
    // The text that was asked for, which memory keeps the record by, is the record's too: one string, not two.
    apiKeyByDigest: one('apiKeyByDigest', (row, digest) => readApiKey(Object.assign(row, { digest }), columns)),
    apiKey: one('apiKey', row => readApiKey(row, columns)),
    // Several statements in one turn: this process makes every change, and makes none between them.
    client: one('client', (row, id) => readClient({ ...row, secrets: secrets.all(id), grants: grants.all(id) }, columns)),
    organization: one('organization', row => readOrganization(row, columns)),
    resource: one('resource', resource),
    resourceByIdentifier: one('resourceByIdentifier', resource),
    ...readsOfSeveral(several, columns),
    importedDigests (after, limit) {
      const { through, digests } = nextKeys.get(after, limit)!
      return { through, digests: JSON.parse(digests) as string[] }
    },
  }
  return { database, reads }
}
