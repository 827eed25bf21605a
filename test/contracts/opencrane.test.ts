/** What OpenCrane's conventions state, statement by statement, over real HTTP and on both databases. */
import tap from 'tap'
import { startOnEachDatabase, type Json } from '../harness.ts'

const { servers, close } = await startOnEachDatabase()
tap.teardown(close)

for (const { name, server } of servers) {
  const { admin, issuer, withKey } = server
  const made = async (path: string, body: Json): Promise<Json> => {
    const answer = await admin('POST', path, body)
    if (answer.status !== 201) throw new Error(`POST ${path}: ${answer.text}`)
    return answer.json
  }
  const write = async (key: string): Promise<number> => (await withKey(key, '/api/v1/invoices', { method: 'POST', body: {} })).status

  tap.test(`OC-05: access policies are created, listed, read, changed and deleted, and take effect on requests [${name}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const { key } = await server.createKey({ organization, scopes: ['invoices:read', 'invoices:write'] })
    const client = await server.createClient({ organization, scopes: ['invoices:read', 'invoices:write'] })
    t.equal(await write(key), 201)
    const policy = await made('/policies', { organization, name: 'read only', effect: 'deny', conditions: { scopes: ['*:write'] } })
    t.equal(await write(key), 403, 'at the guard')
    t.equal((await withKey(key)).status, 200)
    t.equal((await server.tokenRequest(client)).json.scope, 'invoices:read', 'at the token endpoint')
    t.strictSame((await admin('GET', `/policies/${policy.id}`)).json, policy)
    t.strictSame((await admin('GET', `/policies?organization=${organization}`)).json, { data: [policy], pagination: { limit: 100, hasMore: false } })

    await admin('PATCH', `/policies/${policy.id}`, { conditions: { scopes: ['*:write'], addresses: ['192.0.2.0/24'] } })
    t.equal(await write(key), 201, 'a change is true at the next request')
    await admin('PATCH', `/policies/${policy.id}`, { effect: 'allow' })
    t.equal(await write(key), 403, 'nothing else is allowed from here')
    t.equal((await admin('DELETE', `/policies/${policy.id}`)).status, 200)
    t.equal(await write(key), 201)
    const types = (await admin('GET', `/audit?subject=${policy.id}`)).json.data.map(({ type }: Json) => type)
    t.strictSame(new Set(types), new Set(['policy.created', 'policy.updated', 'policy.deleted']))
  })

  tap.test(`OC-07: groups are created, listed, read, changed and deleted, and members inherit a group's scopes [${name}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const member = await made('/members', { organization, name: 'Ada', role: 'viewer' })
    const { key } = await server.createKey({ organization, access: 'full', scopes: [], creator: member.id })
    t.equal(await write(key), 403)
    const group = await made('/groups', { organization, name: 'billing', scopes: ['invoices:*'] })
    t.equal((await admin('PUT', `/groups/${group.id}/members/${member.id}`)).status, 200)
    t.equal(await write(key), 201, 'a key that was made before its creator joined')
    t.strictSame((await admin('GET', `/groups/${group.id}`)).json, group)
    t.strictSame((await admin('GET', `/groups?organization=${organization}`)).json, { data: [group], pagination: { limit: 100, hasMore: false } })
    t.equal((await admin('PATCH', `/groups/${group.id}`, { scopes: ['invoices:read'] })).status, 200)
    t.equal(await write(key), 403)
    await admin('PATCH', `/groups/${group.id}`, { scopes: ['*:write'] })
    t.equal((await admin('DELETE', `/groups/${group.id}/members/${member.id}`)).status, 200)
    t.equal(await write(key), 403)
    t.equal((await admin('DELETE', `/groups/${group.id}`)).status, 200)
    t.equal((await admin('GET', `/groups/${group.id}`)).status, 404)
  })

  tap.test(`OC-17: what an organization's credentials can do is compiled from policies, groups and scopes, and is what the guard does [${name}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const member = await made('/members', { organization, name: 'Ada', role: 'viewer' })
    const group = await made('/groups', { organization, name: 'billing', scopes: ['invoices:*'] })
    await admin('PUT', `/groups/${group.id}/members/${member.id}`)
    const policy = await made('/policies', { organization, name: 'x', effect: 'deny', conditions: { scopes: ['company:read'], kinds: ['api_key'] } })
    const keys = [await server.createKey({ organization, access: 'full', scopes: [], creator: member.id }), await server.createKey({ organization }), await server.createKey({ organization, access: 'read-only', scopes: [] })]
    const { data } = (await admin('GET', `/organizations/${organization}/effective-access?resource=${encodeURIComponent(issuer)}`)).json
    t.equal(data.length, keys.length)
    for (const { id, key } of keys) {
      const { access } = data.find(({ credential }: Json) => credential === id)
      t.strictSame(access[0].scopes, (await withKey(key, '/api/v1/api-key')).json.scopes)
    }
    const lines = data.find(({ credential }: Json) => credential === keys[0]!.id).access[0].lines
    t.match(lines.find(({ scope }: Json) => scope === 'invoices:write'), { usable: true, reasons: [{ by: 'access_level' }, { by: 'group', id: group.id }] })
    t.match(lines.find(({ scope }: Json) => scope === 'company:read'), { usable: false, reasons: [{ by: 'access_level' }, { by: 'role', name: 'viewer' }, { effect: 'takes_away', by: 'policy', id: policy.id }] })
  })

  tap.test(`OC-17: drift between what is live and what is stored is reported, and repaired only when that is asked for [${name}]`, async t => {
    const report = await admin('GET', '/effective-access/drift')
    t.match(report.json, { differences: 0, replicas: [{ replica: /^rpl_/, differences: [] }] })
    const before = (await admin('GET', '/audit?type=effective_access.repaired')).json.data.length
    t.match((await admin('POST', '/effective-access/repair')).json, { dryRun: true, differences: 0 }, 'a dry run by default')
    t.equal((await admin('GET', '/audit?type=effective_access.repaired')).json.data.length, before)
    t.match((await admin('POST', '/effective-access/repair', { dryRun: false })).json, { dryRun: false, differences: 0 })
    t.equal((await admin('GET', '/audit?type=effective_access.repaired')).json.data.length, before + 1)
  })
}
