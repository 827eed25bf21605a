/** Groups over HTTP: whoever is in one may do what it may, at the next request. */
import tap from 'tap'
import { MovableClock, startOnEachDatabase, type Json } from '../support/test-server.ts'

const clock = new MovableClock()
clock.stop()
const { servers, close } = await startOnEachDatabase({ clock })
tap.teardown(close)

for (const { name: database, server } of servers) {
  const { issuer, admin, withKey, send } = server
  const management = `${issuer}/api/v1`
  const made = async (path: string, body: Json): Promise<Json> => {
    const answer = await admin('POST', path, body)
    if (answer.status !== 201) throw new Error(`${path}: ${answer.status} ${answer.text}`)
    return answer.json
  }
  const createMember = async (organization: string, input: Json = {}) =>
    await made('/members', { organization, name: 'Ada', role: 'viewer', ...input })
  const createGroup = async (organization: string, scopes: string[], input: Json = {}) =>
    await made('/groups', { organization, name: 'billing', scopes, ...input })
  const write = async (key: string) => (await withKey(key, undefined, { method: 'POST', body: {} })).status

  tap.test(`OC-07: groups are created, listed, shown, changed and deleted, and each change is in the audit log [${database}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const created = await createGroup(organization, ['invoices:*'], { description: 'who bills' })
    t.strictSame(created, {
      id: created.id,
      organization,
      name: 'billing',
      description: 'who bills',
      scopes: ['invoices:*'],
      createdAt: clock.now().toISOString()
    })
    t.match(created.id, /^grp_/)
    t.strictSame((await admin('GET', `/groups/${created.id}`)).json, created)
    clock.advance(1)
    const changed = await admin('PATCH', `/groups/${created.id}`, {
      name: 'invoicing', description: null, scopes: ['invoices:read']
    })
    t.strictSame(changed.json, { ...created, name: 'invoicing', description: null, scopes: ['invoices:read'] })
    t.strictSame((await admin('GET', `/groups?organization=${organization}`)).json, {
      data: [changed.json], pagination: { limit: 100, hasMore: false }
    })
    const member = await createMember(organization)
    const path = `/groups/${created.id}/members/${member.id}`
    clock.advance(1)
    for (let i = 0; i < 2; i++) t.strictSame((await admin('PUT', path)).json, changed.json, 'twice is once')
    t.strictSame((await admin('GET', `/groups/${created.id}/members`)).json.data, [{
      id: member.id, name: 'Ada', role: 'viewer', createdAt: member.createdAt
    }])
    t.strictSame((await admin('GET', `/groups?member=${member.id}`)).json.data, [changed.json])
    clock.advance(1)
    for (let i = 0; i < 2; i++) t.equal((await admin('DELETE', path)).status, 204)
    t.strictSame((await admin('GET', `/groups/${created.id}/members`)).json.data, [])
    clock.advance(1)
    await admin('PUT', path)
    clock.advance(1)
    t.equal((await admin('DELETE', `/groups/${created.id}`)).status, 204)
    t.equal((await admin('GET', `/groups/${created.id}`)).status, 404)
    const events = (await admin('GET', `/audit?subject=${created.id}`)).json.data
    t.strictSame(events.map(({ type }: Json) => type), [
      'group.deleted', 'group.member_added', 'group.member_removed', 'group.member_added', 'group.updated',
      'group.created'
    ])
    t.strictSame(events[1].detail, { name: 'invoicing', member: member.id })
  })

  tap.test(`OC-07: a key does what its creator's groups may from the next request on, and no longer [${database}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const member = await createMember(organization)
    const { key } = await server.createKey({ organization, access: 'full', scopes: [], creator: member.id })
    t.equal(await write(key), 403, 'a viewer does not write')
    const group = await createGroup(organization, ['invoices:write'])
    await admin('PUT', `/groups/${group.id}/members/${member.id}`)
    t.equal(await write(key), 201, 'joined')
    t.equal(
      (await withKey(key, '/api/v1/partners/customers', { method: 'POST', body: {} })).status, 403,
      'a pattern gives nobody an API-key-only scope'
    )
    await admin('PATCH', `/groups/${group.id}`, { scopes: ['company:read'] })
    t.equal(await write(key), 403, 'the group changed')
    await admin('PATCH', `/groups/${group.id}`, { scopes: ['*:write'] })
    t.equal(await write(key), 201)
    await admin('DELETE', `/groups/${group.id}/members/${member.id}`)
    t.equal(await write(key), 403, 'left')
    await admin('PUT', `/groups/${group.id}/members/${member.id}`)
    t.equal(await write(key), 201)
    await admin('DELETE', `/groups/${group.id}`)
    t.equal(await write(key), 403, 'the group is gone')
    const last = await createGroup(organization, ['*'])
    await admin('PUT', `/groups/${last.id}/members/${member.id}`)
    await admin('POST', `/members/${member.id}/remove`)
    t.equal(await write(key), 403, 'a removed member may do nothing, whatever groups they are in')
    t.strictSame((await admin('PUT', `/groups/${last.id}/members/${member.id}`)).json.code, 'CREDENTIAL_REVOKED')
  })

  tap.test(`a policy is about the keys of a group's members; such a group cannot be deleted [${database}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const [one, other] = [await createMember(organization), await createMember(organization)]
    const group = await createGroup(organization, [])
    await admin('PUT', `/groups/${group.id}/members/${one.id}`)
    const keys = [
      await server.createKey({ organization, creator: one.id }),
      await server.createKey({ organization, creator: other.id }), await server.createKey({ organization })
    ]
    const policy = await made('/policies', {
      organization, name: 'x', effect: 'deny', conditions: { groups: [group.id] }
    })
    const statuses = async () => await Promise.all(keys.map(async ({ key }) => (await withKey(key)).status))
    t.strictSame(await statuses(), [403, 200, 200])
    await admin('PUT', `/groups/${group.id}/members/${other.id}`)
    t.strictSame(await statuses(), [403, 403, 200])
    const refused = await admin('DELETE', `/groups/${group.id}`)
    t.strictSame([refused.status, refused.json.code, refused.json.details], [409, 'CONFLICT', {
      policies: [policy.id]
    }])
    await admin('DELETE', `/policies/${policy.id}`)
    t.equal((await admin('DELETE', `/groups/${group.id}`)).status, 204)
    t.strictSame(await statuses(), [200, 200, 200])
  })

  tap.test(`Y2: nobody gives a group, or somebody by a group, what they have not themselves [${database}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const member = await createMember(organization)
    const strong = await createGroup(organization, ['*'])
    const { key } = await server.createKey({
      organization, resource: management, scopes: ['groups:read', 'groups:write']
    })
    const ask = async (method: string, path: string, body?: Json) =>
      await send({
        method, path: `/api/v1${path}`, headers: { 'x-api-key': key }, ...(body === undefined ? {} : { body })
      })
    const attempts: [string, string, Json?][] = [
      ['POST', '/groups', { name: 'x', scopes: ['*'] }],
      ['POST', '/groups', { name: 'x', scopes: ['audit:read'] }],
      ['PATCH', `/groups/${strong.id}`, { scopes: ['*', 'audit:read', 'x:y'] }],
      ['PUT', `/groups/${strong.id}/members/${member.id}`],
    ]
    for (const [method, path, body] of attempts) {
      const answer = await ask(method, path, body)
      if (path === `/groups/${strong.id}`) t.equal(answer.status, 200, 'nothing is gained')
      else t.strictSame([answer.status, answer.json.code], [403, 'INSUFFICIENT_PERMISSIONS'], `${method} ${path}`)
    }
    t.equal((await ask('POST', '/groups', { name: 'x', scopes: ['invoices:*', 'groups:read'] })).status, 201)
    for (const scopes of [['with space'], [''], 'x']) {
      t.equal((await admin('POST', '/groups', { organization, name: 'x', scopes })).status, 400)
    }
  })

  tap.test(`W3: groups and members of different organizations do not meet [${database}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const { id: foreign } = await server.createOrganization()
    const [member, group] = [await createMember(foreign), await createGroup(organization, [])]
    t.strictSame((await admin('PUT', `/groups/${group.id}/members/${member.id}`)).json, {
      error: `There is no member "${member.id}".`, code: 'NOT_FOUND'
    })
    for (const path of [`/groups/${group.id}/members/mem_nowhere`, `/groups/grp_nowhere/members/${member.id}`]) {
      t.equal((await admin('PUT', path)).status, 404)
    }
  })
}
