/** The prepared reads on SQLite. */
import Database from 'better-sqlite3'
import { normalIdentifier } from '../../../domain/resources/resource-identifier.ts'
import { readApiKey } from '../../tables/api-keys.ts'
import { readAuthorization } from '../../tables/authorizations.ts'
import { readClient } from '../../tables/clients.ts'
import { sqliteColumns } from '../../rows/columns.ts'
import type { Limits } from '../timeouts.ts'
import { readOrganization } from '../../tables/organizations.ts'
import { readsOfSeveral, statements, type Reads, type SharedRead } from '../reads.ts'
import { readResource } from '../../tables/resources.ts'
import type { Row } from '../../rows/rows.ts'

/**
 * Reads on a separate connection, which sees committed rows only. The first read opens it: before that the tables may
 * not exist. Call `close` before closing the writing connection, which checkpoints only if it is the last one.
 */
export function sqliteReads (path: string, limits: Limits): { reads: Required<Reads>, close (): void } {
  let open: { database: InstanceType<typeof Database>, reads: Required<Reads> } | null = null
  const reads = (): Required<Reads> => (open ??= openReads(path, limits)).reads
  return {
    reads: {
      apiKeyByDigest: digest => reads().apiKeyByDigest(digest),
      importedApiKey: (digest, resourceId) => reads().importedApiKey(digest, resourceId),
      importedForDeployment: digest => reads().importedForDeployment(digest),
      apiKey: id => reads().apiKey(id),
      authorization: id => reads().authorization(id),
      client: id => reads().client(id),
      organization: id => reads().organization(id),
      resource: id => reads().resource(id),
      resourceByIdentifier: identifier => reads().resourceByIdentifier(identifier),
      resourcesWithoutNormalForm: (after, limit) => reads().resourcesWithoutNormalForm(after, limit),
      policiesOf: organizationId => reads().policiesOf(organizationId),
      deploymentPolicies: () => reads().deploymentPolicies(),
      signingKeys: () => reads().signingKeys(),
      personSession: digest => reads().personSession(digest),
      revokedTokens: (after, limit) => reads().revokedTokens(after, limit),
      headsNotUnder: (key, limit) => reads().headsNotUnder(key, limit),
      skillNotUnder: secretId => reads().skillNotUnder(secretId),
      sourceNotUnder: secretId => reads().sourceNotUnder(secretId),
      reviewerNotUnder: secretId => reads().reviewerNotUnder(secretId),
      someProviderKey: () => reads().someProviderKey(),
      refused: (after, limit) => reads().refused(after, limit),
      refusedSubject: (kind, other, subject) => reads().refusedSubject(kind, other, subject),
      importedKeys: (after, limit) => reads().importedKeys(after, limit),
    },
    close () {
      open?.database.close()
      open = null
    },
  }
}

/** The scopes of a resource in the statement that reads it: a list of keys costs one statement less. */
const scopesOfResource = `(
  SELECT json_group_array(json_object(
    'name', "name", 'keyOnly', "keyOnly", 'description', "description", 'reference', "reference"
  ) ORDER BY "position")
  FROM "Scope" WHERE "resourceId" = "Resource"."id"
) AS "scopes"`

function openReads (path: string, limits: Limits) {
  const database = new Database(path, { readonly: true, timeout: limits.busy })
  const columns = sqliteColumns()
  const prepared = (name: SharedRead) => {
    const { table, rows, columns } = statements[name]
    const whole = table === 'Resource' ? `*, ${scopesOfResource}` : '*'
    return database.prepare<(string | number)[], Row>(
      `SELECT ${columns?.map(column => `"${column}"`).join(', ') ?? whole} FROM "${table}" ${rows}`
    )
  }
  const one = <T>(name: SharedRead, read: (row: Row, value: string) => T) => {
    const statement = prepared(name)
    return (value: string, ...more: string[]): T | null => {
      const row = statement.get(value, ...more)
      return row === undefined ? null : read(row, value)
    }
  }
  const several = <T>(name: SharedRead, read: (row: Row) => T) => {
    const statement = prepared(name)
    return (...values: (string | number)[]): T[] => statement.all(...values).map(read)
  }
  const parts = (table: string, owner: string) =>
    database.prepare<[string], Row>(`SELECT * FROM "${table}" WHERE "${owner}" = ? ORDER BY "position"`)
  const [secrets, grants] = [parts('ClientSecret', 'clientId'), parts('ClientGrant', 'clientId')]
  const resource = (row: Row) => readResource({ ...row, scopes: JSON.parse(row.scopes as string) as Row[] }, columns)
  // By rowid, the order of storage: any other order costs a search for each key.
  const nextKeys = database.prepare<[number, number], { through: number | null, keys: string }>(`
    SELECT max("place") AS "through", json_group_array(json_array("digest", "resourceId", (
      SELECT "organizationId" IS NULL FROM "Resource" WHERE "id" = "resourceId"
    ))) FILTER (WHERE "imported") AS "keys"
    FROM (
      SELECT rowid AS "place", "digest", "resourceId", "imported" FROM "ApiKey"
      WHERE rowid > ? ORDER BY rowid LIMIT ?
    )`)
  const resourceByNormalForm = one('resourceByIdentifier', resource)
  const reads: Required<Reads> = {
    // Reuses the argument, which is also the cache key, as the record's digest: one string instead of two.
    apiKeyByDigest: one('apiKeyByDigest', (row, digest) => readApiKey(Object.assign(row, { digest }), columns)),
    importedApiKey: one('importedApiKey', row => readApiKey(row, columns)),
    apiKey: one('apiKey', row => readApiKey(row, columns)),
    authorization: one('authorization', row => readAuthorization(row, columns)),
    // Several statements in one turn: this process makes every change, and none between them.
    client: one(
      'client', (row, id) => readClient({ ...row, secrets: secrets.all(id), grants: grants.all(id) }, columns)
    ),
    organization: one('organization', row => readOrganization(row, columns)),
    resource: one('resource', resource),
    resourceByIdentifier: identifier => resourceByNormalForm(normalIdentifier(identifier)),
    resourcesWithoutNormalForm: several('resourcesWithoutNormalForm', resource),
    ...readsOfSeveral(several, columns),
    importedKeys (after, limit) {
      const { through, keys } = nextKeys.get(after, limit)!
      const rows = JSON.parse(keys) as [string, string, number][]
      return {
        through,
        keys: rows.map(([digest, resourceId, shared]) => ({
          digest, resourceId: columns.common(resourceId), shared: shared === 1
        }))
      }
    }
  }
  return { database, reads }
}
