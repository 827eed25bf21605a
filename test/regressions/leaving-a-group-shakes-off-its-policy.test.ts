/**
 * A policy about a group binds its members until an actor with policies:write lifts it: leaving the group does not
 * evade it.
 */
import tap from 'tap'
import { startServer, type Json } from '../support/test-server.ts'

tap.test('Y2', async t => {
  const server = await startServer()
  t.teardown(server.close)
  const { admin, issuer, withKey, createKey, createOrganization } = server
  const made = async (path: string, body: Json) => (await admin('POST', path, body)).json
  const resource = `${issuer}/api/v1`

  const bound = async (...scopes: string[]) => {
    const { id: organization } = await createOrganization('A')
    const member = await made('/members', { organization, name: 'Ada', role: 'admin' })
    const { key } = await createKey({ organization, resource, scopes, creator: member.id })
    const group = await made('/groups', { organization, name: 'contractors', scopes: ['audit:read'] })
    const path = `/groups/${group.id}/members/${member.id}`
    const call = async (method: string, to: string, body?: Json) =>
      await withKey(key, `/api/v1${to}`, { method, ...(body && { body }) })
    return { organization, group, path, call }
  }
  const denied = (group: Json, more: Json = {}) => ({
    name: 'contractors make no clients',
    effect: 'deny',
    conditions: { groups: [group.id], scopes: ['clients:*'] },
    ...more
  })

  t.test('Y2: who may write groups leaves none, and joins none, that a policy names', async t => {
    const { organization, group, path, call } = await bound('groups:*', 'clients:*', 'audit:read')
    t.equal((await call('PUT', path)).status, 200, 'no policy names it yet')
    const policy = await made('/policies', denied(group, { organization }))
    t.equal((await call('GET', '/clients')).status, 403)
    const left = await call('DELETE', path)
    t.equal(left.status, 403)
    t.strictSame(left.json, {
      error: `The group ${group.id} is named in policies (${policy.id}); changing its members takes policies:write.`,
      code: 'INSUFFICIENT_PERMISSIONS',
      details: { requiredScopes: ['policies:write'] }
    })
    t.equal((await call('GET', '/clients')).status, 403, 'and the policy binds as before')
    t.equal((await call('PUT', path)).status, 200, 'what changes nothing needs nothing')
    await admin('DELETE', path)
    t.equal((await call('PUT', path)).status, 403)
    await admin('PATCH', `/policies/${policy.id}`, { enabled: false })
    t.equal((await call('PUT', path)).status, 200, 'a policy that is out of force binds nobody')
  })

  t.test('Y2: who may change the policies of an organization decides who is in the groups that they name, not in those that the deployment names', async t => {
    const { organization, group, path, call } = await bound('groups:*', 'clients:*', 'policies:*', 'audit:read')
    await made('/policies', denied(group, { organization }))
    t.equal((await call('PUT', path)).status, 200)
    t.equal((await call('DELETE', path)).status, 204)
    await call('PUT', path)
    await made('/policies', denied(group))
    const left = await call('DELETE', path)
    t.equal(left.status, 403)
    t.strictSame(left.json, {
      error:
        `A policy of the deployment names the group ${group.id}; only the deployment's operators change its ` +
          'members.',
      code: 'INSUFFICIENT_PERMISSIONS'
    })
    t.equal((await admin('DELETE', path)).status, 204)
  })
})
