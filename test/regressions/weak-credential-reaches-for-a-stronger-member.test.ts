/**
 * An actor that may write members or groups gives no more than it holds, takes nothing from a stronger member, and does
 * not demote the last administrator.
 */
import tap from 'tap'
import { newId } from '../../src/secrets/random.ts'
import { startOnEachDatabase, type Json } from '../support/test-server.ts'

const { servers, close } = await startOnEachDatabase()
tap.teardown(close)

for (const { name: database, server } of servers) {
  const { admin, issuer, withKey, createKey, createOrganization } = server
  const resource = `${issuer}/api/v1`
  const forbidden = { status: 403, json: { code: 'INSUFFICIENT_PERMISSIONS' } }
  const lockOut = { status: 409, json: { code: 'WOULD_LOCK_OUT' } }
  const made = async (path: string, body: Json): Promise<Json> => {
    const answer = await admin('POST', path, body)
    if (answer.status !== 201) throw new Error(`${path}: ${answer.status} ${answer.text}`)
    return answer.json
  }
  const callingWith = async (input: Json) => {
    const { key } = await createKey({ resource, scopes: undefined, access: 'full', ...input })
    return async (method: string, path: string, body?: Json) =>
      await withKey(key, `/api/v1${path}`, { method, ...(body && { body }) })
  }
  const people = async (...roles: string[]) => {
    const { id: organization } = await createOrganization('A')
    const members = await Promise.all(
      roles.map(async role => await made('/members', { organization, name: role, role }))
    )
    return { organization, members: members as [Json, ...Json[]] & [Json, Json, Json] }
  }
  const state = async (paths: readonly string[]) =>
    await Promise.all(paths.map(async path => (await admin('GET', path)).json))

  tap.test(`Y2: a member changes and removes nobody who may more, and raises nobody to a role above their own [${database}]`, async t => {
    const { organization, members: [owner, member, viewer] } = await people('owner', 'member', 'viewer')
    const trusted = await made('/groups', { organization, name: 'trusted', scopes: ['*'] })
    await admin('PUT', `/groups/${trusted.id}/members/${owner.id}`)
    await admin('PATCH', `/members/${member.id}`, { scopes: ['*:read', '*:write'] })
    const call = await callingWith({ organization, creator: member.id })
    const paths = [owner, member, viewer].map(({ id }) => `/members/${id}`).concat(`/groups/${trusted.id}`)
    const before = await state(paths)
    for (const change of [{ role: 'viewer' }, { scopes: [] }, { role: 'member' }, { name: 'nobody' }]) {
      t.match(await call('PATCH', paths[0]!, change), forbidden, `the owner: ${JSON.stringify(change)}`)
    }
    t.match(await call('POST', `${paths[0]}/remove`, {}), forbidden)
    t.match(await call('DELETE', paths[0]!), forbidden)
    for (const path of paths.slice(1, 3)) {
      for (const change of [{ role: 'owner' }, { role: 'admin' }, { scopes: ['*'] }, { role: 'owner', scopes: [] }]) {
        t.match(await call('PATCH', path, change), forbidden, JSON.stringify(change))
      }
    }
    for (const role of ['owner', 'admin']) {
      t.match(await call('POST', '/members', { name: 'x', role }), forbidden)
      t.match(
        await call('POST', '/members', { name: 'x', role, scopes: [] }), forbidden,
        'a role that other scopes stand instead of is a role'
      )
    }
    t.match(await call('PUT', `/groups/${trusted.id}/members/${member.id}`), forbidden)
    t.match(await call('DELETE', `/groups/${trusted.id}/members/${owner.id}`), forbidden)
    t.match(await call('PATCH', paths[3]!, { scopes: ['*:read'] }), forbidden, 'nor takes a group what they have not')
    t.match(await call('DELETE', paths[3]!), forbidden)
    t.strictSame(await state(paths), before)
    t.match(
      await call('PATCH', paths[2]!, { role: 'member' }), { status: 200, json: { role: 'member' } },
      'what they have they give'
    )
    t.equal((await call('POST', '/members', { name: 'x', role: 'viewer' })).status, 201)
    t.equal((await call('DELETE', paths[2]!)).status, 204)
  })

  tap.test(`Y2: a key with a few scopes and no member behind it is bound by them in the same way [${database}]`, async t => {
    const { organization, members: [owner, viewer] } = await people('owner', 'viewer')
    const call = await callingWith({ organization, access: undefined, scopes: ['members:*', 'groups:*'] })
    for (const { id } of [owner, viewer]) {
      t.match(await call('PATCH', `/members/${id}`, { scopes: [] }), forbidden)
      t.match(await call('DELETE', `/members/${id}`), forbidden)
    }
    t.match(await call('POST', '/members', { name: 'x', role: 'owner' }), forbidden)
    const few = await call('POST', '/members', { name: 'x', role: 'viewer', scopes: ['members:read'] })
    t.match(few, forbidden, 'a viewer reads everything')
    const { id } = await made('/members', { organization, name: 'x', role: 'viewer', scopes: ['members:read'] })
    t.equal((await call('DELETE', `/members/${id}`)).status, 204)
  })

  tap.test(`Y2: the last administrator of an organization is neither removed nor demoted, but by the admin token [${database}]`, async t => {
    const { organization, members: [owner, second] } = await people('owner', 'admin')
    const call = await callingWith({ organization, creator: owner.id })
    t.match(await call('PATCH', `/members/${second.id}`, { role: 'viewer' }), { status: 200 }, 'another one is left')
    const before = await state([`/members/${owner.id}`])
    const refused = await call('PATCH', `/members/${owner.id}`, { role: 'member' })
    t.equal(refused.status, 409)
    t.strictSame(refused.json, {
      error:
        `This would leave ${organization} without a member who may do everything. Make another one first; the ` +
          'deployment\'s admin token can do it all the same.',
      code: 'WOULD_LOCK_OUT',
      details: { organization }
    })
    for (const change of [{ scopes: ['*:read', '*:write'] }, { scopes: [] }]) {
      t.match(await call('PATCH', `/members/${owner.id}`, change), lockOut)
    }
    t.match(await call('POST', `/members/${owner.id}/remove`, {}), lockOut)
    t.match(await call('DELETE', `/members/${owner.id}`), lockOut)
    t.strictSame(await state([`/members/${owner.id}`]), before)
    t.match(await call('PATCH', `/members/${owner.id}`, { name: 'Ada' }), { status: 200 })
    const demoted = await call('PATCH', `/members/${owner.id}`, { role: 'admin' })
    t.match(demoted, lockOut)
    t.match(demoted.json.error, `This would leave ${organization} without an owner.`)
    t.equal((await admin('DELETE', `/members/${owner.id}`)).status, 204)
  })

  tap.test(`Y2: the last administrator is found among more members than a page has [${database}]`, async t => {
    const { organization, members: [administrator] } = await people('admin')
    const { members } = server.latchkey.operation.store
    const newer = new Date(Date.parse(administrator.createdAt) + 1)
    for (let i = 0; i < 200; i++) {
      await members.insert({
        id: newId('mem'),
        organizationId: organization,
        name: `viewer ${i}`,
        role: 'viewer',
        email: null,
        scopes: null,
        operator: false,
        groups: [],
        createdAt: newer,
        removedAt: null,
        revision: 1
      })
    }
    const call = await callingWith({ organization, creator: administrator.id })
    t.match(await call('PATCH', `/members/${administrator.id}`, { role: 'member' }), lockOut)
    t.match(await call('PATCH', `/members/${administrator.id}`, { scopes: ['*', 'audit:read'] }), { status: 200 })
  })

  tap.test(`Y2: of two administrators who remove each other one is left [${database}]`, async t => {
    for (let i = 0; i < 3; i++) {
      const { organization, members: [a, b] } = await people('owner', 'owner')
      const [callA, callB] = [
        await callingWith({ organization, creator: a.id }), await callingWith({ organization, creator: b.id })
      ]
      const answers = await Promise.all([callA('DELETE', `/members/${b.id}`), callB('DELETE', `/members/${a.id}`)])
      const left = (await admin('GET', `/members?organization=${organization}&status=active`)).json.data
      t.equal(left.length, 1, JSON.stringify(answers.map(({ status }) => status)))
    }
  })

  tap.test(`Y2: who is administrator by a group stays one, whatever is done to the group [${database}]`, async t => {
    const { organization, members: [member] } = await people('member')
    const group = await made('/groups', { organization, name: 'administrators', scopes: ['*'] })
    await admin('PUT', `/groups/${group.id}/members/${member.id}`)
    const call = await callingWith({ organization, creator: member.id })
    t.match(await call('PATCH', `/groups/${group.id}`, { scopes: ['*:read'] }), lockOut)
    t.match(await call('DELETE', `/groups/${group.id}/members/${member.id}`), lockOut)
    t.match(await call('DELETE', `/groups/${group.id}`), lockOut)
    t.match(await call('PATCH', `/groups/${group.id}`, { scopes: ['*', 'audit:read'], name: 'all' }), { status: 200 })
    t.match(await call('POST', '/members', { name: 'Grace', role: 'owner' }), forbidden, 'ownership is no scope')
    const other = await call('POST', '/members', { name: 'Grace', role: 'admin' })
    t.equal(other.status, 201)
    const left = await call('DELETE', `/groups/${group.id}/members/${member.id}`)
    t.match(left, lockOut, 'no credential would be left that changes policies')
    await callingWith({ organization, creator: other.json.id })
    t.equal((await call('DELETE', `/groups/${group.id}/members/${member.id}`)).status, 204)
    t.equal((await admin('DELETE', `/groups/${group.id}`)).status, 204)
  })

  tap.test(`Y2: nobody joins or leaves a group when a policy about it would then keep everybody from the policies [${database}]`, async t => {
    const { organization, members: [owner] } = await people('owner')
    const [barred, trusted] = await Promise.all(
      ['barred', 'trusted'].map(async name => await made('/groups', { organization, name, scopes: [] }))
    ) as [Json, Json]
    const call = await callingWith({ organization, creator: owner.id })
    await made('/policies', {
      organization, name: 'barred', effect: 'deny', conditions: { groups: [barred.id], scopes: ['policies:write'] }
    })
    const joined = await call('PUT', `/groups/${barred.id}/members/${owner.id}`)
    t.match(joined, lockOut, joined.text)
    t.equal((await admin('PUT', `/groups/${barred.id}/members/${owner.id}`)).status, 200)
    t.match(await call('GET', '/policies'), { status: 200 })
    t.match(
      await call('DELETE', `/groups/${barred.id}/members/${owner.id}`), forbidden, 'and the one it binds does not leave'
    )
    t.equal((await admin('DELETE', `/groups/${barred.id}/members/${owner.id}`)).status, 204)
    t.equal((await call('PUT', `/groups/${trusted.id}/members/${owner.id}`)).status, 200)
  })
}
