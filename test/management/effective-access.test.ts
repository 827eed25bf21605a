/** What credentials can do and why; and whether the server goes by what the database says. */
import Database from 'better-sqlite3'
import tap from 'tap'
import { databases } from '../support/databases.ts'
import { MovableClock, startOnEachDatabase, startServer, type Json } from '../support/test-server.ts'

const clock = new MovableClock()
clock.stop()
const { servers, close } = await startOnEachDatabase({ clock })
tap.teardown(close)

for (const { name: database, server } of servers) {
  const { issuer, admin, withKey, send } = server
  const made = async (path: string, body: Json): Promise<Json> => {
    const answer = await admin('POST', path, body)
    if (answer.status !== 201) throw new Error(`${path}: ${answer.status} ${answer.text}`)
    return answer.json
  }
  const accessOf = async (organization: string, query = ''): Promise<Json> =>
    (await admin('GET', `/organizations/${organization}/effective-access?${query}`)).json
  const linesOf = async (organization: string, credential: string, more = ''): Promise<Json> => {
    const { data } = await accessOf(organization, `credential=${credential}${more}`)
    return Object.fromEntries(
      data[0].access.flatMap(({ lines }: Json) =>
        lines.map(({ scope, usable, reasons }: Json) => [scope, [usable, ...reasons]])
      )
    )
  }

  tap.test(`OC-17: every line says what grants a scope or takes it away [${database}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const member = await made('/members', { organization, name: 'Ada', role: 'viewer' })
    const group = await made('/groups', { organization, name: 'billing', scopes: ['invoices:*'] })
    await admin('PUT', `/groups/${group.id}/members/${member.id}`)
    const policy = await made('/policies', {
      organization, name: 'x', effect: 'deny', conditions: { scopes: ['company:read'] }
    })
    const { id, key } = await server.createKey({
      organization, name: 'full', access: 'full', scopes: [], creator: member.id, allowlist: ['127.0.0.0/8']
    })
    const full = { effect: 'grants', by: 'access_level', name: 'full' }
    const keyOnly = [false, full, { effect: 'takes_away', by: 'key_only' }]
    const shown = await accessOf(organization)
    t.strictSame(Object.keys(shown.data[0]), ['credential', 'kind', 'name', 'allowlist', 'createdAt', 'access'])
    t.match(shown.data, [{
      credential: id,
      kind: 'api_key',
      name: 'full',
      allowlist: ['127.0.0.0/8'],
      access: [{ resource: issuer, scopes: ['invoices:read', 'invoices:write'] }]
    }])
    const expected = {
      'company:read': [false, full, { effect: 'grants', by: 'role', pattern: '*:read', name: 'viewer' }, {
        effect: 'takes_away', by: 'policy', id: policy.id
      }],
      'invoices:read': [true, full, { effect: 'grants', by: 'role', pattern: '*:read', name: 'viewer' }, {
        effect: 'grants', by: 'group', pattern: 'invoices:*', id: group.id
      }],
      'invoices:write': [true, full, { effect: 'grants', by: 'group', pattern: 'invoices:*', id: group.id }],
      'portal-provision': keyOnly,
      'portal-sso-mint': keyOnly,
    }
    t.strictSame(await linesOf(organization, id), expected)
    t.strictSame(
      (await withKey(key, '/api/v1/api-key')).json.scopes, ['invoices:read', 'invoices:write'],
      'the guard says the same'
    )

    await admin('PATCH', `/members/${member.id}`, { scopes: ['company:*'] })
    await admin('DELETE', `/groups/${group.id}/members/${member.id}`)
    t.match(await linesOf(organization, id), {
      'company:read': [false, full, { effect: 'grants', by: 'member', pattern: 'company:*', id: member.id }, {
        by: 'policy'
      }],
      'invoices:write': [false, full, { effect: 'takes_away', by: 'creator', id: member.id }]
    })
    await admin('PATCH', `/policies/${policy.id}`, { conditions: { addresses: ['203.0.113.0/24'] } })
    t.strictSame((await linesOf(organization, id))['company:read'].at(-1), {
      effect: 'depends', by: 'policy', id: policy.id
    })
    t.match(await linesOf(organization, id, '&address=203.0.113.7'), { 'company:read': [false] })
    t.equal(
      (await linesOf(organization, id, '&address=198.51.100.7'))['company:read'].length, 3,
      'nothing against it from there'
    )
    await admin('PATCH', `/organizations/${organization}`, { status: 'suspended' })
    t.strictSame((await linesOf(organization, id, '&address=198.51.100.7'))['company:read'].at(-1), {
      effect: 'takes_away', by: 'suspension'
    })
    await admin('PATCH', `/organizations/${organization}`, { status: 'active' })
    await admin('POST', `/api-keys/${id}/revoke`)
    t.match((await linesOf(organization, id))['company:read'], [false, full, {}, {
      effect: 'takes_away', by: 'revoked'
    }])
  })

  tap.test(`OC-17: clients, publishable keys and webhooks' tokens are in it, page by page and filtered [${database}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const resource = await made('/resources', {
      identifier: `https://${database}.test`,
      organization,
      scopes: [{ name: 'a:read' }, { name: 'a:sign' }],
      style: 'craftkit'
    })
    const client = await server.createClient({
      organization,
      grants: [{ resource: issuer, scopes: ['invoices:read'] }, { resource: resource.id, scopes: ['a:read', 'a:sign'] }]
    })
    const key = await server.createKey({ organization })
    const expiring = await server.createKey({
      organization, expiresAt: new Date(clock.now().getTime() + 1_000).toISOString()
    })
    const publishable = await made('/publishable-keys', {
      organization, resource: issuer, environment: 'live', name: 'page', scopes: ['invoices:read']
    })
    const webhook = await made('/webhook-tokens', { apiKey: key.id, object: { type: 'templates', id: 'a' } })
    await admin('PATCH', `/resources/${resource.id}`, {
      scopes: [{ name: 'a:read' }, { name: 'a:sign', keyOnly: true }]
    })
    clock.advance(2)
    const ids: string[] = []
    let cursor: string | undefined
    do {
      const { data, pagination } = await accessOf(
        organization, `limit=2${cursor === undefined ? '' : `&cursor=${cursor}`}`
      )
      t.ok(data.length <= 2)
      ids.push(...data.map(({ credential }: Json) => credential))
      cursor = pagination.nextCursor
    } while (cursor !== undefined)
    t.strictSame(new Set(ids.slice(0, 2)), new Set([key.id, expiring.id]))
    t.strictSame(ids.slice(2), [client.clientId, publishable.id, webhook.id])
    t.strictSame(await linesOf(organization, client.clientId, `&resource=${resource.id}`), {
      'a:read': [true, { effect: 'grants', by: 'scopes', pattern: 'a:read' }],
      'a:sign': [false, { effect: 'grants', by: 'scopes', pattern: 'a:sign' }, { effect: 'takes_away', by: 'key_only' }]
    })
    t.match(await linesOf(organization, expiring.id), {
      'invoices:read': [false, {}, { effect: 'takes_away', by: 'expired' }]
    })
    t.strictSame(
      (await accessOf(organization, `resource=${resource.id}`)).data.map(({ credential }: Json) => credential),
      [client.clientId]
    )
    t.match((await accessOf(organization, `credential=${webhook.id}`)).data, [{
      kind: 'webhook_token', access: [{ scopes: ['invoices:read'] }]
    }])
    await made('/policies', {
      organization, name: 'x', effect: 'deny', conditions: { kinds: ['webhook_token', 'session'] }
    })
    for (const { id } of [webhook, publishable]) {
      t.match((await accessOf(organization, `credential=${id}`)).data, [{ access: [{ scopes: [] }] }])
    }

    const foreign = await server.createKey()
    for (const query of [`credential=${foreign.id}`, 'credential=key_nowhere', 'resource=https://nowhere.test']) {
      t.equal((await admin('GET', `/organizations/${organization}/effective-access?${query}`)).status, 404, query)
    }
    for (const query of ['address=here', 'limit=0', 'x=1']) {
      t.equal((await admin('GET', `/organizations/${organization}/effective-access?${query}`)).status, 400, query)
    }
  })

  tap.test(`a session without its feature of the plan is told so [${database}]`, async t => {
    const organization = (await admin('POST', '/organizations', { name: 'x', features: [] })).json.id
    const resource = await made('/resources', {
      identifier: `https://kit.${database}.test`, organization, scopes: [{ name: 'a:read' }], style: 'craftkit'
    })
    const { id } = await made('/publishable-keys', {
      organization, resource: resource.id, environment: 'live', name: 'page', scopes: ['a:read']
    })
    t.strictSame(await linesOf(organization, id), {
      'a:read': [false, { effect: 'grants', by: 'scopes', pattern: 'a:read' }, {
        effect: 'takes_away', by: 'plan', name: 'embedding'
      }]
    })
  })

  tap.test(`drift is for who has the whole deployment; a server without drift reports none [${database}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const { key } = await server.createKey({
      organization, resource: `${issuer}/api/v1`, scopes: ['effective-access:read', 'effective-access:write']
    })
    for (const [method, path] of [['GET', '/effective-access/drift'], ['POST', '/effective-access/repair']] as const) {
      t.equal((await send({ method, path: `/api/v1${path}`, headers: { 'x-api-key': key } })).status, 403)
    }
    const { json } = await admin('GET', '/effective-access/drift')
    t.strictSame(Object.keys(json), ['differences', 'replicas'])
    t.match(json, { differences: 0, replicas: [{ replica: /^rpl_/, source: 'memory', differences: [] }] })
    t.ok(json.replicas[0].held > 0)
    t.strictSame((await admin('POST', '/effective-access/repair')).json.dryRun, true)
  })
}

tap.test('OC-17: drift that somebody made in the file is reported, mended, and the guard follows [sqlite]', async t => {
  const { url, drop } = await databases[0]!.fresh()
  const server = await startServer({ database: url })
  t.teardown(async () => {
    await server.close()
    await drop()
  })
  const { admin, withKey, bearer } = server
  const { id: organization } = await server.createOrganization()
  const member = (await admin('POST', '/members', { organization, name: 'Ada', role: 'admin' })).json
  const group = (await admin('POST', '/groups', { organization, name: 'all', scopes: [] })).json
  await admin('PUT', `/groups/${group.id}/members/${member.id}`)
  const policy = (await admin('POST', '/policies', { organization, name: 'x', effect: 'deny', enabled: false })).json
  const { id, key } = await server.createKey({ organization, creator: member.id })
  const client = await server.createClient({ organization })
  const token = await server.tokenFor(client)
  for (const status of [(await withKey(key)).status, (await bearer(token)).status]) t.equal(status, 200)

  const file = new Database(url.slice('file:'.length))
  const { jti } = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as { jti: string }
  file.prepare('UPDATE ApiKey SET revokedAt = ? WHERE id = ?').run(new Date().toISOString(), id)
  file.prepare('UPDATE Policy SET enabled = 1 WHERE id = ?').run(policy.id)
  file.prepare("UPDATE \"Group\" SET scopes = '[\"company:read\"]' WHERE id = ?").run(group.id)
  file.prepare('INSERT INTO RevokedToken (jti, clientId, revokedAt, expiresAt) VALUES (?, ?, ?, ?)')
    .run(jti, client.clientId, new Date().toISOString(), new Date(Date.now() + 3_600_000).toISOString())
  file.prepare('UPDATE Client SET lastUsedAt = ? WHERE id = ?').run(new Date().toISOString(), client.clientId)
  file.close()
  for (const status of [(await withKey(key)).status, (await bearer(token)).status]) {
    t.equal(status, 200, 'the server goes by what it holds')
  }

  const differences = [
    { kind: 'api_key', id, difference: 'changed', fields: ['revokedAt'] },
    { kind: 'member', id: member.id, difference: 'changed', fields: ['groups'] },
    { kind: 'policies', id: organization, difference: 'changed', fields: [policy.id] },
    { kind: 'revoked_token', id: jti, difference: 'not_held', fields: [] },
  ]
  const found = await admin('GET', '/effective-access/drift')
  t.equal(found.json.differences, 4)
  t.strictSame(found.json.replicas[0].differences, differences)
  t.notOk(found.text.includes(key), 'no secret and no digest in it')
  t.strictSame(
    (await admin('POST', '/effective-access/repair', {})).json.replicas[0].differences, differences, 'a dry run'
  )
  t.equal((await withKey(key)).status, 200, 'changes nothing')
  t.match((await admin('POST', '/effective-access/repair', { dryRun: false })).json, { dryRun: false, differences: 4 })
  t.equal((await withKey(key)).status, 401, 'the key is revoked')
  t.equal((await bearer(token)).status, 401, 'and so is the token')
  t.equal((await bearer(await server.tokenFor(await server.createClient()))).status, 200)
  t.equal((await server.tokenRequest(client)).status, 400, 'and the policy is in force')
  t.equal((await admin('GET', '/effective-access/drift')).json.differences, 0)
  const events = (await admin('GET', '/audit?type=effective_access.repaired')).json.data
  t.match(events, [{ actor: 'admin', organization: null, detail: { differences: 4 } }])
  t.equal(events.length, 1, 'a dry run is none')

  const edited = new Database(url.slice('file:'.length))
  edited.prepare('DELETE FROM RevokedToken WHERE jti = ?').run(jti)
  edited.close()
  const gone = (await admin('GET', '/effective-access/drift')).json
  t.strictSame(gone.replicas[0].differences, [{ kind: 'revoked_token', id: jti, difference: 'gone', fields: [] }])
  t.equal((await bearer(token)).status, 401, 'the token stays revoked meanwhile')
})

tap.test('a policy that cannot be read denies everything it could be about, until it is replaced [sqlite]', async t => {
  const { url, drop } = await databases[0]!.fresh()
  const server = await startServer({ database: url })
  t.teardown(async () => {
    await server.close()
    await drop()
  })
  const { admin, withKey } = server
  const { id: organization } = await server.createOrganization()
  const { key } = await server.createKey({ organization })
  const neighbour = await server.createKey()
  const policy = (await admin('POST', '/policies', { organization, name: 'x', effect: 'allow' })).json
  const file = new Database(url.slice('file:'.length))
  t.teardown(() => { file.close() })
  const breakages = [
    ['conditions', "'{\"moonPhase\":[\"full\"]}'"],
    ['conditions', "'[]'"],
    ['conditions', "'{\"kinds\":[\"fax\"]}'"],
    ['conditions', "'{\"kinds\":[]}'"],
    ['conditions', "'{\"addresses\":[\"everywhere\"]}'"],
    ['conditions', "'{\"times\":{\"days\":[\"someday\"]}}'"],
    ['conditions', "'{\"times\":{\"days\":[\"mon\"],\"zone\":\"Mars/Olympus\"}}'"],
    ['effect', "'quarantine'"],
  ] as const
  for (const [column, value] of breakages) {
    file.prepare(`UPDATE Policy SET ${column} = ${value} WHERE id = ?`).run(policy.id)
    await admin('POST', '/effective-access/repair', { dryRun: false })
    t.equal((await withKey(key)).status, 403, value)
    t.equal((await withKey(neighbour.key)).status, 200)
    t.strictSame((await admin('GET', `/policies/${policy.id}`)).json.conditions, null)
    t.equal((await admin('PATCH', `/policies/${policy.id}`, { name: 'y' })).status, 400, 'it is not passed over')
    t.equal((await admin('PATCH', `/policies/${policy.id}`, { effect: 'allow', conditions: {} })).status, 200)
    t.equal((await withKey(key)).status, 200)
  }
})
