/** A credential confined to an organization manages that organization's records, and none that others depend on. */
import tap from 'tap'
import { basic, startServer } from '../support/test-server.ts'

tap.test('I1, W3', async t => {
  const server = await startServer()
  t.teardown(server.close)
  const { id: organization } = await server.createOrganization('A')
  const { id: other } = await server.createOrganization('B')
  const scopes = ['clients:read', 'clients:write', 'resources:write']
  const { key } = await server.createKey({ organization, resource: `${server.issuer}/api/v1`, scopes })
  const call = (method: string, path: string, body: Record<string, unknown>) =>
    server.withKey(key, `/api/v1${path}`, { method, body, headers: { 'x-api-key': key } })
  const forbidden = { status: 403, json: { code: 'INSUFFICIENT_PERMISSIONS' } }

  t.test('I1: an organization cannot let its clients introspect for the deployment\'s resources', async t => {
    for (const resource of [server.issuer, `${server.issuer}/api/v1`, 'res_host']) {
      t.match(await call('POST', '/clients', { name: 'spy', grants: [], introspects: [resource] }), forbidden, resource)
    }
    const own = await call('POST', '/clients', { name: 'spy', grants: [] })
    t.match(await call('PATCH', `/clients/${own.json.clientId}`, { introspects: [server.issuer] }), forbidden)

    const foreign = await server.tokenFor(await server.createClient({ organization: other }))
    const asked = await server.send({
      method: 'POST',
      path: '/api/v1/oauth/introspect',
      headers: { authorization: basic(own.json.clientId, own.json.clientSecret) },
      body: new URLSearchParams({ token: foreign })
    })
    t.match(asked, { status: 403, json: { error: 'access_denied' } })
  })

  t.test('I1: it may for its own resources, and keeps what the deployment gave', async t => {
    t.equal((await call('POST', '/resources', { identifier: 'https://mcp.a.test', scopes: [] })).status, 201)
    t.match(await call('POST', '/clients', { name: 'mcp', grants: [], introspects: ['https://mcp.a.test'] }), {
      status: 201, json: { introspects: ['https://mcp.a.test'] }
    })
    const given = await server.createClient({ organization, grants: [], introspects: [server.issuer] })
    t.match(
      await call('PATCH', `/clients/${given.clientId}`, {
        name: 'renamed', introspects: [server.issuer, 'https://mcp.a.test']
      }),
      { status: 200, json: { introspects: [server.issuer, 'https://mcp.a.test'] } }
    )
  })

  t.test('I1: it makes no client of the deployment, and does not see those that there are', async t => {
    const mine = { organization: null, name: 'spy', grants: [] }
    t.match(await call('POST', '/clients', mine), forbidden)
    const { json: token } = await server.admin('POST', '/access-tokens', { organization, name: 'bot', scopes })
    const asBot = await server.send({
      method: 'POST', path: '/api/v1/clients', headers: { authorization: `Bearer ${token.token}` }, body: mine
    })
    t.match(asBot, forbidden)
    t.match(await call('POST', '/clients', { name: 'own', grants: [] }), { json: { organization } }, 'its own is meant')
    t.match(await server.admin('POST', '/clients', { name: 'whose', grants: [] }), {
      status: 400, json: { code: 'INVALID_REQUEST', details: { field: 'organization' } }
    }, 'the deployment has to be meant')

    const ofDeployment = await server.admin('POST', '/clients', {
      ...mine,
      grants: [
        { resource: server.issuer, scopes: ['invoices:read'] },
        { resource: `${server.issuer}/api/v1`, scopes: ['organizations:read'] }
      ],
      introspects: [server.issuer]
    })
    t.match(ofDeployment, {
      status: 201, json: { organization: null, origin: 'operator', introspects: [server.issuer] }
    })
    const path = `/clients/${ofDeployment.json.clientId}`
    const missing = { status: 404, json: { code: 'NOT_FOUND' } }
    t.match(await server.withKey(key, `/api/v1${path}`, { headers: { 'x-api-key': key } }), missing)
    for (const claim of [{ name: 'mine' }, { organization }]) t.match(await call('PATCH', path, claim), missing)
    t.match(await call('POST', `${path}/rotate-secret`, { overlapSeconds: 0 }), missing)
    t.match(await server.admin('PATCH', path, { organization }), { status: 409 }, 'not even its operator moves it')
    const events = (await server.admin('GET', `/audit?subject=${ofDeployment.json.clientId}`)).json.data
    t.match(events, [{ type: 'client.created', organization: null }])

    const { clientId, clientSecret } = ofDeployment.json
    const minted = await server.tokenFor({ clientId, clientSecret })
    t.match(await server.bearer(minted, '/api/v1/invoices'), { status: 200 })
    const managing = await server.tokenFor({ clientId, clientSecret }, { resource: `${server.issuer}/api/v1` })
    t.match(await server.bearer(managing, '/api/v1/organizations'), forbidden, 'it has no organization to manage')
    await server.admin('POST', '/resources', { identifier: 'https://of-a.test', organization, scopes: [] })
    t.match(await server.admin('POST', '/clients', {
      ...mine, grants: [{ resource: 'https://of-a.test', scopes: [] }]
    }), { status: 400, json: { code: 'UNKNOWN_RESOURCE' } }, 'what is an organization\'s own is not the deployment\'s')
  })

  t.test('W3: it cannot name a resource at the issuer\'s own origin', async t => {
    for (const path of ['/', '/mcp', '/api/v1/company', '?x']) {
      t.match(await call('POST', '/resources', { identifier: server.issuer + path, scopes: [] }), forbidden, path)
    }
    t.equal((await server.send({ path: '/.well-known/oauth-protected-resource/mcp' })).status, 404)
    t.equal(
      (await server.tokenRequest(await server.createClient({ organization: other }), { resource: `${server.issuer}/` }))
        .status,
      200,
      'the slash that URL parsers add is still the origin'
    )
  })

  t.test('W3: a resource for another organization is refused, not made for its own instead', async t => {
    t.match(await call('POST', '/resources', { identifier: 'https://b.test', organization: other, scopes: [] }), {
      status: 404, json: { code: 'NOT_FOUND' }
    })
    t.match(await server.admin('GET', `/resources/${encodeURIComponent('https://b.test')}`), { status: 404 })
  })
})
