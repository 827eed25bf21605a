import Database from 'better-sqlite3'
import { readApiKey } from './api-keys.ts'
import { readClient } from './clients.ts'
import { sqliteColumns } from './columns.ts'
import type { Limits } from './limits.ts'
import { readOrganization } from './organizations.ts'
import { readsBy, type Reads } from './reads.ts'
import type { Row } from './rows.ts'

/**
 * Reads on a connection of their own, which sees what is committed and nothing of a transaction that is open. Opened by the
 * first of them: before that the tables may not be there. `close` before the writing connection, which tidies up behind itself
 * only when it is the last.
 */
export function sqliteReads (path: string, limits: Limits): { reads: Reads, close (): void } {
  let open: { database: InstanceType<typeof Database>, reads: Reads } | null = null
  const reads = (): Reads => (open ??= openReads(path, limits)).reads
  return {
    reads: {
      apiKeyByDigest: digest => reads().apiKeyByDigest(digest),
      apiKey: id => reads().apiKey(id),
      client: id => reads().client(id),
      organization: id => reads().organization(id),
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
  const [keyByDigest, key, client, organization] = (['apiKeyByDigest', 'apiKey', 'client', 'organization'] as const).map(name =>
    database.prepare<[string], Row>(`SELECT * FROM "${readsBy[name].table}" WHERE "${readsBy[name].column}" = ?`))
  const [secrets, grants] = ['ClientSecret', 'ClientGrant'].map(table =>
    database.prepare<[string], Row>(`SELECT * FROM "${table}" WHERE "clientId" = ? ORDER BY "position"`))
  const found = <T>(row: Row | undefined, read: (row: Row) => T): T | null => row === undefined ? null : read(row)
  const reads: Reads = {
    // The text that was asked for, which memory keeps the record by, is the record's too: one string, not two.
    apiKeyByDigest: digest => found(keyByDigest!.get(digest), row => readApiKey(Object.assign(row, { digest }), columns)),
    apiKey: id => found(key!.get(id), row => readApiKey(row, columns)),
    // Three statements in one turn: this process makes every change, and makes none between them.
    client: id => found(client!.get(id), row => readClient({ ...row, secrets: secrets!.all(id), grants: grants!.all(id) }, columns)),
    organization: id => found(organization!.get(id), row => readOrganization(row, columns)),
  }
  return { database, reads }
}
