/**
 * SQLite takes any value in any column: a page of the audit log with a row that was edited into nonsense is served, and
 * the row hides no other.
 */
import tap from 'tap'
import { behindTheServer, dropTriggers } from '../support/audit-tampering.ts'
import { startServer, type Json } from '../support/test-server.ts'

tap.test('L2, N7: a page of the audit log with a row that cannot be read is served, and every other row can be reached whatever the limit', async t => {
  const server = await startServer()
  t.teardown(server.close)
  await dropTriggers(server.config.databaseUrl)

  /** Every row, page by page. */
  const pages = async (organization: string, limit: number): Promise<Json[]> => {
    const rows: Json[] = []
    for (let cursor = '', i = 0; i < 20; i++) {
      const answer = await server.admin('GET', `/audit?organization=${organization}&limit=${limit}${cursor}`)
      t.equal(answer.status, 200, answer.text)
      rows.push(...answer.json.data)
      if (answer.json.pagination.hasMore === false) return rows
      cursor = `&cursor=${answer.json.pagination.nextCursor}`
    }
    throw new Error('the pages do not end')
  }

  const lost = [
    '"createdAt" = \'yesterday\'', '"createdAt" = x\'ff\'', '"createdAt" = \'\'', '"createdAt" = \'2026-13-45\'',
    '"createdAt" = \'yesterday\', "detail" = \'{\''
  ]
  const kept = ['"detail" = \'{"name":\'', '"detail" = x\'ff00\'', '"detail" = \'5\'', '"detail" = \'null\'']
  for (const edit of [...lost, ...kept]) {
    const { id: organization } = await server.createOrganization()
    for (const name of ['B', 'C', 'D', 'E']) await server.admin('PATCH', `/organizations/${organization}`, { name })
    const before = await pages(organization, 100)
    const edited = before.slice(1, 3)
    await behindTheServer(
      server.config.databaseUrl, edited.map(({ id }) => `UPDATE "AuditEvent" SET ${edit} WHERE "id" = '${id}'`)
    )
    for (const limit of [1, 2, 100]) {
      const found = await pages(organization, limit)
      const isEdited = ({ id }: Json) => edited.some(each => each.id === id)
      t.strictSame(
        found.filter(row => !isEdited(row)), before.filter(row => !isEdited(row)),
        `${edit}, ${limit} a page: the others`
      )
      t.match(
        found.filter(isEdited).map(({ id, type, detail, actor }) => ({ id, type, detail, actor })).sort((a, b) =>
          a.id < b.id ? -1 : 1
        ),
        edited.map(({ id }) => ({ id, type: 'unreadable', detail: {}, actor: '' })).sort((a, b) =>
          a.id < b.id ? -1 : 1
        ),
        `${edit}, ${limit} a page: each edited one, once, as what it is`
      )
      if (kept.includes(edit)) t.strictSame(found.map(({ id }) => id), before.map(({ id }) => id), 'in its place')
    }
    t.equal((await server.admin('GET', `/audit/export?organization=${organization}`)).status, 200)
  }
})
