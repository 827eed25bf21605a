/** Access policies over HTTP: made, rehearsed, in effect at the guard, at the token endpoint and at introspection. */
import tap, { type Test } from 'tap'
import { changePolicy, planCreation, type PolicyInput } from '../../src/domain/access/policy-change.ts'
import { newId } from '../../src/secrets/random.ts'
import { createMember, createPerson, fromOwnPages } from '../support/people.ts'
import { MovableClock, startOnEachDatabase, type Answer, type Json } from '../support/test-server.ts'
import { eventually } from '../support/waiting.ts'

const clock = new MovableClock()
clock.stop()
const { servers, close } = await startOnEachDatabase({ clock, registration: 'open' })
tap.teardown(close)

const policyMembers = [
  'id', 'organization', 'name', 'description', 'effect', 'enabled', 'conditions', 'createdBy', 'createdAt', 'updatedAt'
]

for (const { name: database, server } of servers) {
  const { issuer, admin, withKey, bearer, send } = server
  const management = `${issuer}/api/v1`
  const made = async (path: string, body: Json): Promise<Json> => {
    const answer = await admin('POST', path, body)
    if (answer.status !== 201) throw new Error(`${path}: ${answer.status} ${answer.text}`)
    return answer.json
  }
  const createPolicy = async (body: Json) => await made('/policies', { name: 'a policy', ...body })
  const remove = async (policy: Json) => await admin('DELETE', `/policies/${policy.id}?force=true`)
  const refusalsOf = async (subject: string, type = 'credential.refused'): Promise<Json[]> => {
    return await eventually(
      async () => (await admin('GET', `/audit?type=${type}&subject=${subject}`)).json.data as Json[],
      found => found.length > 0
    )
  }
  const denied = (t: Test, answer: Answer, what: string) => {
    t.equal(answer.status, 403, what)
    t.match(answer.json, {
      code: 'INSUFFICIENT_PERMISSIONS',
      message: 'An access policy does not allow this request.',
      details: { reason: 'policy_denied' }
    }, what)
    t.match(
      answer.headers['www-authenticate'],
      /^Bearer error="insufficient_scope", error_description="An access policy does not allow this request"/
    )
  }

  tap.test(`policies are created, listed, shown, changed and deleted, and each change is in the audit log [${database}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const resource = await made('/resources', {
      identifier: `https://${database}.test/api`, organization, scopes: [{ name: 'a:read' }]
    })
    const conditions = {
      kinds: ['api_key'],
      resources: [resource.identifier],
      scopes: ['a:*'],
      addresses: ['10.0.0.0/8'],
      times: { days: ['mon'], hours: { from: '09:00', until: '17:00' }, zone: 'Europe/Berlin' }
    }
    const created = await made('/policies', { organization, name: 'office', effect: 'allow', conditions })
    t.strictSame(Object.keys(created), policyMembers)
    const now = clock.now().toISOString()
    t.match(created, {
      organization,
      name: 'office',
      description: null,
      effect: 'allow',
      enabled: true,
      createdBy: 'admin',
      createdAt: now,
      updatedAt: now
    })
    t.strictSame(created.conditions, conditions)
    t.strictSame((await admin('GET', `/policies/${created.id}`)).json, created)

    clock.advance(5)
    const changed = await admin('PATCH', `/policies/${created.id}`, {
      enabled: false, description: 'later', conditions: { resources: [resource.id] }
    })
    t.strictSame(changed.json, {
      ...created,
      enabled: false,
      description: 'later',
      conditions: { resources: [resource.identifier] },
      updatedAt: clock.now().toISOString()
    })
    const other = await createPolicy({ organization, effect: 'deny', enabled: false })
    const listed = async (query: string) =>
      (await admin('GET', `/policies?${query}`)).json.data.map(({ id }: Json) => id)
    t.strictSame(await listed(`organization=${organization}`), [other.id, created.id])
    t.strictSame(await listed(`organization=${organization}&effect=allow`), [created.id])
    t.strictSame(await listed(`organization=${organization}&enabled=true`), [])
    t.strictSame(await listed('organization=deployment'), [])
    t.strictSame((await admin('GET', `/policies?organization=${organization}&limit=1`)).json.pagination.hasMore, true)

    clock.advance(1)
    t.equal((await admin('DELETE', `/policies/${created.id}`)).status, 204)
    t.equal((await admin('GET', `/policies/${created.id}`)).status, 404)
    const events = (await admin('GET', `/audit?subject=${created.id}`)).json.data
    t.strictSame(events.map(({ type }: Json) => type), ['policy.deleted', 'policy.updated', 'policy.created'])
    t.strictSame(events[0].detail, {
      name: 'office', description: 'later', effect: 'allow', enabled: false, conditions: { resources: [resource.id] }
    })
  })

  tap.test(`what a policy cannot be is refused by name [${database}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const { id: foreign } = await server.createOrganization()
    const foreignGroup = await made('/groups', { organization: foreign, name: 'theirs', scopes: [] })
    const refusals: [Json, number, string][] = [
      [{ effect: 'maybe' }, 400, 'INVALID_REQUEST'],
      [{ conditions: { colour: ['red'] } }, 400, 'INVALID_REQUEST'],
      [{ conditions: { kinds: [] } }, 400, 'INVALID_REQUEST'],
      [{ conditions: { kinds: ['admin_token'] } }, 400, 'INVALID_REQUEST'],
      [{ conditions: { scopes: ['with space'] } }, 400, 'INVALID_REQUEST'],
      [{ conditions: { addresses: ['10.0.0.0/33'] } }, 400, 'INVALID_ALLOWLIST'],
      [{ conditions: { resources: ['https://nowhere.test'] } }, 400, 'UNKNOWN_RESOURCE'],
      [{ conditions: { groups: ['grp_nowhere'] } }, 404, 'NOT_FOUND'],
      [{ conditions: { groups: [foreignGroup.id] } }, 404, 'NOT_FOUND'],
      [{ conditions: { organizations: [organization] } }, 400, 'INVALID_REQUEST'],
      [{ conditions: { times: {} } }, 400, 'INVALID_REQUEST'],
      [{ conditions: { times: { zone: 'Europe/Berlin' } } }, 400, 'INVALID_REQUEST'],
      [{ conditions: { times: { days: ['mon'], zone: 'Mars/Olympus' } } }, 400, 'INVALID_REQUEST'],
      [
        { conditions: { times: { from: '2027-01-31T00:00:00Z', until: '2027-01-31T00:00:00Z' } } }, 400,
        'INVALID_REQUEST'
      ],
      [{ conditions: { times: { hours: { from: '24:30', until: '25:00' } } } }, 400, 'INVALID_REQUEST'],
      [{ conditions: { times: { hours: { from: '09:00', until: '09:00' } } } }, 400, 'INVALID_REQUEST'],
      [{ description: 'a\u0000b' }, 400, 'INVALID_REQUEST'],
      [{ organization: 'org_nowhere' }, 404, 'NOT_FOUND'],
      [{ createdBy: 'me' }, 400, 'INVALID_REQUEST'],
    ]
    for (const [body, status, code] of refusals) {
      const answer = await admin('POST', '/policies', { organization, name: 'x', effect: 'deny', ...body })
      t.strictSame([answer.status, answer.json.code], [status, code], `${JSON.stringify(body)}: ${answer.text}`)
    }
    t.strictSame((await admin('GET', `/policies?organization=${organization}`)).json.data, [])
  })

  tap.test(`OC-05: a denied request is refused in the resource's words, and the log and the audit log name the policy [${database}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const { id, key } = await server.createKey({ organization, scopes: ['invoices:read', 'invoices:write'] })
    const neighbour = await server.createKey({ scopes: ['invoices:read'] })
    t.equal((await withKey(key)).status, 200)
    const policy = await createPolicy({
      organization, effect: 'deny', conditions: { kinds: ['api_key'], scopes: ['invoices:read'], resources: [issuer] }
    })
    const answer = await withKey(key)
    denied(t, answer, 'at the next request')
    t.strictSame(Object.keys(answer.json), ['statusCode', 'timestamp', 'path', 'message', 'code', 'details'])
    t.notOk(answer.text.includes(policy.id), 'the caller does not hear which')
    t.match(await refusalsOf(id), [{ detail: { reason: 'policy_denied', policy: policy.id } }])
    t.ok(server.lines.some(line => line.includes('"policy_denied"') && line.includes(policy.id)))
    t.equal((await withKey(key, '/api/v1/invoices', { method: 'POST', body: {} })).status, 201, 'another scope passes')
    t.strictSame(
      (await withKey(key, '/api/v1/api-key')).json.scopes, ['invoices:write'],
      'a key does not think it has what was taken away'
    )
    t.equal((await withKey(neighbour.key)).status, 200, 'another organization is not bound')

    await admin('PATCH', `/policies/${policy.id}`, { enabled: false })
    t.equal((await withKey(key)).status, 200)
    await admin('PATCH', `/policies/${policy.id}`, { enabled: true, conditions: {} })
    denied(t, await withKey(key, '/api/v1/echo'), 'without scopes it refuses the request as a whole')
    await remove(policy)
    t.equal((await withKey(key)).status, 200)
  })

  tap.test(`a policy that denies a scope keeps it out of tokens; a client that is left nothing gets none [${database}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const client = await server.createClient({ organization, scopes: ['invoices:read', 'invoices:write'] })
    const before = await server.tokenFor(client)
    const write = await createPolicy({
      organization, effect: 'deny', conditions: { kinds: ['access_token'], scopes: ['*:write'] }
    })
    const answer = await server.tokenRequest(client)
    t.equal(answer.json.scope, 'invoices:read')
    denied(
      t, await bearer(before, '/api/v1/invoices', { method: 'POST', body: {} }), 'a token from before is bound as well'
    )
    t.equal((await bearer(before)).status, 200)

    clock.advance(1)
    const all = await createPolicy({ organization, effect: 'deny', conditions: { scopes: ['invoices:read'] } })
    const none = await server.tokenRequest(client)
    t.equal(none.status, 400)
    t.match(none.json, {
      error: 'invalid_scope',
      error_description: 'an access policy denies this client every scope from this address at this time'
    })
    t.notOk(none.text.includes('pol_'))
    t.match(await refusalsOf(client.clientId, 'client.refused'), [{
      detail: { reason: 'policy_denied', policy: write.id }
    }])
    await remove(write)
    await remove(all)
    t.equal((await server.tokenRequest(client)).json.scope, 'invoices:read invoices:write')
  })

  tap.test(`introspection tells what policies leave; where they go by the address it takes client_address [${database}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const client = await server.createClient({
      organization, scopes: ['invoices:read', 'invoices:write'], introspects: [issuer]
    })
    const token = await server.tokenFor(client)
    const { key } = await server.createKey({ organization })
    const introspect = async (text: string, more: Record<string, string> = {}) => (await send({
      method: 'POST',
      path: '/api/v1/oauth/introspect',
      body: new URLSearchParams({
        token: text, client_id: client.clientId, client_secret: client.clientSecret, ...more
      })
    }))
    const policy = await createPolicy({ organization, effect: 'deny', conditions: { scopes: ['*:write'] } })
    t.equal((await introspect(token)).json.scope, 'invoices:read')
    await admin('PATCH', `/policies/${policy.id}`, { conditions: { addresses: ['203.0.113.0/24'] } })
    for (const text of [token, key]) {
      t.strictSame((await introspect(text)).json, { active: false }, 'nobody knows where it was used')
      t.strictSame((await introspect(text, { client_address: '203.0.113.7' })).json, { active: false })
      t.equal((await introspect(text, { client_address: '198.51.100.7' })).json.active, true)
      t.match((await introspect(text, { client_address: 'here' })).json, { error: 'invalid_request' })
    }
    await remove(policy)
  })

  tap.test(`once an allow is about a credential, only what an allow lets through passes; deny wins over it [${database}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const { key } = await server.createKey({ organization, scopes: ['invoices:read', 'invoices:write'] })
    const client = await server.createClient({ organization, scopes: ['invoices:read'] })
    const allow = await createPolicy({
      organization, effect: 'allow', conditions: { kinds: ['api_key'], addresses: ['127.0.0.2'] }
    })
    denied(t, await withKey(key), 'from elsewhere')
    t.equal((await withKey(key, undefined, { from: '127.0.0.2' })).status, 200)
    t.equal((await server.tokenRequest(client)).status, 200, 'it is not about clients')
    const second = await createPolicy({
      organization, effect: 'allow', conditions: { kinds: ['api_key'], scopes: ['invoices:read'] }
    })
    t.equal((await withKey(key)).status, 200, 'any of them will do')
    denied(t, await withKey(key, undefined, { method: 'POST', body: {} }), 'but for what it lets through')
    const deny = await createPolicy({ organization, effect: 'deny', conditions: { scopes: ['invoices:read'] } })
    denied(t, await withKey(key, undefined, { from: '127.0.0.2' }), 'deny wins')
    for (const policy of [allow, second, deny]) await remove(policy)
  })

  tap.test(`no organization lets through what the deployment does not; the deployment binds only whom it names [${database}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const { key } = await server.createKey({ organization })
    const neighbour = await server.createKey()
    const ours = await createPolicy({
      effect: 'allow', conditions: { organizations: [organization], addresses: ['127.0.0.2'] }
    })
    t.equal(ours.organization, null)
    const theirs = await createPolicy({ organization, effect: 'allow', conditions: {} })
    denied(t, await withKey(key), 'the organization allows everything, and changes nothing by it')
    t.equal((await withKey(key, undefined, { from: '127.0.0.2' })).status, 200)
    t.equal((await withKey(neighbour.key)).status, 200)
    await remove(ours)
    t.equal((await withKey(key)).status, 200)
    await remove(theirs)
  })

  tap.test(`policies hold in their windows of time [${database}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const { key } = await server.createKey({ organization })
    const from = new Date(clock.now().getTime() + 60_000).toISOString()
    const until = new Date(clock.now().getTime() + 120_000).toISOString()
    const policy = await createPolicy({ organization, effect: 'deny', conditions: { times: { from, until } } })
    t.equal((await withKey(key)).status, 200, 'before')
    clock.advance(60)
    denied(t, await withKey(key), 'during')
    clock.advance(60)
    t.equal((await withKey(key)).status, 200, 'after')
    await remove(policy)
  })

  tap.test(`access tokens of the management API are a kind of their own, in the groups of the member that they are bound to [${database}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const made = async (path: string, body: Json): Promise<Json> =>
      (await admin('POST', path, { organization, ...body })).json
    const member = await made('/members', { name: 'Ada', role: 'admin' })
    const group = await made('/groups', { name: 'automation', scopes: [] })
    await admin('PUT', `/groups/${group.id}/members/${member.id}`)
    const [bound, free] = [
      await made('/access-tokens', { name: 'bound', scopes: ['members:*'], creator: member.id }),
      await made('/access-tokens', { name: 'free', scopes: ['members:*'] })
    ]
    const ask = async ({ token }: Json, method = 'GET', body?: Json) =>
      (await server.send({
        method, path: '/api/v1/members', headers: { authorization: `Bearer ${token}` }, ...(body && { body })
      })).status
    t.strictSame([await ask(bound), await ask(free)], [200, 200])
    const policy = await made('/policies', {
      name: 'x', effect: 'deny', conditions: { kinds: ['management_token'], groups: [group.id] }
    })
    t.strictSame([await ask(bound), await ask(free)], [403, 200])
    await admin('PATCH', `/policies/${policy.id}`, { conditions: { kinds: ['management_token'], scopes: ['*:write'] } })
    const input = { name: 'x', role: 'viewer' }
    t.strictSame([await ask(free), await ask(free, 'POST', input), await ask(bound, 'POST', input)], [200, 403, 403])
    const { data } = (await admin('GET', `/organizations/${organization}/effective-access`)).json
    t.match(data.find(({ credential }: Json) => credential === free.id), {
      kind: 'management_token', access: [{ scopes: ['members:read'] }]
    })
    await remove(policy)
  })

  tap.test(`a policy is created once for an Idempotency-Key, and changed and deleted only as it is known [${database}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const ask = async (method: string, path: string, headers: Record<string, string>, body?: Json) =>
      await server.send({
        method,
        path: `/api/v1${path}`,
        headers: { authorization: `Bearer ${server.adminToken}`, ...headers },
        ...(body && { body })
      })
    for (
      const [path, body] of [['/policies', { name: 'x', effect: 'deny', enabled: false }], ['/groups', {
        name: 'x', scopes: []
      }]] as [string, Json][]
    ) {
      const create = async () =>
        await ask('POST', path, { 'idempotency-key': `once for ${path}`.replaceAll(' ', '-') }, {
          organization, ...body
        })
      const [first, second] = [await create(), await create()]
      t.strictSame([first.status, second.status, second.json, first.headers.etag, second.headers.etag], [
        201, 201, first.json, '"1"', '"1"'
      ])
      const own = `${path}/${first.json.id}`
      const changed = await ask('PATCH', own, { 'if-match': '"1"' }, { name: 'y' })
      t.strictSame([changed.status, changed.headers.etag], [200, '"2"'])
      for (const [method, change] of [['PATCH', { name: 'z' }], ['DELETE', undefined]] as const) {
        t.equal((await ask(method, own, { 'if-match': '"1"' }, change)).status, 412)
      }
      t.equal((await ask('DELETE', own, { 'if-match': '"2"' })).status, 204)
    }
  })

  tap.test(`an address that is mapped into IPv6 is the IPv4 address in policies too, and the admin token is bound by none [${database}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const { key } = await server.createKey({ organization })
    const policy = await createPolicy({
      organization, effect: 'deny', conditions: { addresses: ['::ffff:127.0.0.0/104'] }
    })
    t.strictSame(policy.conditions, { addresses: ['127.0.0.0/8'] })
    denied(t, await withKey(key), 'IPv4')
    await remove(policy)
    const everything = await createPolicy({ effect: 'deny', conditions: {} })
    t.equal((await withKey(key)).status, 403)
    t.equal((await admin('GET', '/organizations')).status, 200)
    t.equal((await remove(everything)).status, 204)
    t.equal((await withKey(key)).status, 200)
  })

  tap.test(`dryRun changes nothing and tells who would gain or lose what [${database}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const client = await server.createClient({ organization, name: 'c', scopes: ['invoices:read', 'invoices:write'] })
    const keys: Json[] = []
    for (let i = 0; i < 3; i++) {
      clock.advance(1)
      keys.unshift(await server.createKey({ organization, name: `k${i}`, scopes: ['invoices:write'] }))
    }
    const rehearsed = await admin('POST', '/policies', {
      organization, name: 'x', effect: 'deny', conditions: { scopes: ['*:write'] }, dryRun: true
    })
    t.equal(rehearsed.status, 200)
    t.strictSame(Object.keys(rehearsed.json), [
      'dryRun', 'wouldLockOut', 'wouldLockOutYou', 'totals', 'data', 'pagination'
    ])
    const loss = { resource: issuer, gains: [], loses: ['invoices:write'], sometimes: [] }
    t.strictSame(rehearsed.json, {
      dryRun: true,
      wouldLockOut: false,
      wouldLockOutYou: false,
      totals: { credentials: 4, gaining: 0, losing: 4 },
      data: [
        ...keys.map(({ id, name }) => ({ credential: id, kind: 'api_key', name, organization, resources: [loss] })),
        { credential: client.clientId, kind: 'access_token', name: 'c', organization, resources: [loss] },
      ],
      pagination: { limit: 100, hasMore: false },
    })
    t.strictSame((await admin('GET', `/policies?organization=${organization}`)).json.data, [], 'nothing was made')
    t.equal((await withKey(keys[0]!.key, undefined, { method: 'POST', body: {} })).status, 201)

    const ids: string[] = []
    let cursor: string | undefined
    do {
      const { json } = await admin('POST', `/policies?limit=3${cursor === undefined ? '' : `&cursor=${cursor}`}`, {
        organization, name: 'x', effect: 'deny', dryRun: true
      })
      t.strictSame(json.totals, { credentials: 4, gaining: 0, losing: 4 }, 'totals are of all of them')
      ids.push(...json.data.map(({ credential }: Json) => credential))
      cursor = json.pagination.nextCursor
    } while (cursor !== undefined)
    t.strictSame(ids, [...keys.map(({ id }) => id), client.clientId], 'page by page')

    const policy = await createPolicy({
      organization, effect: 'deny', conditions: { kinds: ['access_token'], scopes: ['*:write'] }
    })
    const narrowed =
      (await admin('PATCH', `/policies/${policy.id}`, {
        conditions: { kinds: ['access_token'], scopes: ['*:write'], addresses: ['10.0.0.0/8'] }, dryRun: true
      })).json
    t.strictSame(narrowed.data, [{
      credential: client.clientId,
      kind: 'access_token',
      name: 'c',
      organization,
      resources: [{ resource: issuer, gains: ['invoices:write'], loses: [], sometimes: ['invoices:write'] }]
    }])
    const deleted = (await admin('DELETE', `/policies/${policy.id}?dryRun=true`)).json
    t.strictSame(deleted.totals, { credentials: 1, gaining: 1, losing: 0 })
    t.strictSame((await admin('GET', `/policies/${policy.id}`)).json, policy, 'nothing was changed')
    await remove(policy)
  })

  tap.test(`an organization has 200 policies at most, and no condition of one is empty [${database}]`, async t => {
    const { id: organizationId } = await server.createOrganization()
    const { operation } = server.latchkey
    const input: PolicyInput = { organizationId, name: 'one', effect: 'deny', conditions: { kinds: ['session'] } }
    await t.rejects(changePolicy(operation, planCreation(operation, { ...input, conditions: { scopes: [] } }), true), {
      code: 'invalid_request', details: { field: 'conditions.scopes' }, message: /scopes is empty/
    })
    const first = await changePolicy(operation, planCreation(operation, input), true)
    await operation.store.transaction(async tx => {
      for (let i = 1; i < 200; i++) await tx.policies.insert({ ...first, id: newId('pol') })
    })
    const oneMore = await admin('POST', '/policies', { organization: organizationId, name: 'more', effect: 'deny' })
    t.match(oneMore, { status: 409, json: { code: 'CONFLICT', error: /^There are 200 policies already/ } })
    await remove(first)
    t.equal((await admin('POST', '/policies', {
      organization: organizationId, name: 'more', effect: 'deny', conditions: input.conditions
    })).status, 201)
  })

  tap.test(`a policy that would lock out an organization's last administrator is refused, unless it is forced [${database}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const { key } = await server.createKey({
      organization, resource: management, scopes: ['policies:read', 'policies:write']
    })
    const ask = async (method: string, path: string, body?: Json) =>
      await send({
        method, path: `/api/v1${path}`, headers: { 'x-api-key': key }, ...(body === undefined ? {} : { body })
      })
    const everything = { name: 'closed', effect: 'deny', conditions: {} }
    t.equal((await ask('POST', '/policies', { ...everything, dryRun: true })).json.wouldLockOut, true)
    const refused = await ask('POST', '/policies', everything)
    t.strictSame([refused.status, refused.json.code, refused.json.details], [409, 'WOULD_LOCK_OUT', {
      force: true, organization
    }])
    t.match(refused.json.error, /send "force": true/)
    for (
      const conditions of [
        { scopes: ['policies:*'] }, { kinds: ['api_key'], resources: [management] },
        { addresses: ['0.0.0.0/1', '128.0.0.0/1', '::/0'] },
        { times: { days: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] } }
      ]
    ) t.equal((await ask('POST', '/policies', { ...everything, conditions })).status, 409, JSON.stringify(conditions))
    const elsewhere = await ask('POST', '/policies', {
      name: 'x', effect: 'allow', conditions: { addresses: ['198.51.100.0/24'] }
    })
    t.equal(elsewhere.status, 201, 'from there it can be undone')
    t.equal((await ask('GET', '/policies')).status, 403, 'but not from here')
    await remove(elsewhere.json)
    const office = await ask('POST', '/policies', {
      name: 'x',
      effect: 'deny',
      conditions: { times: { hours: { from: '00:00', until: '23:00' }, zone: 'America/New_York' } }
    })
    t.equal(office.status, 201, 'there is an hour in which it can be undone')
    await remove(office.json)

    const second = await server.createKey({ organization, resource: management, access: 'full', scopes: [] })
    const allowed = await ask('POST', '/policies', {
      name: 'x', effect: 'deny', conditions: { addresses: ['127.0.0.1'] }
    })
    t.equal(allowed.status, 201)
    await remove(allowed.json)
    await admin('POST', `/api-keys/${second.id}/revoke`)
    const forced = await ask('POST', '/policies', { ...everything, force: true })
    t.equal(forced.status, 201)
    t.equal((await ask('GET', '/policies')).status, 403)
    t.match((await admin('GET', `/audit?subject=${forced.json.id}`)).json.data, [{
      type: 'policy.created', detail: { forced: true }
    }])
    t.equal(
      (await admin('PATCH', `/policies/${forced.json.id}`, { name: 'still closed' })).status, 200,
      'who is locked out already cannot be locked out again'
    )
    t.equal((await admin('DELETE', `/policies/${forced.json.id}`)).status, 204, 'the admin token undoes it')
    t.equal((await ask('GET', '/policies')).status, 200)
  })

  tap.test(`a policy that would refuse the session of the person who makes it, from where they are, takes force [${database}]`, async t => {
    const person = await createPerson(server, { role: 'admin' })
    await createMember(server, { role: 'owner', organization: person.organization })
    const ask = async (method: string, path: string, body?: Json) =>
      await send({
        method,
        path: `/api/v1${path}`,
        headers: { cookie: person.cookie, ...fromOwnPages },
        ...(body === undefined ? {} : { body })
      })
    const office: Json = { name: 'office', effect: 'allow', conditions: { addresses: ['203.0.113.0/24'] } }
    t.match((await ask('POST', '/policies', { ...office, dryRun: true })).json, {
      wouldLockOut: true, wouldLockOutYou: true
    })
    const refused = await ask('POST', '/policies', office)
    t.match(refused, {
      status: 409, json: { code: 'WOULD_LOCK_OUT', error: /from 127\.0\.0\.1/, details: { force: true, self: true } }
    })
    const { organization } = person
    t.strictSame((await admin('GET', `/policies?organization=${organization}`)).json.data, [])
    for (const harmless of [
      { ...office, conditions: { addresses: ['127.0.0.0/8'] } }, { ...office, enabled: false },
      { ...office, conditions: { ...office.conditions, kinds: ['api_key'] } }
    ]) {
      const made = await ask('POST', '/policies', harmless)
      t.equal(made.status, 201, JSON.stringify(harmless))
      t.match((await ask('PATCH', `/policies/${made.json.id}`, { enabled: true, conditions: office.conditions })), {
        status: 409, json: { details: { self: true } }
      }, 'nor by a change')
      await remove(made.json)
    }
    const forced = await ask('POST', '/policies', { ...office, force: true })
    t.equal(forced.status, 201)
    t.equal((await ask('GET', '/policies')).status, 403)
    t.match((await admin('GET', `/audit?subject=${forced.json.id}`)).json.data, [{ detail: { forced: true } }])
    await remove(forced.json)
  })

  tap.test(`an organization makes, sees and changes its own policies only [${database}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const { id: foreign } = await server.createOrganization()
    const { key } = await server.createKey({
      organization, resource: management, scopes: ['policies:read', 'policies:write']
    })
    const ask = async (method: string, path: string, body?: Json) =>
      await send({
        method, path: `/api/v1${path}`, headers: { 'x-api-key': key }, ...(body === undefined ? {} : { body })
      })
    const ours = await createPolicy({ effect: 'deny', enabled: false })
    const theirs = await createPolicy({ organization: foreign, effect: 'deny', enabled: false })
    const own = await ask('POST', '/policies', { name: 'own', effect: 'deny', enabled: false })
    t.equal(own.json.organization, organization)
    for (const query of ['', '?organization=deployment', `?organization=${foreign}`]) {
      t.strictSame((await ask('GET', `/policies${query}`)).json.data, [own.json], query)
    }
    for (const { id } of [ours, theirs]) {
      for (const [method, body] of [['GET'], ['PATCH', { name: 'mine' }], ['DELETE']] as [string, Json?][]) {
        const answer = await ask(method, `/policies/${id}`, body)
        t.strictSame(
          [answer.status, answer.json], [404, { error: `There is no policy "${id}".`, code: 'NOT_FOUND' }], method
        )
      }
    }
    t.equal((await ask('POST', '/policies', { organization: foreign, name: 'x', effect: 'deny' })).status, 404)
    for (const policy of [ours, theirs, own.json]) await remove(policy)
  })
}
