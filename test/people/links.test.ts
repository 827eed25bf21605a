/** Whom links are made for, by whom, and how long their sessions last. */
import tap from 'tap'
import { asPerson, createMember, createPerson, fromOwnPages } from '../support/people.ts'
import { startServer, type Answer } from '../support/test-server.ts'

const server = await startServer()
tap.teardown(server.close)
const management = `${server.issuer}/api/v1`

function opened ({ json }: Answer): Promise<Answer> {
  return server.send({
    method: 'POST', path: '/api/v1/auth/link', headers: fromOwnPages, body: new URLSearchParams({ token: json.url })
  })
}

async function openedBy (link: Answer): Promise<{ cookie: string }> {
  const answer = await opened(link)
  return { cookie: answer.headers['set-cookie']![0]!.split(';', 1)[0]! }
}

tap.test('owners and admins make links for members of no higher role, and nobody else of an organization does', async t => {
  const owner = await createPerson(server)
  const { organization } = owner
  const people = {
    owner,
    admin: await createPerson(server, { organization, role: 'admin' }),
    member: await createPerson(server, { organization, role: 'member' }),
    viewer: await createPerson(server, { organization, role: 'viewer' })
  }
  const may: Record<string, string[]> = {
    owner: ['owner', 'admin', 'member', 'viewer'], admin: ['admin', 'member', 'viewer'], member: [], viewer: []
  }
  for (const [maker, targets] of Object.entries(may)) {
    for (const target of ['owner', 'admin', 'member', 'viewer'] as const) {
      const { status } = await asPerson(server, people[maker as 'owner'])(
        'POST', `/members/${people[target].id}/sign-in-links`
      )
      t.equal(status, targets.includes(target) ? 201 : 403, `${maker} for ${target}`)
    }
  }
  const stranger = await createMember(server)
  t.equal((await asPerson(server, owner)('POST', `/members/${stranger.id}/sign-in-links`)).status, 404)
})

tap.test('a key makes links as its member does, if it has all that they may do', async t => {
  const { id: creator, organization } = await createMember(server)
  const link = async (input: object) => {
    const { key, id } = await server.createKey({ organization, resource: management, creator, ...input })
    return { id, answer: await server.withKey(key, `/api/v1/members/${creator}/sign-in-links`, { method: 'POST' }) }
  }
  const weak = (await link({ scopes: ['members:write'] })).answer
  t.equal(weak.status, 403, 'a link would give more than the key has')
  t.equal((await link({ access: 'full', scopes: undefined, allowlist: ['127.0.0.0/8'] })).answer.status, 403)
  t.equal((await link({ scopes: ['members:write'], creator: null })).answer.status, 403, 'no member answers for it')
  const { id, answer } = await link({ access: 'full', scopes: undefined })
  t.equal(answer.status, 201)
  const call = asPerson(server, await openedBy(answer))
  t.equal((await call('GET', '/auth/me')).status, 200)
  await server.admin('POST', `/api-keys/${id}/revoke`)
  t.equal((await call('GET', '/auth/me')).status, 401, 'the session ends with the key')
})

tap.test('a session is not prolonged by a link that it makes', async t => {
  const ada = await createPerson(server)
  server.clock.advance(500)
  const first = (await asPerson(server, ada)('GET', '/auth/me')).json.session
  const next = await openedBy(await asPerson(server, ada)('POST', `/members/${ada.id}/sign-in-links`))
  t.equal((await asPerson(server, next)('GET', '/auth/me')).json.session.expiresAt, first.expiresAt)
  server.clock.advance(200)
  const stale = await asPerson(server, ada)('POST', `/members/${ada.id}/sign-in-links`)
  t.match([stale.status, stale.json.code], [401, 'REAUTHENTICATION_REQUIRED'], 'a stolen session makes none later')
})

tap.test('a link is void once the member who made it could not make it any more', async t => {
  const owner = await createPerson(server)
  const { organization } = owner
  const { id: target } = await createMember(server, { organization, role: 'viewer' })
  const made = async (maker: { id: string, cookie: string }) => {
    const link = await asPerson(server, maker)('POST', `/members/${target}/sign-in-links`)
    t.equal(link.status, 201, link.text)
    return link
  }
  const admin = () => createPerson(server, { organization, role: 'admin' })
  const ends: [string, (id: string) => Promise<Answer>][] = [
    ['removed', id => server.admin('POST', `/members/${id}/remove`)],
    ['demoted', id => server.admin('PATCH', `/members/${id}`, { role: 'member' })],
    ['other scopes', id => server.admin('PATCH', `/members/${id}`, { scopes: ['members:write'] })],
  ]
  for (const [what, end] of ends) {
    const maker = await admin()
    const link = await made(maker)
    t.equal((await end(maker.id)).status, 200)
    t.equal((await opened(link)).status, 400, what)
    const { json } = await server.admin('GET', `/audit?subject=${link.json.id}&type=sign_in_link.refused`)
    if (json.data.length > 0) t.equal(json.data[0].detail.reason, 'maker_lost_permission', what)
  }
  const left = await made(await admin())
  t.equal((await opened(left)).status, 204, 'the maker is who they were')
  const signedOut = await admin()
  const handed = await made(signedOut)
  await asPerson(server, signedOut)('POST', '/auth/logout')
  t.equal((await opened(handed)).status, 204, 'signing out takes nothing back')
  const raised = await made(await admin())
  await server.admin('PATCH', `/members/${target}`, { role: 'owner' })
  t.equal((await opened(raised)).status, 400, 'an admin makes none for an owner')
})

tap.test('a link of an operator, and one of a key, end with what their member may do', async t => {
  const { id: target, organization } = await createMember(server)
  const operator = await createPerson(server, { organization: 'org_operators', operator: true })
  const links = [1, 2].map(() => asPerson(server, operator)('POST', `/members/${target}/sign-in-links`))
  const [first, second] = await Promise.all(links)
  t.equal((await opened(first!)).status, 204)
  await server.admin('PATCH', `/members/${operator.id}`, { operator: false })
  t.equal((await opened(second!)).status, 400, 'an owner of the operators\' organization reaches no other one')
  const { id: creator } = await createMember(server, { organization })
  const full = { resource: management, access: 'full', scopes: undefined }
  const { key } = await server.createKey({ organization, creator, ...full })
  const byKey = await server.withKey(key, `/api/v1/members/${target}/sign-in-links`, { method: 'POST' })
  t.equal(byKey.status, 201, byKey.text)
  await server.admin('PATCH', `/members/${creator}`, { role: 'viewer' })
  t.equal((await opened(byKey)).status, 400, 'the key is there, and may do less')
})

tap.test('links for operators are made by credentials of the deployment alone', async t => {
  const operator = await createPerson(server, { organization: 'org_operators', operator: true })
  const call = asPerson(server, operator)
  const refused = await call('POST', `/members/${operator.id}/sign-in-links`)
  t.equal(refused.status, 403)
  t.match(refused.json.error, /only a credential of the deployment .* latchkey member sign-in-link MEMBER/)
  const colleague = await createPerson(server, { organization: 'org_operators' })
  t.equal((await asPerson(server, colleague)('POST', `/members/${operator.id}/sign-in-links`)).status, 403)
  t.equal((await server.admin('POST', `/members/${operator.id}/sign-in-links`)).status, 201)
  const { token } = (await server.admin('POST', '/access-tokens', {
    organization: null, name: 'weak', scopes: ['members:write']
  })).json
  const weak = await server.bearer(token, `/api/v1/members/${operator.id}/sign-in-links`, { method: 'POST' })
  t.equal(weak.status, 403, 'who makes a link has all that it gives')
  const other = await createMember(server)
  t.equal((await call('POST', `/members/${other.id}/sign-in-links`)).status, 201, 'operators make them for others')
})

tap.test('at most 20 links are made for a member within an hour', async t => {
  const { id } = await createMember(server)
  const make = () => server.admin('POST', `/members/${id}/sign-in-links`)
  for (let i = 0; i < 20; i++) t.equal((await make()).status, 201)
  const { status, json, headers } = await make()
  t.equal(status, 429)
  t.equal(json.code, 'TOO_MANY_REQUESTS')
  t.ok(headers['retry-after'])
  server.clock.advance(3_600)
  t.equal((await make()).status, 201)
})

tap.test('making, using and failing to use a link is in the audit log, and its secret nowhere', async t => {
  const { id, organization } = await createMember(server)
  const link = await server.admin('POST', `/members/${id}/sign-in-links`)
  const secret = link.json.url.split('#')[1]
  await openedBy(link)
  await server.send({
    method: 'POST', path: '/api/v1/auth/link', headers: fromOwnPages, body: new URLSearchParams({ token: secret })
  })
  const { json } = await server.admin('GET', `/audit?organization=${organization}`)
  const rows = json.data.map(({ type, actor }: any) => `${type} by ${actor}`)
  // Two of one transaction have one instant.
  t.strictSame(rows.slice(0, 4).sort(), [
    `person_session.created by ${id}`,
    'sign_in_link.created by admin',
    `sign_in_link.refused by ${link.json.id}`,
    `sign_in_link.used by ${id}`
  ])
  t.notMatch(JSON.stringify(json), secret)
  t.notOk(server.lines.some(line => line.includes(secret)), 'nor in the log')
})

tap.test('an OAuth client lets nobody in: neither by a link nor by an invitation', async t => {
  const { id, organization } = await createMember(server)
  const scopes = ['members:write', 'invitations:write', 'members:read']
  const client = await server.createClient({ organization, grants: [{ resource: management, scopes }] })
  const token = await server.tokenFor(client, { resource: management })
  const invitation = { email: 'a@acme.example', role: 'viewer' }
  const calls = [[`/members/${id}/sign-in-links`, {}], ['/invitations', invitation]] as const
  for (const [path, body] of calls) {
    const { status, json } = await server.bearer(token, `/api/v1${path}`, { method: 'POST', body })
    t.match([status, json.error], [403, /OAuth clients and workloads make no (sign-in links|invitations): a person/], path)
  }
  t.equal((await server.admin('GET', `/invitations?organization=${organization}`)).json.data.length, 0)
})
