/** CD-09: a credential made by a member's key never does more than the member, and loses access with the member. */
import { createHash } from 'node:crypto'
import tap from 'tap'
import { basic, startServer, type Json } from '../support/test-server.ts'

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

tap.test('CD-09, Y2', async t => {
  const server = await startServer()
  t.teardown(server.close)
  const { admin, issuer, withKey, createKey, createOrganization, createRegistrationToken } = server
  const { id: organization } = await createOrganization('A')
  const managementApi = `${issuer}/api/v1`
  const newMember = async (input: Json): Promise<string> =>
    (await admin('POST', '/members', { organization, name: 'Ada', ...input })).json.id
  /** A key with the full access of its member on the management API. */
  const inTheNameOf = async (creator: string) => {
    const { key } = await createKey({
      organization, resource: managementApi, scopes: undefined, access: 'full', creator
    })
    return async (method: string, path: string, body?: Json) =>
      await withKey(key, `/api/v1${path}`, { method, ...(body === undefined ? {} : { body }) })
  }
  /** A member by whose scopes its keys write on the management API; the role's are for own records alone. */
  const writer = { role: 'member', scopes: ['*:read', '*:write'] }
  const forbidden = { status: 403, json: { code: 'INSUFFICIENT_PERMISSIONS' } }
  const own =
    (await admin('POST', '/resources', {
      identifier: 'https://a.test/api', organization, scopes: [{ name: 'invoices:read' }, { name: 'invoices:write' }]
    })).json.identifier
  const asker = await server.createClient({ organization, introspects: [own] })
  const scopeOf = async (token: string) =>
    (await server.send({
      method: 'POST',
      path: '/api/v1/oauth/introspect',
      headers: { authorization: basic(asker.clientId, asker.clientSecret) },
      body: new URLSearchParams({ token })
    })).json.scope
  const input = { resource: issuer, environment: 'live', name: 'made', scopes: ['invoices:read', 'invoices:write'] }

  t.test('CD-09: a key that a member\'s key makes is the member\'s, and loses what they lose', async t => {
    const ada = await newMember(writer)
    const call = await inTheNameOf(ada)
    const made = await call('POST', '/api-keys', input)
    t.match(made, { status: 201, json: { creator: ada } })
    t.equal((await withKey(made.json.key, '/api/v1/invoices', { method: 'POST' })).status, 201)
    const imported = await call('POST', '/api-keys/import', {
      ...input, resource: own, digest: sha256('an imported key of Ada'), hint: '…'
    })
    t.match(imported, { status: 201, json: { creator: ada } })
    t.equal(await scopeOf('an imported key of Ada'), 'invoices:read invoices:write')
    await admin('PATCH', `/members/${ada}`, { role: 'viewer', scopes: null })
    t.equal((await withKey(made.json.key, '/api/v1/invoices', { method: 'POST' })).status, 403)
    t.equal(await scopeOf('an imported key of Ada'), 'invoices:read')
  })

  t.test('CD-09: it cannot be nobody\'s, nor another member\'s, be they stronger or weaker', async t => {
    const call = await inTheNameOf(await newMember(writer))
    const [owner, named, viewer, peer] = [
      await newMember({ role: 'owner' }),
      await newMember({ role: 'viewer', scopes: ['portal-provision'] }),
      await newMember({ role: 'viewer' }),
      await newMember({ role: 'member' })
    ]
    for (const creator of [null, owner, named, viewer, peer]) {
      t.match(await call('POST', '/api-keys', { ...input, creator }), forbidden, String(creator))
      t.match(
        await call('POST', '/api-keys/import', {
          ...input, resource: own, creator, digest: sha256(String(creator)), hint: '…'
        }),
        forbidden,
        String(creator)
      )
    }
    const strong = await inTheNameOf(owner)
    for (const creator of [named, peer, viewer]) {
      t.match(
        await strong('POST', '/api-keys', { ...input, creator }), forbidden,
        'the other may be raised, and stays when its own member goes'
      )
    }
    const { id, ...weaker } = await createKey({ organization, creator: viewer, allowlist: ['192.0.2.1'] })
    t.match(await strong('POST', `/api-keys/${id}/rotate`, { overlapSeconds: 60 }), forbidden, 'that tells a secret')
    t.match(await strong('POST', '/webhook-tokens', { apiKey: id, object: { type: 'invoices', id: '1' } }), forbidden)
    t.match(await strong('PATCH', `/api-keys/${id}`, { scopes: [] }), {
      status: 200, json: { creator: viewer, allowlist: weaker.allowlist }
    }, 'that tells none')
    t.match(await call('POST', '/api-keys', input), { status: 201 })
  })

  t.test('CD-09: nor is it told the secret of such a key, or changes what one may do', async t => {
    const ada = await newMember(writer)
    const call = await inTheNameOf(ada)
    for (const creator of [null, await newMember({ role: 'owner' })]) {
      const { id } = await createKey({ organization, creator })
      t.match(await call('POST', `/api-keys/${id}/rotate`, { overlapSeconds: 60 }), forbidden)
      t.match(await call('PATCH', `/api-keys/${id}`, { scopes: ['*'] }), forbidden)
      t.match(await call('PATCH', `/api-keys/${id}`, { expiresAt: '2099-01-01T00:00:00Z' }), forbidden)
      t.match(await call('POST', '/webhook-tokens', { apiKey: id, object: { type: 'invoices', id: '1' } }), forbidden)
      t.match(await call('PATCH', `/api-keys/${id}`, { name: 'renamed' }), { status: 200 })
      t.match(await call('POST', `/api-keys/${id}/revoke`), { status: 200 }, 'ending it hands nothing on')
    }
    const own = await createKey({ organization, creator: ada, scopes: undefined, access: 'full' })
    t.match(await call('POST', `/api-keys/${own.id}/rotate`, { overlapSeconds: 60 }), {
      status: 201, json: { creator: ada }
    })
  })

  t.test('CD-09: what is bound to no member gets no more than the member has', async t => {
    const call = await inTheNameOf(
      await newMember({
        role: 'viewer', scopes: ['clients:*', 'registration-tokens:*', 'publishable-keys:*', 'invoices:read']
      })
    )
    const bodies = (scopes: string[]): [string, Json][] => [
      ['/clients', { name: 'c', grants: [{ resource: issuer, scopes }] }],
      ['/registration-tokens', { resource: issuer, scopes }],
      ['/publishable-keys', { name: 'p', resource: issuer, environment: 'live', scopes }],
    ]
    for (const [path, body] of bodies(['invoices:read', 'invoices:write'])) {
      t.match(await call('POST', path, body), {
        status: 403, json: { details: { requiredScopes: ['invoices:write'] } }
      }, path)
    }
    for (const [path, body] of bodies(['invoices:read'])) t.equal((await call('POST', path, body)).status, 201, path)
  })

  t.test('CD-09: nor does anything of it manage in nobody\'s name: it could make keys that are bound to no member', async t => {
    const call = await inTheNameOf(await newMember({ role: 'owner' }))
    const scopes = ['api-keys:write']
    t.match(await call('POST', '/clients', { name: 'c', grants: [{ resource: managementApi, scopes }] }), forbidden)
    t.match(await call('POST', '/registration-tokens', { resource: managementApi, scopes }), forbidden)
    const { clientId } = await server.createClient({ organization, grants: [{ resource: managementApi, scopes }] })
    t.match(await call('POST', `/clients/${clientId}/rotate-secret`, { overlapSeconds: 60 }), forbidden)
    t.match(await call('PATCH', `/clients/${clientId}`, { allowlist: [] }), forbidden)
    const registration = await createRegistrationToken({ organization, resource: managementApi, scopes })
    t.match(await call('PATCH', `/registration-tokens/${registration.id}`, { uses: 7 }), forbidden)
    const key = await call('POST', '/api-keys', { resource: managementApi, environment: 'live', name: 'k', scopes })
    t.equal(key.status, 201, 'a key can, being bound')
    t.match(
      await withKey(key.json.key, '/api/v1/api-keys', { method: 'POST', body: { ...input, creator: null } }), forbidden
    )
  })

  t.test('CD-09: it raises no member above its own, and makes none that is', async t => {
    const call = await inTheNameOf(await newMember(writer))
    const other = await newMember({ role: 'viewer' })
    for (
      const change of [{ role: 'owner' }, { scopes: ['*'] }, { scopes: ['invoices:*'] }, { scopes: ['*:delete'] }, {
        scopes: ['portal-provision']
      }, { scopes: ['*:*', 'x:delete'] }]
    ) {
      t.match(await call('PATCH', `/members/${other}`, change), forbidden, JSON.stringify(change))
      t.match(
        await call('POST', '/members', { name: 'Eve', role: 'viewer', ...change }), forbidden, JSON.stringify(change)
      )
    }
    t.equal((await admin('GET', `/members/${other}`)).json.role, 'viewer')
    const strong = await inTheNameOf(await newMember({ role: 'owner' }))
    t.match(
      await strong('PATCH', `/members/${other}`, { scopes: ['portal-provision'] }), forbidden,
      'an API-key-only scope is had by its own name alone'
    )
    t.match(await call('PATCH', `/members/${other}`, { role: 'member' }), { status: 200, json: { role: 'member' } })
    t.match(await call('PATCH', `/members/${other}`, { scopes: ['invoices:write', 'x:read'] }), { status: 200 })
    const owner = await newMember({ role: 'owner', scopes: ['*', 'portal-provision'] })
    t.match(
      await call('PATCH', `/members/${owner}`, { name: 'Grace' }), forbidden, 'a stronger one is not theirs to change'
    )
    const byOwner = await inTheNameOf(owner)
    t.match(await byOwner('PATCH', `/members/${other}`, { scopes: ['*'] }), { status: 200 })
    t.match(
      await byOwner('PATCH', `/members/${other}`, { scopes: ['*', 'portal-provision'] }), forbidden,
      'the management API has a scope of this name, which the deployment alone gives'
    )
  })

  t.test('Y2: a registration token is prolonged by nobody who could not hand on what it grants', async t => {
    const token = await createRegistrationToken({
      organization, resource: managementApi, scopes: ['clients:write'], uses: 1, expiresAt: '2098-01-01T00:00:00Z'
    })
    const call = async (scopes: string[], change: Json) => {
      const { key } = await createKey({ organization, resource: managementApi, scopes })
      return await withKey(key, `/api/v1/registration-tokens/${token.id}`, { method: 'PATCH', body: change })
    }
    const weak = ['registration-tokens:write']
    for (
      const change of [{ uses: null }, { uses: 5 }, { expiresAt: null }, {
        expiresAt: '2099-01-01T00:00:00Z', name: 'mine'
      }]
    ) t.match(await call(weak, change), forbidden, JSON.stringify(change))
    t.match((await admin('GET', `/registration-tokens/${token.id}`)).json, {
      usesLeft: 1, expiresAt: '2098-01-01T00:00:00.000Z', name: 'agents'
    })
    t.match(await call(weak, { name: 'renamed' }), { status: 200, json: { name: 'renamed' } })
    t.match(await call([...weak, 'clients:write'], { uses: 5 }), { status: 200, json: { usesLeft: 5 } })
  })
})
