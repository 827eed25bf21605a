/** Partners: their keys provision organizations and mint sign-in links for them, and end what they vouched for. */
import tap, { type Test } from 'tap'
import { newId, newSecret } from '../../src/secrets/random.ts'
import {
  createPartner as partner, createTemplate as template, customer, enter, made, openLink as open, partnersScopes as both,
  withPartnerKey as withKey
} from '../support/partners.ts'
import { asPerson, createMember, createPerson, signIn } from '../support/people.ts'
import { startOnEachDatabase, type Answer, type Json } from '../support/test-server.ts'

const started = await startOnEachDatabase()
tap.teardown(started.close)

for (const { name, server } of started.servers) {
  const test = (title: string, body: (t: Test) => Promise<void>) => tap.test(`[${name}] ${title}`, body)

  test('a key provisions one organization for each id of the partner, with the limits of its template', async t => {
    const key = await partner(server)
    const call = withKey(server, key)
    const input = customer()
    const first = await call('POST', '/portal/organizations', input)
    t.equal(first.status, 201, first.text)
    const { organization, owner } = first.json
    t.strictSame(first.json, {
      externalId: input.externalId,
      organization: {
        id: organization.id,
        name: 'Acme',
        status: 'active',
        features: ['reports'],
        callsPerMonth: 1_000,
        creditsPerMonth: null,
        callsPerMinute: 60,
        createdAt: organization.createdAt
      },
      owner: { id: owner.id, name: 'Ada', email: 'ada@acme.test' }
    })
    t.equal((await server.admin('GET', `/members/${owner.id}`)).json.role, 'owner')
    await server.admin('PATCH', `/organizations/${organization.id}`, { name: 'Renamed' })
    const capitals = { ...input, owner: { name: 'Ada', email: 'ADA@acme.test' } }
    const again = await call('POST', '/portal/organizations', capitals)
    t.equal(again.status, 200)
    t.strictSame(again.json, { ...first.json, organization: { ...organization, name: 'Renamed' } })
    for (const other of [{ name: 'Other' }, { owner: { name: 'Bob', email: 'ada@acme.test' } }]) {
      const refused = await call('POST', '/portal/organizations', { ...input, ...other })
      t.equal(refused.status, 409)
      t.strictSame(refused.json.details, { field: 'externalId', organization: organization.id })
    }
    const rows = (await server.admin('GET', `/audit?organization=${organization.id}`)).json.data
    t.strictSame(
      rows.map(({ type, actor }: Json) => `${type} ${actor}`).sort(),
      [`member.created ${key.id}`, `organization.created ${key.id}`, 'organization.updated admin']
    )
    const { detail } = rows.find(({ type }: Json) => type === 'organization.created')
    t.match(detail, { externalId: input.externalId, template: key.portal.template, partner: key.organization })
  })

  test('one person owns two customers, and two partners use one id', async t => {
    const [one, other] = [withKey(server, await partner(server)), withKey(server, await partner(server))]
    const input = customer()
    const answers = [
      await one('POST', '/portal/organizations', input),
      await one('POST', '/portal/organizations', { ...input, externalId: 'second' }),
      await other('POST', '/portal/organizations', input)
    ]
    t.strictSame(answers.map(({ status }) => status), [201, 201, 201])
    t.equal(new Set(answers.map(({ json }) => json.owner.id)).size, 3)
  })

  test('of 10 that provision one id at once, one makes the organization', async t => {
    const key = await partner(server)
    const input = customer()
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => withKey(server, key)('POST', '/portal/organizations', input))
    )
    t.strictSame(answers.map(({ status }) => status).sort(), [...Array(9).fill(200), 201])
    t.equal(new Set(answers.map(({ json }) => json.organization.id)).size, 1)
    t.equal(new Set(answers.map(({ json }) => json.owner.id)).size, 1)
  })

  test('bad requests of a partner are refused by name', async t => {
    const key = await partner(server)
    const call = withKey(server, key)
    const bad: [Json, RegExp][] = [
      [{ callsPerMonth: null }, /callsPerMonth/],
      [{ limits: { callsPerMonth: 1 } }, /limits/],
      [{ features: [] }, /features/],
      [{ template: 'tpl_other' }, /template/],
      [{ externalId: '' }, /externalId/],
      [{ externalId: 'a b' }, /externalId/],
      [{ owner: { name: 'Ada', email: 'no address' } }, /e-mail address/],
      [{ owner: { name: 'Ada' } }, /email/],
      [{ owner: { name: 'Ada', email: 'ada@acme.test', role: 'viewer' } }, /role/]
    ]
    for (const [more, sentence] of bad) {
      const { status, json } = await call('POST', '/portal/organizations', customer(more))
      t.equal(status, 400, JSON.stringify(more))
      t.match(json.error, sentence)
    }
    const gone = await partner(server)
    await server.admin('DELETE', `/organization-templates/${gone.portal.template}`)
    const without = await withKey(server, gone)('POST', '/portal/organizations', customer())
    t.equal(without.status, 409)
    t.match(without.json.error, /organization template tpl_\w+ of this key was deleted/)
  })

  test('only an API key provisions and mints: tokens and people are told so', async t => {
    const ada = await createPerson(server)
    const operator = await createPerson(server, { organization: 'org_operators', operator: true })
    const client = await server.createClient({
      organization: ada.organization,
      grants: [{ resource: `${server.issuer}/api/v1`, scopes: ['organizations:write', 'members:write'] }]
    })
    const token = await server.tokenFor(client, { resource: `${server.issuer}/api/v1` })
    const callers: [string, (path: string, body?: Json) => Promise<Answer>][] = [
      ['admin token', (path, body) => server.admin('POST', path, body)],
      ['access token', (path, body) =>
        server.bearer(token, `/api/v1${path}`, { method: 'POST', ...(body && { body }) })],
      ['owner', (path, body) => asPerson(server, ada)('POST', path, body)],
      ['operator', (path, body) => asPerson(server, operator)('POST', path, body)]
    ]
    for (const [who, call] of callers) {
      for (const [path, body] of [
        ['/portal/organizations', customer()], [`/portal/members/${ada.id}/sign-in-links`, undefined]
      ] as const) {
        const { status, json } = await call(path, body)
        t.equal(status, 403, `${who} ${path}`)
        t.equal(json.details.reason, 'endpoint_requires_api_key_auth', who)
      }
    }
    const plain = await made(server.admin('POST', '/api-keys', {
      organization: ada.organization,
      resource: `${server.issuer}/api/v1`,
      environment: 'live',
      name: 'full',
      access: 'full'
    }))
    const { status, json } = await withKey(server, plain)('POST', '/portal/organizations', customer())
    t.equal(status, 403, 'full access has no API-key-only scope')
    t.equal(json.details.reason, 'insufficient_scope')
  })

  test('a link is for members of organizations that the key provisioned, up to its ceiling', async t => {
    const key = await partner(server)
    const call = withKey(server, key)
    const mint = (id: string) => call('POST', `/portal/members/${id}/sign-in-links`)
    const { organization, owner } = await made(call('POST', '/portal/organizations', customer()))
    const inside = (more: Json) => createMember(server, { organization: organization.id, name: 'M', ...more })
    const member = await inside({ role: 'member' })
    const answer = await mint(member.id)
    t.equal(answer.status, 201)
    t.match(answer.json, { member: member.id, organization: organization.id })
    const above = [
      owner.id, (await inside({ role: 'admin' })).id, (await inside({ role: 'viewer', scopes: ['*'] })).id,
      (await inside({ role: 'viewer', scopes: ['members:write'] })).id
    ]
    for (const id of above) {
      const { status, json } = await mint(id)
      t.equal(status, 403)
      t.match(json.error, /the ceiling of the key/)
    }
    const raising = { organization: organization.id, name: 'g', scopes: ['policies:*'] }
    const group = await made(server.admin('POST', '/groups', raising))
    await server.admin('PUT', `/groups/${group.id}/members/${member.id}`)
    t.equal((await mint(member.id)).status, 403, 'raised by a group')
    const raised = await server.admin('PATCH', `/api-keys/${key.id}`, { portal: { ceiling: 'owner' } })
    t.strictSame(raised.json.portal, { template: key.portal.template, ceiling: 'owner' })
    for (const id of [...above, member.id]) t.equal((await mint(id)).status, 201)
    const stranger = await createMember(server)
    const others = await made(withKey(server, await partner(server))('POST', '/portal/organizations', customer()))
    const own = await createMember(server, { organization: key.organization, role: 'member' })
    const operator = await createMember(server, { organization: 'org_operators', operator: true })
    for (const id of [stranger.id, others.owner.id, own.id, operator.id, 'mem_none']) {
      t.strictSame(await mint(id).then(({ status, json }) => [status, json.code]), [404, 'NOT_FOUND'])
    }
    await server.admin('POST', `/members/${member.id}/remove`)
    t.equal((await mint(member.id)).status, 409)
    await server.admin('POST', `/organizations/${organization.id}/suspend`)
    const suspended = await mint(owner.id)
    t.equal(suspended.status, 409)
    t.equal(suspended.json.code, 'ORGANIZATION_NOT_ACTIVE')
    t.equal((await call('POST', '/portal/organizations', customer({ externalId: 'x' }))).status, 201, 'the key goes on')
  })

  test('links are limited by member and hour', async t => {
    const key = await partner(server, { ceiling: 'owner' })
    const call = withKey(server, key)
    const { owner } = await made(call('POST', '/portal/organizations', customer()))
    const mint = () => call('POST', `/portal/members/${owner.id}/sign-in-links`)
    for (let i = 0; i < 20; i++) t.equal((await mint()).status, 201)
    t.equal((await mint()).status, 429)
    server.clock.advance(3_601)
    t.equal((await mint()).status, 201)
  })

  test('a key mints 1,000 links within an hour, for all of its members together', async t => {
    const key = await partner(server, { ceiling: 'owner' })
    const call = withKey(server, key)
    const [one, other] = [await made(call('POST', '/portal/organizations', customer())),
      await made(call('POST', '/portal/organizations', customer()))]
    const { latchkey: { operation: { store } }, clock } = server
    const createdAt = clock.now()
    const insert = () =>
      store.signInLinks.insert({
        id: newId('sil'),
        digest: newSecret(),
        memberId: one.owner.id,
        createdBy: key.id,
        creatorId: null,
        vouchedBy: key.id,
        createdAt,
        expiresAt: createdAt,
        sessionEndsAt: null,
        usedAt: null
      })
    await Promise.all(Array.from({ length: 999 }, insert))
    const mint = () => call('POST', `/portal/members/${other.owner.id}/sign-in-links`)
    t.equal((await mint()).status, 201, 'the last one')
    const { status, json } = await mint()
    t.match([status, json.code, json.error], [429, 'TOO_MANY_REQUESTS', /minted 1000 links within an hour/])
    t.equal((await withKey(server, await partner(server))('POST', '/portal/organizations', customer())).status, 201)
    clock.advance(3_601)
    t.equal((await mint()).status, 201, 'an hour later')
  })

  test('what a key was rotated to reaches what it provisioned; a revoked and an expired key reach nothing', async t => {
    const key = await partner(server, { ceiling: 'owner' })
    const input = customer()
    const { organization, owner } = await made(withKey(server, key)('POST', '/portal/organizations', input))
    const next = await made(server.admin('POST', `/api-keys/${key.id}/rotate`, { overlapSeconds: 60 }))
    t.strictSame(next.portal, key.portal)
    const again = await withKey(server, next)('POST', '/portal/organizations', input)
    t.strictSame([again.status, again.json.organization.id], [200, organization.id])
    t.equal((await withKey(server, next)('POST', `/portal/members/${owner.id}/sign-in-links`)).status, 201)
    const { url } = await made(withKey(server, next)('POST', `/portal/members/${owner.id}/sign-in-links`))
    await server.admin('POST', `/api-keys/${next.id}/revoke`)
    for (const ended of [key, next]) {
      t.equal((await withKey(server, ended)('POST', '/portal/organizations', customer())).status, 401)
      t.equal((await withKey(server, ended)('POST', `/portal/members/${owner.id}/sign-in-links`)).status, 401)
    }
    t.equal((await open(server, url)).status, 400, 'a link of a revoked key')
    const expiresAt = new Date(server.clock.now().getTime() + 60_000).toISOString()
    const brief = await partner(server, {}, { expiresAt })
    server.clock.advance(61)
    t.equal((await withKey(server, brief)('POST', '/portal/organizations', customer())).status, 401)
  })

  test('a vouched session makes nothing that outlives its key', async t => {
    const key = await partner(server, { ceiling: 'owner' })
    const { organization, owner } = await made(withKey(server, key)('POST', '/portal/organizations', customer()))
    const call = asPerson(server, await enter(server, key, owner.id))
    const me = await call('GET', '/auth/me')
    t.equal(me.status, 200)
    t.ok(me.json.permissions.includes('api-keys:write'))
    const management = `${server.issuer}/api/v1`
    const lasting: [string, Json][] = [
      ['/access-tokens', { name: 't', scopes: ['audit:read'] }],
      ['/members', { name: 'Eve', role: 'viewer' }],
      [`/members/${owner.id}/sign-in-links`, {}],
      ['/clients', { name: 'c', grants: [] }],
      ['/registration-tokens', { name: 'r', resource: server.issuer, scopes: ['invoices:read'] }],
      ['/publishable-keys', { name: 'p', resource: server.issuer, environment: 'live', scopes: [] }],
      ['/webhook-tokens', {}],
      ['/invitations', { email: 'eve@evil.test', role: 'viewer' }],
      ['/trusted-providers', { provider: 'up', joinsAs: 'member' }],
      ['/email-domains', { domain: 'evil.test' }],
    ]
    for (const [path, body] of lasting) {
      const { status, json } = await call('POST', path, body)
      t.equal(status, 403, path)
      t.equal(json.details.reason, 'insufficient_scope', path)
    }
    const scoped = (scopes: string[], more: Json = {}) => call('POST', '/api-keys', {
      resource: management, environment: 'live', name: 'k', scopes, ...more
    })
    for (const scopes of [both, ['members:write'], ['*']]) t.equal((await scoped(scopes)).status, 403, scopes.join())
    t.equal((await scoped([], { access: 'full' })).status, 403)
    const manager = (await scoped(['api-keys:read', 'api-keys:write'])).json
    t.equal(manager.vouchedBy, key.id)
    const rows = (await server.admin('GET', `/audit?organization=${organization.id}`)).json.data
    const told = (type: string): Json => rows.find((row: Json) => row.type === type)
    t.match(told('sign_in_link.created'), { actor: key.id, detail: { member: owner.id, vouchedBy: key.id } })
    t.match(told('person_session.created'), { actor: owner.id, detail: { vouchedBy: key.id } })
    t.match(told('api_key.created'), { actor: owner.id, subject: manager.id, detail: { vouchedBy: key.id } })
    const second = await made(withKey(server, manager)('POST', '/api-keys', {
      resource: management, environment: 'live', name: 'second', scopes: ['api-keys:read']
    }))
    t.equal(second.vouchedBy, key.id, 'a key that a vouched key makes')
    const third = await made(server.admin('POST', `/api-keys/${second.id}/rotate`, { overlapSeconds: 0 }))
    t.equal(third.vouchedBy, key.id, 'whatever rotates it')
    const own = await made(server.admin('POST', '/api-keys', {
      organization: organization.id,
      resource: server.issuer,
      environment: 'live',
      name: 'own',
      creator: owner.id,
      scopes: ['invoices:read']
    }))
    const taken = await made(call('POST', `/api-keys/${own.id}/rotate`, { overlapSeconds: 60 }))
    t.equal(taken.vouchedBy, key.id, 'the secret of a key that was not vouched for')
  })

  test('a session and its keys end with the key that vouched, on the next request', async t => {
    for (const end of ['revoked', 'expired', 'emergency', 'suspended'] as const) {
      const expiresAt = new Date(server.clock.now().getTime() + 600_000).toISOString()
      const key = await partner(server, { ceiling: 'owner' }, end === 'expired' ? { expiresAt } : {})
      const { owner } = await made(withKey(server, key)('POST', '/portal/organizations', customer()))
      const session = await enter(server, key, owner.id)
      const made1 = await made(asPerson(server, session)('POST', '/api-keys', {
        resource: server.issuer, environment: 'live', name: 'k', scopes: ['invoices:read']
      }))
      const statuses = async () => [
        (await asPerson(server, session)('GET', '/auth/me')).status, (await server.withKey(made1.key)).status
      ]
      t.strictSame(await statuses(), [200, 200])
      if (end === 'revoked') await server.admin('POST', `/api-keys/${key.id}/revoke`)
      if (end === 'emergency') await server.admin('POST', `/api-keys/${key.id}/rotate`, { overlapSeconds: 0 })
      if (end === 'expired') server.clock.advance(600)
      if (end === 'suspended') await server.admin('POST', `/organizations/${key.organization}/suspend`)
      const after = await statuses()
      t.strictSame(after, end === 'suspended' ? [403, 403] : [401, 401], end)
      if (end !== 'suspended') continue
      await server.admin('POST', `/organizations/${key.organization}/resume`)
      t.strictSame(await statuses(), [200, 200], 'resumed')
    }
  })

  test('a planned rotation of the key ends nothing: what it vouched for goes on in its successor', async t => {
    const key = await partner(server, { ceiling: 'owner' })
    const { owner } = await made(withKey(server, key)('POST', '/portal/organizations', customer()))
    const session = await enter(server, key, owner.id)
    const kept = await made(asPerson(server, session)('POST', '/api-keys', {
      resource: server.issuer, environment: 'live', name: 'k', scopes: ['invoices:read']
    }))
    const next = await made(server.admin('POST', `/api-keys/${key.id}/rotate`, { overlapSeconds: 60 }))
    server.clock.advance(61)
    t.equal((await withKey(server, key)('POST', '/portal/organizations', customer())).status, 401)
    t.equal((await server.withKey(kept.key)).status, 200)
    t.equal((await asPerson(server, session)('GET', '/auth/me')).status, 200)
    await server.admin('POST', `/api-keys/${next.id}/revoke`)
    t.equal((await server.withKey(kept.key)).status, 401)
    t.equal((await asPerson(server, session)('GET', '/auth/me')).status, 401)
  })

  test('only the admin token and operators give a key a partner\'s scopes, and nothing else gets them', async t => {
    const management = `${server.issuer}/api/v1`
    const plan = await template(server)
    const scopes = [...both, 'api-keys:read', 'api-keys:write', 'members:write', 'groups:write']
    const key = await partner(server, {}, { scopes })
    const { organization } = key
    const ada = await createPerson(server, { organization })
    const operator = await createPerson(server, { organization: 'org_operators', operator: true })
    const wanted = {
      organization, resource: management, environment: 'live', name: 'k', scopes: both, portal: { template: plan.id }
    }
    const bare = await made(server.admin('POST', '/api-keys', { ...wanted, scopes: ['audit:read'], portal: undefined }))
    const deployment = await made(
      server.admin('POST', '/access-tokens', { organization: null, name: 'd', scopes: ['*'] })
    )
    const callers: [string, (method: string, path: string, body?: Json) => Promise<Answer>][] = [
      ['owner of the organization', asPerson(server, ada)],
      ['the key itself', withKey(server, key)],
      ['token of the deployment', (method, path, body) =>
        server.bearer(deployment.token, `/api/v1${path}`, { method, ...(body && { body }) })],
    ]
    for (const [who, call] of callers) {
      const refused = [
        await call('POST', '/api-keys', wanted),
        await call('PATCH', `/api-keys/${bare.id}`, { scopes: both, portal: wanted.portal }),
        await call('PATCH', `/api-keys/${key.id}`, { portal: { ceiling: 'owner' } }),
        await call('PATCH', `/api-keys/${key.id}`, { expiresAt: null }),
        await call('POST', `/api-keys/${key.id}/rotate`, { overlapSeconds: 60 }),
      ]
      const codes = refused.map(({ status, json }) => [status, json.code])
      t.strictSame(codes, Array(5).fill([403, 'INSUFFICIENT_PERMISSIONS']), who)
    }
    const by = asPerson(server, operator)
    const given = await by('POST', '/api-keys', wanted)
    t.equal(given.status, 201, given.text)
    t.strictSame(given.json.portal, { template: plan.id, ceiling: 'member' })
    t.equal((await by('PATCH', `/api-keys/${given.json.id}`, { portal: { ceiling: 'admin' } })).status, 200)
    server.clock.advance(601)
    t.equal((await by('POST', '/api-keys', wanted)).json.details.reason, 'reauthentication_required')
    const grant = { resource: management, scopes: both }
    const keyOnly = [
      await server.admin('POST', '/clients', { organization, name: 'c', grants: [grant] }),
      await server.admin('POST', '/registration-tokens', { organization, name: 'r', ...grant }),
      await server.admin('POST', '/publishable-keys', {
        organization, name: 'p', resource: management, environment: 'live', scopes: both
      }),
      await server.admin('POST', '/access-tokens', { organization, name: 't', scopes: both }),
      await server.admin('POST', '/access-tokens', { organization: null, name: 't', scopes: both }),
      await server.admin('PATCH', `/access-tokens/${deployment.id}`, { scopes: both }),
    ]
    t.strictSame(keyOnly.map(({ status, json }) => [status, json.code]), Array(6).fill([400, 'SCOPE_API_KEY_ONLY']))
    const grants = [{ resource: management, scopes: ['audit:read'] }]
    const client = await server.createClient({ organization, grants })
    const { json } = await server.tokenRequest(client, { resource: management, scope: both.join(' ') })
    t.equal(json.scope, 'audit:read')
    const dynamic = await server.send({
      method: 'POST',
      path: '/api/v1/auth/register',
      headers: { authorization: `Bearer ${(await server.createRegistrationToken({ organization })).token}` },
      body: { client_name: 'agent', scope: both.join(' ') }
    })
    t.notMatch(dynamic.text, /portal-/)
  })

  test('settings of a partner\'s key that make no sense are refused by name', async t => {
    const { id: organization } = await server.createOrganization()
    const ada = await createMember(server, { organization })
    const plan = await template(server)
    const base = { organization, resource: `${server.issuer}/api/v1`, environment: 'live', name: 'k', scopes: both }
    const bad: [Json, number, RegExp][] = [
      [{}, 400, /needs `portal.template`/],
      [{ portal: { ceiling: 'admin' } }, 400, /needs `portal.template`/],
      [{ portal: { template: 'tpl_none' } }, 404, /no organization template "tpl_none"/],
      [{ portal: { template: plan.id, ceiling: 'emperor' } }, 400, /ceiling/],
      [{ portal: { template: plan.id, callsPerMonth: 5 } }, 400, /callsPerMonth/],
      [{ portal: { template: plan.id }, creator: ada.id }, 400, /bound to no member/],
      [{ scopes: ['audit:read'], portal: { template: plan.id } }, 400, /Only a key of the management API/],
      [{ scopes: [], access: 'full', portal: { template: plan.id } }, 400, /Only a key of the management API/],
      [{ resource: server.issuer, portal: { template: plan.id } }, 400, /Only a key of the management API/]
    ]
    for (const [more, status, sentence] of bad) {
      const answer = await server.admin('POST', '/api-keys', { ...base, ...more })
      t.equal(answer.status, status, JSON.stringify(more))
      t.match(answer.json.error, sentence)
    }
    const minting = await server.admin('POST', '/api-keys', { ...base, scopes: ['portal-sso-mint'] })
    t.strictSame(minting.json.portal, { template: null, ceiling: 'member' }, 'minting alone needs no template')
    const ordinary = await server.admin('PATCH', `/api-keys/${minting.json.id}`, { scopes: ['audit:read'] })
    t.equal(ordinary.json.portal, null)
  })

  test('an access token that made a link lets its session make no keys, which would outlive it', async t => {
    const ada = await createMember(server)
    const session = await signIn(server, ada.id, {
      vouchedBy: (await made(server.admin('POST', '/access-tokens', {
        organization: ada.organization, name: 't', scopes: ['*']
      }))).id
    })
    const { status, json } = await asPerson(server, session)('POST', '/api-keys', {
      resource: server.issuer, environment: 'live', name: 'k', scopes: ['invoices:read']
    })
    t.equal(status, 403)
    t.match(json.error, /they would outlive the token/)
  })
}
