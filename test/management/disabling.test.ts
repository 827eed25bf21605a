/** Keys and clients that are disabled and enabled again: what is refused meanwhile, and what never comes back. */
import tap, { type Test } from 'tap'
import { authorizationUrl, authorize, browserOf, createAskingClient, newPkce, redeem, tokenAs } from
  '../support/authorizing.ts'
import { createPartner, customer, enter, made, openLink, withPartnerKey } from '../support/partners.ts'
import { asPerson, createPerson } from '../support/people.ts'
import { basic, MovableClock, startOnEachDatabase, type Answer, type Json } from '../support/test-server.ts'

const clock = new MovableClock()
clock.stop()
const started = await startOnEachDatabase({ clock, registration: 'open' })
tap.teardown(started.close)

for (const { name, server } of started.servers) {
  const test = (title: string, body: (t: Test) => Promise<void>) => tap.test(`${title} [${name}]`, body)
  const { admin, withKey, bearer, tokenRequest, tokenFor, createKey, createClient, issuer } = server
  const post = (path: string, body?: Json) => made(admin('POST', path, body))
  // Each at an instant of its own: rows of the audit log are sorted by it.
  const at = (path: string, body?: Json) => {
    clock.advance(1)
    return post(path, body)
  }
  const off = (path: string, reason?: string) => at(`${path}/disable`, reason === undefined ? {} : { reason })
  const on = (path: string) => at(`${path}/enable`)
  const statusesOf = async (...asked: Promise<Answer>[]) => (await Promise.all(asked)).map(({ status }) => status)
  const events = async (subject: string, prefix: string): Promise<Json[]> =>
    ((await admin('GET', `/audit?subject=${subject}&type=${prefix}`)).json.data as Json[])
      .filter(({ type }) => !type.endsWith('.refused'))
  /** Calls the management API with a key of an organization for it. */
  const confinedTo = async (organization: string, input: Json = {}) => {
    const { key } = await createKey({ organization, resource: `${issuer}/api/v1`, ...input })
    return (method: string, path: string, body?: Json): Promise<Answer> => server.send({
      method, path: `/api/v1${path}`, headers: { 'x-api-key': key }, ...(body === undefined ? {} : { body })
    })
  }

  test('a disabled key is refused on the next request as a revoked one is, and its text works again once enabled', async t => {
    const { id, key } = await createKey()
    const revoked = await createKey()
    await post(`/api-keys/${revoked.id}/revoke`)
    t.equal((await withKey(key)).status, 200)
    const disabled = await off(`/api-keys/${id}`, 'seen in a log')
    t.match(disabled, {
      status: 'disabled', disabledAt: clock.now().toISOString(), disabledReason: 'seen in a log', revokedAt: null
    })
    const [answer, measure] = [await withKey(key), await withKey(revoked.key)]
    const seen = ({ status, headers, json }: Answer) => [status, headers['www-authenticate'], { ...json, requestId: 0 }]
    t.strictSame(seen(answer), seen(measure), 'the caller learns no more')
    t.strictSame(await off(`/api-keys/${id}`, 'again'), disabled, 'idempotent: the first reason stays')
    const listed = async (status: string) =>
      (await admin('GET', `/api-keys?organization=${disabled.organization}&status=${status}`)).json.data
    t.strictSame([await listed('disabled'), await listed('active')], [[disabled], []])
    const enabled = await on(`/api-keys/${id}`)
    t.match(enabled, { status: 'active', disabledAt: null, disabledReason: null })
    t.strictSame(await on(`/api-keys/${id}`), enabled, 'idempotent')
    t.equal((await withKey(key)).status, 200)
    const told = await events(id, 'api_key.')
    t.strictSame(told.map(({ type }) => type), ['api_key.enabled', 'api_key.disabled', 'api_key.created'])
    t.match(told[1]!.detail, { disabledReason: 'seen in a log', sessionsEnded: 0, linksEnded: 0 })
  })

  test('a disabled key is neither changed nor rotated; it is revoked, and expires', async t => {
    const { id } = await createKey()
    await off(`/api-keys/${id}`)
    const refused = [
      admin('PATCH', `/api-keys/${id}`, { name: 'other' }),
      admin('POST', `/api-keys/${id}/rotate`, { overlapSeconds: 0 }),
      admin('POST', '/webhook-tokens', { apiKey: id, object: { type: 'projects', id: 'prj_1' } })
    ]
    for (const answer of await Promise.all(refused)) {
      t.match(answer, { status: 409, json: { code: 'CREDENTIAL_DISABLED', error: /is disabled; enable it/ } })
    }
    t.match(await post(`/api-keys/${id}/revoke`), { status: 'revoked' })
    for (const path of ['disable', 'enable']) {
      t.match(await admin('POST', `/api-keys/${id}/${path}`), { status: 409, json: { code: 'CREDENTIAL_REVOKED' } })
    }
    const expiring = await createKey({ expiresAt: new Date(clock.now().getTime() + 60_000).toISOString() })
    await off(`/api-keys/${expiring.id}`)
    clock.advance(60)
    t.match((await admin('GET', `/api-keys/${expiring.id}`)).json, { status: 'expired' })
    await on(`/api-keys/${expiring.id}`)
    t.equal((await withKey(expiring.key)).status, 401)
  })

  test('each key of a rotation chain is disabled by itself', async t => {
    const old = await createKey()
    const next = await post(`/api-keys/${old.id}/rotate`, { overlapSeconds: 600 }) as { id: string, key: string }
    await off(`/api-keys/${next.id}`)
    t.strictSame(await statusesOf(withKey(old.key), withKey(next.key)), [200, 401])
    await off(`/api-keys/${old.id}`)
    await on(`/api-keys/${next.id}`)
    t.strictSame(await statusesOf(withKey(old.key), withKey(next.key)), [401, 200])
    t.match((await admin('GET', `/api-keys/${old.id}`)).json, { status: 'disabled' })
    await on(`/api-keys/${old.id}`)
    t.match((await admin('GET', `/api-keys/${old.id}`)).json, { status: 'rotated' })
    t.equal((await withKey(old.key)).status, 200)
  })

  test('If-Match holds for disabling and enabling', async t => {
    const { id } = await createKey()
    const send = (path: string, etag: string) => server.send({
      method: 'POST',
      path: `/api/v1/api-keys/${id}/${path}`,
      headers: { authorization: `Bearer ${server.adminToken}`, 'if-match': etag }
    })
    const etag = (await admin('GET', `/api-keys/${id}`)).headers.etag!
    t.strictSame(await statusesOf(send('disable', etag)), [200])
    t.strictSame(await statusesOf(send('enable', etag), send('disable', etag)), [412, 412])
  })

  test('what a disabled key vouched for ends for good, and so do its webhook tokens', async t => {
    const partner = await createPartner(server, { ceiling: 'owner' })
    const asPartner = withPartnerKey(server, partner)
    const { owner } = await made(asPartner('POST', '/portal/organizations', customer()))
    const session = await enter(server, partner, owner.id)
    const link = await made(asPartner('POST', `/portal/members/${owner.id}/sign-in-links`))
    const { key: passing } = await made(asPerson(server, session)('POST', '/api-keys', {
      resource: issuer, environment: 'live', name: 'k', scopes: ['invoices:read']
    }))
    const me = async () => (await asPerson(server, session)('GET', '/auth/me')).status
    const provisioning = () => asPartner('POST', '/portal/organizations', customer())
    const minting = () => asPartner('POST', `/portal/members/${owner.id}/sign-in-links`)
    t.strictSame([await me(), (await withKey(passing)).status], [200, 200])
    await off(`/api-keys/${partner.id}`)
    t.strictSame([await me(), (await withKey(passing)).status], [401, 401])
    t.strictSame(await statusesOf(provisioning(), minting()), [401, 401])
    t.equal((await openLink(server, link.url)).status, 400)
    const [told] = await events(partner.id, 'api_key.')
    t.match(told, { type: 'api_key.disabled', detail: { sessionsEnded: 1, linksEnded: 1 } })
    await on(`/api-keys/${partner.id}`)
    t.equal(await me(), 401, 'the session')
    t.equal((await openLink(server, link.url)).status, 400, 'the link')
    t.equal((await withKey(passing)).status, 200, 'a key that the session made is a credential of its own')
    t.strictSame(await statusesOf(provisioning(), minting()), [201, 201])

    const { id } = await createKey()
    const hook = await post('/webhook-tokens', { apiKey: id, object: { type: 'projects', id: 'prj_1' } })
    await off(`/api-keys/${id}`)
    await on(`/api-keys/${id}`)
    t.match((await admin('GET', `/webhook-tokens/${hook.id}`)).json, { revokedAt: /Z$/ })
  })

  test('a session that a replaced key vouched for ends with the key that goes on for it', async t => {
    const partner = await createPartner(server, { ceiling: 'owner' })
    const { owner } = await made(withPartnerKey(server, partner)('POST', '/portal/organizations', customer()))
    const session = await enter(server, partner, owner.id)
    const next = await post(`/api-keys/${partner.id}/rotate`, { overlapSeconds: 600 })
    await off(`/api-keys/${next.id}`)
    await on(`/api-keys/${next.id}`)
    t.equal((await asPerson(server, session)('GET', '/auth/me')).status, 401)
  })

  test('a disabled client is refused everywhere; its earlier access tokens never come back', async t => {
    const client = await createClient({ introspects: [issuer] })
    const asker = await createClient({ introspects: [issuer] })
    const token = await tokenFor(client)
    const active = async (text: string) => (await server.send({
      method: 'POST',
      path: '/api/v1/oauth/introspect',
      headers: { authorization: basic(asker.clientId, asker.clientSecret) },
      body: new URLSearchParams({ token: text })
    })).json.active
    const verified = async () => (await server.send({
      method: 'POST',
      path: '/api/v1/verify',
      headers: { authorization: basic(client.clientId, client.clientSecret) },
      body: { credential: 'x', resource: issuer, scopes: [] }
    })).status
    t.strictSame([await active(token), await verified()], [true, 200])
    t.match(await off(`/clients/${client.clientId}`, 'odd traffic'), {
      status: 'disabled', disabledReason: 'odd traffic', generation: 2
    })
    t.equal((await bearer(token)).status, 401)
    t.equal(await active(token), false)
    t.equal(await verified(), 401)
    for (const scope of ['invoices:read', 'invoices:read invoices:read']) {
      t.match(await tokenRequest(client, { scope }), { status: 401, json: { error: 'invalid_client' } })
    }
    const listed = async (status: string) =>
      (await admin('GET', `/clients?organization=${client.organization}&status=${status}`)).json.data.length
    t.strictSame([await listed('disabled'), await listed('active'), await listed('revoked')], [1, 0, 0])
    for (const answer of await Promise.all([
      admin('PATCH', `/clients/${client.clientId}`, { name: 'x' }),
      admin('POST', `/clients/${client.clientId}/rotate-secret`, { overlapSeconds: 0 })
    ])) t.match(answer, { status: 409, json: { code: 'CREDENTIAL_DISABLED', error: /is disabled; enable it/ } })
    t.match(await on(`/clients/${client.clientId}`), { status: 'active', disabledAt: null, generation: 2 })
    t.strictSame([(await bearer(token)).status, await active(token)], [401, false])
    t.equal((await bearer(await tokenFor(client))).status, 200, 'the same secret gets new tokens')
    const types = (await events(client.clientId, 'client.')).map(({ type }) => type)
    t.strictSame(types.slice(0, 2), ['client.enabled', 'client.disabled'])
    await off(`/clients/${client.clientId}`)
    t.match(await post(`/clients/${client.clientId}/revoke`), { status: 'revoked' })
    t.match(await admin('POST', `/clients/${client.clientId}/enable`), { json: { code: 'CREDENTIAL_REVOKED' } })
  })

  test('what members allowed a disabled client ends for good: codes, refresh tokens, access tokens', async t => {
    const [person, client] = [await createPerson(server), await createAskingClient(server)]
    const asked = { resource: issuer, scope: 'invoices:read' }
    const first = (await redeem(server, client, await authorize(server, client, person, asked))).json
    const code = await authorize(server, client, person, asked)
    const refresh = () => tokenAs(server, client, { grant_type: 'refresh_token', refresh_token: first.refresh_token })
    const ask = () => browserOf(server, person).open(authorizationUrl(server, client, newPkce().challenge, asked))
    t.equal((await bearer(first.access_token)).status, 200)
    await off(`/clients/${client.id}`)
    t.equal((await bearer(first.access_token)).status, 401)
    t.match(await refresh(), { status: 401, json: { error: 'invalid_client' } })
    t.match((await redeem(server, client, code)).json, { error: 'invalid_client' })
    t.match(await ask(), { status: 400 })
    t.match((await events(client.id, 'client.'))[0], { type: 'client.disabled', detail: { authorizationsEnded: 2 } })
    await on(`/clients/${client.id}`)
    t.equal((await bearer(first.access_token)).status, 401)
    t.match(await refresh(), { status: 400, json: { error: 'invalid_grant' } })
    t.match((await redeem(server, client, code)).json, { error: 'invalid_grant' })
    const anew = (await redeem(server, client, await authorize(server, client, person, asked))).json
    t.equal((await bearer(anew.access_token)).status, 200)
  })

  test('a disabled client does not manage its own registration', async t => {
    const registered = await made(server.send({
      method: 'POST', path: '/api/v1/oauth/register', body: { client_name: 'own', grant_types: ['client_credentials'] }
    }))
    const own = (method: string) => server.send({
      method,
      path: new URL(registered.registration_client_uri).pathname,
      headers: { authorization: `Bearer ${registered.registration_access_token}` }
    })
    t.equal((await own('GET')).status, 200)
    await off(`/clients/${registered.client_id}`)
    t.strictSame(await statusesOf(own('GET'), own('DELETE')), [401, 401])
    await on(`/clients/${registered.client_id}`)
    t.equal((await own('GET')).status, 200)
  })

  test('CD-09: whatever may revoke may disable, and enabling takes what is given by it', async t => {
    const organization = (await server.createOrganization()).id
    const writing = await confinedTo(organization, { scopes: ['api-keys:write', 'clients:write'] })
    const strong = await createKey({
      organization, resource: `${issuer}/api/v1`, scopes: ['api-keys:write', 'members:write']
    })
    const client = await createClient({
      organization, grants: [{ resource: `${issuer}/api/v1`, scopes: ['members:write'] }], scopes: undefined
    })
    const abroad = await createKey({ organization, organizations: [(await server.createOrganization()).id] })
    for (const path of [`/api-keys/${strong.id}`, `/clients/${client.clientId}`, `/api-keys/${abroad.id}`]) {
      t.equal((await writing('POST', `${path}/disable`)).status, 200, path)
      const refused = await writing('POST', `${path}/enable`)
      t.match(refused, { status: 403, json: { code: 'INSUFFICIENT_PERMISSIONS' } }, path)
      t.equal((await admin('POST', `${path}/enable`)).status, 200, path)
    }
    const plain = await createKey({ organization })
    t.strictSame(await statusesOf(writing('POST', `/api-keys/${plain.id}/disable`)), [200])
    t.strictSame(await statusesOf(writing('POST', `/api-keys/${plain.id}/enable`)), [200])
    const [theirs, foreign] = [await createKey(), await createClient()]
    for (const path of [`/api-keys/${theirs.id}`, `/clients/${foreign.clientId}`]) {
      t.strictSame(await statusesOf(writing('POST', `${path}/disable`), writing('POST', `${path}/enable`)), [404, 404])
    }
  })

  test('N12: the admin token is no key that could be disabled', async t => {
    for (const path of ['/api-keys/admin', '/clients/admin']) {
      for (const change of ['disable', 'enable']) t.equal((await admin('POST', `${path}/${change}`)).status, 404)
    }
  })
}
