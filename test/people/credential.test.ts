/** Where the session of a person counts as a credential, and what bad cookies and requests of other sites get. */
import tap from 'tap'
import { asPerson, createMember, createPerson, fromOwnPages, signIn } from '../support/people.ts'
import { startServer, type Json } from '../support/test-server.ts'

const server = await startServer({
  mount: async (app, latchkey) => {
    await app.register(async own => {
      await own.register(latchkey.guard, { resource: latchkey.config.issuer })
      own.get('/people', { config: { scopes: [], person: true } }, async ({ principal, personSession }) => ({
        kind: principal.kind, id: principal.id, scopes: principal.scopes, session: personSession?.id
      }))
    })
  }
})
tap.teardown(server.close)

const reasonOf = ({ status, json }: { status: number, json: Json }) => [status, (json.details ?? {}).reason]

tap.test('a credential in a header wins, and the cookie is then not read at all', async t => {
  const ada = await createPerson(server)
  const key = await server.createKey({ organization: ada.organization })
  const get = (headers: Record<string, string>) => server.send({ path: '/api/v1/principal', headers })
  t.equal((await get({ 'x-api-key': key.key, cookie: ada.cookie })).json.id, key.id)
  const call = (headers: Record<string, string>) => server.send({ path: '/api/v1/members', headers })
  t.equal((await call({ cookie: ada.cookie })).status, 200)
  t.strictSame(reasonOf(await call({ cookie: ada.cookie, 'x-api-key': 'lk_live_none' })), [401, 'invalid_api_key'])
  const doubled = `${ada.cookie}; ${ada.cookie}`
  const { status } = await call({ cookie: doubled, authorization: `Bearer ${server.adminToken}` })
  t.equal(status, 200, 'a bad cookie does not matter beside it')
})

tap.test('a route that does not declare people ignores their cookies', async t => {
  const ada = await createPerson(server)
  for (const path of ['/api/v1/invoices', '/api/v1/principal', '/api/v1/api-key']) {
    const { status, json } = await server.send({ path, headers: { cookie: ada.cookie } })
    t.equal(status, 401, path)
    t.match(JSON.stringify(json), /missing_credentials/)
  }
})

tap.test('a route for people takes nothing else, and has the scopes of its own resource', async t => {
  const ada = await createPerson(server, { role: 'member' })
  const people = (headers: Record<string, string>) => server.send({ path: '/people', headers })
  const { json } = await people({ cookie: ada.cookie })
  t.strictSame(json, {
    kind: 'person', id: ada.id, scopes: ['company:read', 'invoices:read', 'invoices:write'], session: ada.session
  }, 'API-key-only scopes are for nobody else')
  const key = await server.createKey({ organization: ada.organization })
  const { json: refused } = await people({ 'x-api-key': key.key, cookie: ada.cookie })
  t.match(refused.details, { reason: 'endpoint_requires_person' })
  const me = await server.admin('GET', '/auth/me')
  t.strictSame(me.json, {
    error: 'This route answers signed-in people only: sign in at /api/v1/auth/login, and send no other credential.',
    code: 'INSUFFICIENT_PERMISSIONS',
    details: { reason: 'endpoint_requires_person' }
  })
  t.strictSame(reasonOf(await server.send({ path: '/api/v1/auth/me' })), [401, 'missing_credentials'])
})

tap.test('a cut, doubled, made up or foreign cookie is refused', async t => {
  const ada = await createPerson(server)
  const text = ada.cookie.split('=')[1]!
  const call = (cookie: string) => server.send({ path: '/api/v1/members', headers: { cookie } })
  const cases: [string, string, number, string][] = [
    ['cut', ada.cookie.slice(0, -1), 401, 'invalid_session'],
    ['longer', `${ada.cookie}A`, 401, 'invalid_session'],
    ['empty', 'latchkey_session=', 401, 'invalid_session'],
    ['of another deployment', `latchkey_session=lkpse_${'A'.repeat(43)}`, 401, 'invalid_session'],
    ['quoted', `latchkey_session="${text}"`, 401, 'invalid_session'],
    ['doubled', `${ada.cookie}; ${ada.cookie}`, 400, 'several_credentials'],
    ['beside an old one', `latchkey_session=lkpse_${'A'.repeat(43)}; ${ada.cookie}`, 400, 'several_credentials'],
    ['of another name', `session=${text}`, 401, 'missing_credentials'],
    ['in the prefix for https', `__Host-latchkey_session=${text}`, 401, 'missing_credentials'],
    ['in another case', `Latchkey_Session=${text}`, 401, 'missing_credentials'],
  ]
  for (const [what, cookie, status, reason] of cases) t.strictSame(reasonOf(await call(cookie)), [status, reason], what)
  t.equal((await call(`a=b;${ada.cookie};  c="d;e"`)).status, 200, 'among others')
  const twice = await server.send({ path: '/api/v1/members', headers: ['cookie', ada.cookie, 'cookie', ada.cookie] })
  t.strictSame(reasonOf(twice), [400, 'several_credentials'], 'in two headers')
})

tap.test('W2: a change by a session comes from a page of this server, whatever the type of its body', async t => {
  const ada = await createPerson(server)
  const body = JSON.stringify({ organization: ada.organization, name: 'Eve', role: 'viewer' })
  const post = (headers: Record<string, string>) => server.send({
    method: 'POST',
    path: '/api/v1/members',
    body,
    headers: { 'content-type': 'application/json', cookie: ada.cookie, ...headers }
  })
  const refused: Record<string, string>[] = [
    {},
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'none' },
    { 'sec-fetch-site': '' },
    { 'sec-fetch-site': 'cross-site', origin: server.issuer },
    { origin: 'https://evil.test' },
    { origin: 'null' },
    { origin: `${server.issuer}/` },
    { origin: `${server.issuer}.evil.test` },
    { referer: `${server.issuer}/` },
    { 'content-type': 'text/plain' },
    { 'content-type': 'text/plain', 'sec-fetch-site': 'cross-site' },
    { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'cross-site' },
  ]
  for (const headers of refused) {
    t.strictSame(reasonOf(await post(headers)), [403, 'cross_site_request'], JSON.stringify(headers))
  }
  for (const method of ['PUT', 'PATCH', 'DELETE']) {
    const { status, json } = await server.send({
      method, path: `/api/v1/members/${ada.id}`, headers: { cookie: ada.cookie, 'sec-fetch-site': 'cross-site' }
    })
    if (method !== 'PUT') t.strictSame([status, json.details.reason], [403, 'cross_site_request'], method)
  }
  t.equal((await post({ origin: server.issuer })).status, 201, 'a browser without Sec-Fetch-Site')
  t.equal((await post(fromOwnPages)).status, 201)
  const read = await server.send({
    path: '/api/v1/members', headers: { cookie: ada.cookie, 'sec-fetch-site': 'cross-site' }
  })
  t.equal(read.status, 200, 'reading changes nothing, and no other origin may see the answer')
  t.notOk(read.headers['access-control-allow-origin'])
})

tap.test('another role ends the sessions of a member; another name does not', async t => {
  const eve = await createMember(server)
  const ada = await createPerson(server, { organization: eve.organization })
  const status = async () => (await asPerson(server, ada)('GET', '/members')).status
  await server.admin('PATCH', `/members/${ada.id}`, { name: 'Ada L.' })
  t.equal(await status(), 200)
  await server.admin('PATCH', `/members/${ada.id}`, { role: 'viewer' })
  t.equal(await status(), 401)
  await server.admin('PATCH', `/members/${ada.id}`, { role: 'owner' })
  t.equal(await status(), 401, 'and the old role does not bring them back')
})

tap.test('a session ends with its organization, and with the key that vouched for it', async t => {
  const ada = await createPerson(server)
  const management = `${server.issuer}/api/v1`
  const key = await server.createKey({ organization: ada.organization, resource: management, scopes: ['members:read'] })
  const token = (await server.admin('POST', '/access-tokens', {
    organization: ada.organization, name: 'portal', scopes: ['members:read']
  })).json
  for (const [vouchedBy, path] of [[key.id, 'api-keys'], [token.id, 'access-tokens']]) {
    const vouched = await signIn(server, ada.id, { vouchedBy })
    const call = asPerson(server, vouched)
    t.equal((await call('GET', '/auth/me')).status, 200)
    await server.admin('POST', `/${path}/${vouchedBy}/revoke`)
    t.strictSame(reasonOf(await call('GET', '/auth/me')), [401, 'invalid_session'])
  }
  const call = asPerson(server, ada)
  await server.admin('POST', `/organizations/${ada.organization}/suspend`)
  t.strictSame(reasonOf(await call('GET', '/auth/me')), [403, 'organization_suspended'])
  await server.admin('POST', `/organizations/${ada.organization}/resume`)
  t.equal((await call('GET', '/auth/me')).status, 200)
  await server.admin('DELETE', `/organizations/${ada.organization}`)
  t.strictSame(reasonOf(await call('GET', '/auth/me')), [401, 'invalid_session'])
})

tap.test('an operator acts for the deployment, for changes within ten minutes of the sign-in', async t => {
  server.clock.stop()
  const operator = await createPerson(server, { organization: 'org_operators', operator: true })
  const call = asPerson(server, operator)
  const created = await call('POST', '/organizations', { name: 'Made by an operator' })
  t.equal(created.status, 201)
  t.equal((await call('GET', `/organizations/${created.json.id}`)).status, 200)
  const { json: audit } = await server.admin('GET', `/audit?subject=${created.json.id}&type=organization.created`)
  t.equal(audit.data[0].actor, operator.id)
  server.clock.advance(599)
  t.equal((await call('POST', '/organizations', { name: 'Just in time' })).status, 201)
  server.clock.advance(1)
  const late = await call('POST', '/organizations', { name: 'Late' })
  t.strictSame(late.json, {
    error: 'An operator changes the deployment within 10 minutes of a sign-in: sign in again at ' +
      '/api/v1/auth/login?prompt=login, with a passkey or a link where your provider does not say when you signed in.',
    code: 'UNAUTHORIZED',
    details: { reason: 'reauthentication_required' }
  })
  t.match(late.headers['www-authenticate'], /error="insufficient_user_authentication"/)
  t.equal((await call('GET', `/organizations/${created.json.id}`)).status, 200, 'reading goes on')
  const other = await signIn(server, operator.id)
  t.equal((await call('DELETE', `/auth/sessions/${other.session}`)).status, 204, 'ending own sessions too')
  const colleague = await createPerson(server, { organization: 'org_operators' })
  t.equal((await asPerson(server, colleague)('POST', '/organizations', { name: 'x' })).status, 403, 'no operator')
  const says = async (person: typeof operator) => (await asPerson(server, person)('GET', '/auth/me')).json.deployment
  t.strictSame([await says(operator), await says(colleague)], [true, false])
})

tap.test('a person ends one of their sessions, and none of somebody else', async t => {
  const ada = await createPerson(server)
  const eve = await createPerson(server, { organization: ada.organization })
  const other = await signIn(server, ada.id)
  t.equal((await asPerson(server, ada)('DELETE', `/auth/sessions/${eve.session}`)).status, 404)
  t.equal((await asPerson(server, ada)('DELETE', '/auth/sessions/pse_none')).status, 404)
  t.equal((await asPerson(server, ada)('DELETE', `/auth/sessions/${other.session}`)).status, 204)
  t.equal((await asPerson(server, other)('GET', '/auth/me')).status, 401)
  t.equal((await asPerson(server, eve)('GET', '/auth/me')).status, 200)
})
