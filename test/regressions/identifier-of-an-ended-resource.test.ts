/** The identifier of an ended resource can be declared again, and that revives nothing of the old resource. */
import { createHash } from 'node:crypto'
import tap from 'tap'
import { basic, startOnEachDatabase, type Answer, type Json, type TestServer } from '../support/test-server.ts'

const { servers, close } = await startOnEachDatabase()
tap.teardown(close)

const scopes = [{ name: 'read' }]
const taken = { status: 409, json: { code: 'CONFLICT' } }

async function acting (server: TestServer, organization: string) {
  const { key } = await server.createKey({
    organization, resource: `${server.issuer}/api/v1`, scopes: ['*'], name: 'manager'
  })
  return async (method: string, path: string, body?: Json): Promise<Answer> =>
    await server.send({
      method, path: `/api/v1${path}`, headers: { 'x-api-key': key }, ...(body === undefined ? {} : { body })
    })
}

for (const { name, server } of servers) {
  const { admin, createOrganization, createClient, tokenFor, tokenRequest, send } = server
  const introspection = async (asker: { clientId: string, clientSecret: string }, token: string) =>
    (await send({
      method: 'POST',
      path: '/api/v1/oauth/introspect',
      headers: { authorization: basic(asker.clientId, asker.clientSecret) },
      body: new URLSearchParams({ token })
    })).json

  tap.test(`of a deleted organization the deployment gives an identifier away, and no organization takes it [${name}]`, async t => {
    const identifier = `https://deleted-${name}.test/api`
    const [old, heir] = [(await createOrganization('old')).id, (await createOrganization('heir')).id]
    const asHeir = await acting(server, heir)
    const before = (await admin('POST', '/resources', { identifier, organization: old, scopes })).json
    const client = await createClient({
      organization: old, grants: [{ resource: identifier, scopes: ['read'] }], introspects: [identifier]
    })
    const token = await tokenFor(client)
    const { key } = await server.createKey({ organization: old, resource: identifier, scopes: ['read'] })
    const text = `made.elsewhere.${name}.${'x'.repeat(16)}`
    await admin('POST', '/api-keys/import', {
      organization: old,
      resource: identifier,
      environment: 'live',
      name: 'legacy',
      access: 'full',
      digest: createHash('sha256').update(text).digest('hex'),
      hint: '…'
    })
    t.match(await introspection(client, token), { active: true }, 'before')

    t.match(await asHeir('POST', '/resources', { identifier, scopes }), taken, 'while it is in use')
    t.match(
      await admin('POST', '/resources', { identifier, organization: heir, scopes }), taken, 'by the deployment, too'
    )
    t.equal((await admin('DELETE', `/organizations/${old}`)).status, 204)
    t.match(
      await asHeir('POST', '/resources', { identifier, scopes }), taken, 'what is behind it may trust this issuer still'
    )
    t.match(await asHeir('POST', '/mcp-servers', { identifier, scopes }), taken)
    const after = await admin('POST', '/resources', { identifier, organization: heir, scopes })
    t.match(after, { status: 201, json: { identifier, organization: heir } })
    t.not(after.json.id, before.id)
    t.match(await admin('POST', '/resources', { identifier, organization: heir, scopes }), taken, 'once')

    t.match((await admin('GET', `/resources/${encodeURIComponent(identifier)}`)).json, {
      id: after.json.id, organization: heir
    })
    t.match((await admin('GET', `/resources/${before.id}`)).json, {
      id: before.id, identifier: `${identifier}#${before.id}`, organization: old, revokedAt: String
    })
    const asker = await createClient({
      organization: heir, grants: [{ resource: identifier, scopes: ['read'] }], introspects: [identifier]
    })
    for (const credential of [token, key, text]) {
      t.strictSame(await introspection(asker, credential), { active: false }, 'nothing old is good for the new one')
    }
    t.match(await tokenRequest(client, { resource: identifier }), { status: 401, json: { error: 'invalid_client' } })
    t.match(await introspection(asker, await tokenFor(asker)), { active: true, aud: identifier })
    const events = (await admin('GET', `/audit?organization=${old}&subject=${before.id}`)).json.data
    t.match(events[0], {
      type: 'resource.updated', actor: 'admin', detail: { identifier: `${identifier}#${before.id}` }
    })
    t.match(
      await admin('POST', '/resources', { identifier: `${identifier}#${before.id}`, scopes }), { status: 400 },
      'by what it left no resource is declared'
    )
  })

  tap.test(`an organization declares its own again; tokens of living clients stay dead [${name}]`, async t => {
    const identifier = `https://own-${name}.test`
    const { id: organization } = await createOrganization('own')
    const asOwn = await acting(server, organization)
    const before = (await asOwn('POST', '/resources', { identifier, scopes })).json
    const client = await createClient({
      organization, grants: [{ resource: identifier, scopes: ['read'] }], introspects: [identifier]
    })
    const { key } = await server.createKey({ organization, resource: identifier, scopes: ['read'] })
    const token = await tokenFor(client)
    t.match(await introspection(client, token), { active: true, scope: 'read' })
    t.match(await introspection(client, key), { active: true })
    await asOwn('POST', `/resources/${before.id}/revoke`)
    t.strictSame(await introspection(client, token), { active: false })

    const after = await asOwn('POST', '/resources', { identifier: `${identifier}/`, scopes })
    t.match(after, { status: 201 }, 'with its slash it is the same origin')
    t.match(await asOwn('POST', '/resources', { identifier, scopes }), taken)
    await asOwn('POST', `/resources/${after.json.id}/revoke`)
    const again = await asOwn('POST', '/resources', { identifier, scopes })
    t.equal(again.status, 201)
    const asker = await createClient({
      organization, grants: [{ resource: identifier, scopes: ['read'] }], introspects: [identifier]
    })
    for (const credential of [token, key]) t.strictSame(await introspection(asker, credential), { active: false })
    t.match(
      await tokenRequest(client, { resource: identifier }), { status: 400, json: { error: 'invalid_target' } },
      'a grant is for the old one'
    )
    t.match(await introspection(asker, await tokenFor(asker)), { active: true, aud: identifier })
  })

  tap.test(`of a resource of the deployment, too, what clients of every organization held is dead [${name}]`, async t => {
    const identifier = `https://common-${name}.test/`
    const { id: organization } = await createOrganization('user')
    const before = (await admin('POST', '/resources', { identifier, scopes })).json
    const client = await createClient({ organization, grants: [{ resource: identifier, scopes: ['read'] }] })
    const token = await tokenFor(client)
    await admin('POST', `/resources/${before.id}/revoke`)
    t.match(await (await acting(server, organization))('POST', '/resources', { identifier, scopes }), taken)
    t.equal((await admin('POST', '/resources', { identifier, scopes })).status, 201)
    const asker = await createClient({ organization, introspects: [identifier] })
    t.strictSame(
      await introspection(asker, token), { active: false },
      'a token goes by the identifier, and ends with the generation of its client'
    )
  })

  tap.test(`B3: what is API-key only is not opened by ending its resource and declaring it again [${name}]`, async t => {
    const identifier = `https://reserved-${name}.test`
    const { id: organization } = await createOrganization('reserved')
    const writer = { organization, name: 'm', role: 'member', scopes: ['*:read', '*:write'] }
    const { id: creator } = (await admin('POST', '/members', writer)).json
    const { token } =
      (await admin('POST', '/access-tokens', {
        organization, creator, name: 'm', scopes: ['resources:read', 'resources:write', 'mcp-servers:write']
      })).json
    const asMember = async (method: string, path: string, body?: Json): Promise<Answer> =>
      await send({
        method,
        path: `/api/v1${path}`,
        headers: { authorization: `Bearer ${token}` },
        ...(body === undefined ? {} : { body })
      })
    const [reserved, open] = [true, false].map(keyOnly => ({ name: 'payments:write', keyOnly }))
    const refused = {
      status: 403, json: { code: 'INSUFFICIENT_PERMISSIONS', details: { requiredScopes: ['payments:write'] } }
    }

    const { id } = (await admin('POST', '/resources', { identifier, organization, scopes: [...scopes, reserved] })).json
    t.match(await asMember('PATCH', `/resources/${id}`, { scopes: [...scopes, open] }), refused, 'in place')
    t.equal((await asMember('POST', `/resources/${id}/revoke`)).status, 200)
    for (const spelling of [identifier, `${identifier}/`]) {
      t.match(
        await asMember('POST', '/resources', { identifier: spelling, scopes: [open] }), refused, 'by an end in between'
      )
    }
    t.match(await asMember('POST', '/mcp-servers', { identifier, scopes: [open] }), refused)
    const without = await asMember('POST', '/resources', { identifier, scopes })
    t.equal(without.status, 201)
    t.match(
      await asMember('PATCH', `/resources/${without.json.id}`, { scopes: [...scopes, open] }), refused,
      'the one in between remembers'
    )
    await asMember('POST', `/resources/${without.json.id}/revoke`)
    t.match(await asMember('POST', '/resources', { identifier, scopes: [open] }), refused, 'and the next one')
    t.equal(
      (await asMember('POST', '/resources', { identifier, scopes: [reserved] })).status, 201,
      'as it was, it may be declared'
    )
    await admin('POST', `/resources/${encodeURIComponent(identifier)}/revoke`)
    t.equal(
      (await admin('POST', '/resources', { identifier, organization, scopes: [open] })).status, 201,
      'an operator may open it'
    )
  })
}
