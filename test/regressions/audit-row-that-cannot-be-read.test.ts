/**
 * SQLite takes any value in any column: verification names a row that was edited into nonsense like every other edit,
 * and it hides no row.
 */
import tap from 'tap'
import { behindTheServer, dropTriggers } from '../support/audit-tampering.ts'
import { startServer, type Json } from '../support/test-server.ts'

tap.test('L2: verification names a row that was edited into something that cannot be read, and an export goes on behind it', async t => {
  for (
    const edit of [
      '"detail" = \'{"name":\'', '"createdAt" = \'yesterday\'', '"detail" = x\'ff00\'', '"createdAt" = x\'ff\''
    ]
  ) {
    const server = await startServer()
    t.teardown(server.close)
    const { id: organization } = await server.createOrganization()
    for (const name of ['B', 'C', 'D']) await server.admin('PATCH', `/organizations/${organization}`, { name })
    const rows = async () =>
      (await server.admin('GET', `/audit/export?organization=${organization}`)).text.trim().split('\n').map(line =>
        JSON.parse(line) as Json
      )
    const [first, second, ...more] = await rows()
    const { databaseUrl } = server.config
    await dropTriggers(databaseUrl)
    await behindTheServer(databaseUrl, [`UPDATE "AuditEvent" SET ${edit} WHERE "id" = '${second!.id}'`])

    const verified = await server.admin('GET', '/audit/verify')
    t.equal(verified.status, 200, edit)
    t.match(verified.json.fault, { chain: organization, sequence: 2, id: second!.id, problem: 'edited' }, edit)
    const left = await rows()
    t.strictSame(left.filter(({ sequence }) => sequence !== 2), [first, ...more], edit)
  }
})

tap.test('L2: verification names a chain whose head was edited into something that cannot be read, and heads are listed all the same', async t => {
  for (
    const edit of [
      '"sequence" = \'x\'', '"sequence" = x\'ff\'', '"pruned" = \'x\'', '"hash" = x\'ff00\'', '"kept" = x\'ff\''
    ]
  ) {
    const server = await startServer()
    t.teardown(server.close)
    const { id: organization } = await server.createOrganization()
    await behindTheServer(server.config.databaseUrl, [`UPDATE "AuditChain" SET ${edit} WHERE "id" = '${organization}'`])
    const refused = await server.admin('PATCH', `/organizations/${organization}`, { name: 'B' })
    t.match(refused, { status: 500, json: { code: 'AUDIT_CHAIN_BROKEN' } }, edit)
    const verified = await server.admin('GET', '/audit/verify')
    t.equal(verified.status, 200, edit)
    t.match(verified.json.fault, { chain: organization, problem: 'head_edited' }, edit)
    const heads = await server.admin('GET', '/audit/head')
    t.match(heads, { status: 200 }, edit)
    t.ok((heads.json.data as Json[]).some(({ chain }) => chain === 'deployment'), edit)
    t.match(await server.admin('POST', '/audit/recover', { organization }), { status: 200 }, edit)
    t.equal((await server.admin('PATCH', `/organizations/${organization}`, { name: 'B' })).status, 200, edit)
  }
})
