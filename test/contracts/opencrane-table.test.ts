/** OpenCrane's endpoint table, path by path and method by method, served by the example over the library. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap from 'tap'
import { mountOpenCrane } from '../../examples/opencrane/api.ts'
import { managementPrefix } from '../../examples/opencrane/control-plane.ts'
import { datasetsPath } from '../../examples/opencrane/datasets.ts'
import { skillFile, zip } from '../support/archives.ts'
import { oneDatabase } from '../support/databases.ts'
import { createPerson } from '../support/people.ts'
import { ownEnvironment, run } from '../support/running-server.ts'
import { startOnEachDatabase, startServer, type Answer, type ClientAnswer, type Json } from '../support/test-server.ts'

/** The reference's table; a path below /api/v1 unless it begins with two slashes. */
const table = [
  'GET /tenants', 'POST /tenants', 'GET /tenants/{name}', 'PUT /tenants/{name}', 'DELETE /tenants/{name}',
  'POST /tenants/{name}/suspend', 'POST /tenants/{name}/resume', 'GET /tenants/{name}/datasets',
  'PUT /tenants/{name}/datasets', 'GET /tenants/{name}/effective-contract', 'GET /tenants/drift',
  'POST /tenants/repair', 'GET /policies', 'POST /policies', 'GET /policies/{name}', 'PUT /policies/{name}',
  'DELETE /policies/{name}', 'GET /policies/drift', 'POST /policies/repair', 'GET /mcp-servers', 'POST /mcp-servers',
  'GET /mcp-servers/{id}', 'PUT /mcp-servers/{id}', 'DELETE /mcp-servers/{id}', 'GET /groups', 'POST /groups',
  'GET /groups/{id}', 'PUT /groups/{id}', 'DELETE /groups/{id}', 'GET /skills/catalog', 'POST /skills/catalog',
  'GET /skills/catalog/{id}', 'PUT /skills/catalog/{id}', 'DELETE /skills/catalog/{id}', 'GET /third-party-sources',
  'POST /third-party-sources', 'GET /third-party-sources/{id}', 'PUT /third-party-sources/{id}',
  'DELETE /third-party-sources/{id}', 'GET /access-tokens', 'POST /access-tokens', 'DELETE /access-tokens/{id}',
  'GET /providers/keys', 'PUT /providers/keys', 'DELETE /providers/keys/{provider}', 'GET /ai-budget/global',
  'PUT /ai-budget/global', 'GET /ai-budget/accounts', 'PUT /ai-budget/accounts/{userId}',
  'DELETE /ai-budget/accounts/{userId}', 'GET /ai-budget/{tenantName}/spend',
  'GET /ai-budget/{tenantName}/litellm-key', 'POST /ai-budget/{tenantName}/litellm-key/revoke', 'GET /audit',
  'GET /token-usage', 'GET /metrics/server', 'GET /metrics/projection-drift', 'GET /auth/login', 'GET /auth/callback',
  'GET /auth/me', 'POST /auth/logout', 'GET /openapi.json', 'GET //healthz', 'GET //prom'
] as const
type Row = typeof table[number]

const { servers, close } = await startOnEachDatabase({
  bare: true, routes: { management: { prefix: managementPrefix } }, mount: mountOpenCrane
}, oneDatabase)
tap.teardown(close)

const acme = { name: 'acme', displayName: 'Acme', email: 'ops@acme.test', team: 'red', monthlyBudgetUsd: 10 }
const skill = zip([{ name: 'SKILL.md', content: skillFile() }])
const digest = `sha256:${createHash('sha256').update(skill).digest('hex')}`

for (const { name: database, server } of servers) {
  const { send, issuer, adminToken } = server
  const called = new Set<string>()
  const as = (token: string | null) => async (row: Row, ids: Json = {}, body?: Json, query = ''): Promise<Answer> => {
    called.add(row)
    const [method, path] = row.split(' ') as [string, string]
    const filled = path.replace(/\{(\w+)\}/g, (_, each: string) => encodeURIComponent(ids[each]))
    return await send({
      method,
      path: (filled.startsWith('//') ? filled.slice(1) : `/api/v1${filled}`) + query,
      headers: token === null ? {} : { authorization: `Bearer ${token}` },
      ...(body === undefined ? {} : { body })
    })
  }
  const operator = as(adminToken)
  const stranger = as(null)
  const ok = async (row: Row, ids: Json = {}, body?: Json, query = ''): Promise<Json> => {
    const answer = await operator(row, ids, body, query)
    if (answer.status >= 300) throw new Error(`${row}: ${answer.status} ${answer.text}`)
    return answer.json
  }
  const title = (text: string) => `OC-20: ${text} [${database}]`
  const page = (data: Json[]) => ({ data, pagination: { limit: 100, hasMore: false } })
  const refusal = ({ status, json }: Answer): unknown[] => [status, json.code, Object.keys(json as object)]

  tap.test(title('tenants are made, listed, read, changed, suspended, resumed and deleted by name'), async t => {
    const made = await operator('POST /tenants', {}, acme)
    t.equal(made.status, 201)
    t.match(made.json, { name: 'acme', status: 'created', litellmKey: { id: /^key_/, key: /^oc_live_/ } })
    const shown = (await ok('GET /tenants/{name}', { name: 'acme' }))
    t.strictSame(Object.keys(shown).toSorted(), ['createdAt', 'displayName', 'email', 'name', 'phase', 'team'])
    t.strictSame(await ok('GET /tenants'), page([shown]))
    t.match(await ok('PUT /tenants/{name}', { name: 'acme' }, { displayName: 'Acme Inc' }), { status: 'updated' })
    t.equal((await ok('GET /tenants/{name}', { name: 'acme' })).displayName, 'Acme Inc')
    await ok('POST /tenants/{name}/suspend', { name: 'acme' })
    t.equal((await ok('GET /tenants/{name}', { name: 'acme' })).phase, 'Suspended')
    await ok('POST /tenants/{name}/resume', { name: 'acme' })
    t.equal((await ok('GET /tenants/{name}', { name: 'acme' })).phase, 'Running')
    await ok('POST /tenants', {}, { ...acme, name: 'gone' })
    t.strictSame(await ok('DELETE /tenants/{name}', { name: 'gone' }), { name: 'gone', status: 'deleted' })
    t.strictSame(
      refusal(await operator('GET /tenants/{name}', { name: 'gone' })), [404, 'TENANT_NOT_FOUND', ['error', 'code']]
    )
    await ok('POST /tenants', {}, { ...acme, name: 'globex', team: 'blue' })
    const first = await ok('GET /tenants', {}, undefined, '?limit=1')
    t.match(first.pagination, { limit: 1, hasMore: true, nextCursor: String })
    const second = await ok('GET /tenants', {}, undefined, `?limit=1&cursor=${first.pagination.nextCursor}`)
    t.strictSame([first, second].map(({ data }) => data[0].name), ['globex', 'acme'])
  })

  tap.test(title('a virtual key whose text was lost is answered again to the same request alone'), async t => {
    const tenant = { ...acme, name: 'lost' }
    const request = async (method: string, path: string, body: Json, key: string) => await send({
      method,
      path: `/api/v1${path}`,
      body,
      headers: { authorization: `Bearer ${adminToken}`, 'idempotency-key': key }
    })
    const made = await request('POST', '/tenants', tenant, 'first')
    t.match(made, { status: 201, json: { status: 'created', litellmKey: { id: /^key_/, key: /^oc_live_/ } } })
    t.strictSame((await request('POST', '/tenants', tenant, 'first')).json, made.json)
    for (const [key, body] of [['second', tenant], ['first', { ...tenant, team: 'blue' }]] as const) {
      t.match(await request('POST', '/tenants', body, key), { status: 409, json: { code: 'CONFLICT' } }, key)
    }
    const tenantName = 'lost'
    t.equal((await ok('GET /ai-budget/{tenantName}/litellm-key', { tenantName })).id, made.json.litellmKey.id)
    await ok('POST /ai-budget/{tenantName}/litellm-key/revoke', { tenantName })
    const changed = await request('PUT', '/tenants/lost', {}, 'third')
    t.match(changed, { status: 200, json: { litellmKey: { key: /^oc_live_/ } } })
    t.strictSame((await request('PUT', '/tenants/lost', {}, 'third')).json, changed.json)
    t.notOk('litellmKey' in (await request('PUT', '/tenants/lost', {}, 'fourth')).json)
    await ok('DELETE /tenants/{name}', { name: 'lost' })
  })

  tap.test(title('a request is refused with the envelope and the code of the reference'), async t => {
    const envelope = ['error', 'code']
    t.strictSame(refusal(await stranger('GET /tenants')), [401, 'UNAUTHORIZED', envelope])
    t.strictSame(refusal(await stranger('POST /tenants', {}, {})), [401, 'UNAUTHORIZED', envelope], 'before its body')
    t.strictSame(refusal(await as('nonsense')('GET /tenants')), [401, 'UNAUTHORIZED', envelope])
    for (const name of ['drift', 'repair', 'global', 'accounts', 'Acme', '-a', '', 'a/b', '😀'.repeat(40)]) {
      t.strictSame(
        refusal(await operator('POST /tenants', {}, { ...acme, name })), [400, 'VALIDATION_ERROR', envelope], name
      )
    }
    t.strictSame(refusal(await operator('POST /tenants', {}, acme)), [409, 'CONFLICT', envelope])
    const together = await Promise.all(
      Array.from({ length: 5 }, async () => (await operator('POST /tenants', {}, { ...acme, name: 'once' })).status)
    )
    t.strictSame(together.toSorted(), [201, 409, 409, 409, 409])
    await ok('DELETE /tenants/{name}', { name: 'once' })
    t.strictSame(
      refusal(await operator('POST /tenants', {}, { ...acme, name: 'x', extra: 1 })),
      [400, 'VALIDATION_ERROR', envelope]
    )
    t.strictSame(
      refusal(await operator('PUT /ai-budget/global', {}, { monthlyLimitUsd: -1 })), [400, 'VALIDATION_ERROR', envelope]
    )
    t.strictSame(
      refusal(await operator('PUT /ai-budget/global', {}, { monthlyLimitUsd: 0.0000001 })),
      [400, 'VALIDATION_ERROR', envelope]
    )
    t.strictSame(
      refusal(await operator('GET /tenants', {}, undefined, '?limit=0')), [400, 'VALIDATION_ERROR', envelope]
    )
    t.strictSame(
      refusal(await operator('GET /policies/{name}', { name: 'x' })), [404, 'POLICY_NOT_FOUND', envelope]
    )
  })

  tap.test(title('a tenant sees itself alone, and may not manage the platform'), async t => {
    const { plainTextToken, id } = await ok('POST /access-tokens', {}, { name: 'ci', owner: 'acme' })
    const tenant = as(plainTextToken)
    t.strictSame((await tenant('GET /tenants')).json.data.map(({ name }: Json) => name), ['acme'])
    t.strictSame((await tenant('GET /tenants/{name}', { name: 'globex' })).json.code, 'TENANT_NOT_FOUND')
    const forbidden: [Row, Json, Json?][] = [
      ['POST /tenants', {}, { ...acme, name: 'other' }],
      ['PUT /tenants/{name}', { name: 'acme' }, { team: 'blue' }], ['POST /tenants/{name}/suspend', { name: 'acme' }],
      ['DELETE /tenants/{name}', { name: 'acme' }], ['GET /policies', {}], ['GET /tenants/drift', {}],
      ['PUT /tenants/{name}/datasets', { name: 'acme' }, { org: ['x'], team: [], project: [], personal: [] }],
      ['PUT /ai-budget/global', {}, { monthlyLimitUsd: 1 }], ['PUT /tenants/{name}', { name: 'acme' }, {
        monthlyBudgetUsd: 1_000_000
      }],
      ['POST /mcp-servers', {}, { name: 'm', endpoint: 'https://m.test', transport: 'sse' }],
      ['GET /metrics/server', {}]
    ]
    for (const [row, ids, body] of forbidden) t.equal((await tenant(row, ids, body)).status, 403, row)
    t.equal((await ok('GET /ai-budget/{tenantName}/spend', { tenantName: 'acme' })).monthlyLimitUsd, 10, 'unchanged')
    t.strictSame((await ok('GET /access-tokens')).data.map((each: Json) => [each.id, each.owner]), [[id, 'acme']])
    t.equal((await operator('DELETE /access-tokens/{id}', { id })).status, 204)
    t.equal((await tenant('GET /tenants')).status, 401)
  })

  tap.test(title('policies and grants say which MCP servers a tenant may use, and tokens obey at once'), async t => {
    const files = await ok('POST /mcp-servers', {}, {
      name: 'files', endpoint: 'https://files.test/mcp', transport: 'sse', grants: [{ tenant: 'acme' }]
    })
    const mail = await ok('POST /mcp-servers', {}, {
      name: 'mail', endpoint: 'https://mail.test/mcp', transport: 'streamable-http'
    })
    t.strictSame(await ok('GET /mcp-servers/{id}', { id: files.id }), files)
    t.strictSame(
      (await ok('GET /mcp-servers')).data.map(({ name }: Json) => name).toSorted(), ['files', 'mail']
    )
    const policy = { tenantSelector: { matchTeam: 'red' }, mcpServers: { deny: ['mail'] } }
    const contract = async (name: string) => (await ok('GET /tenants/{name}/effective-contract', { name }))
    const { json: client } = await send({
      method: 'POST',
      path: `${managementPrefix}/clients`,
      headers: { authorization: `Bearer ${adminToken}` },
      body: {
        organization: (await send({
          path: `${managementPrefix}/organizations?name=acme`, headers: { authorization: `Bearer ${adminToken}` }
        })).json.data[0].id,
        name: 'agent',
        grants: [{ resource: 'https://mail.test/mcp', scopes: ['mcp:use'] }]
      }
    })
    const resource = 'https://mail.test/mcp'
    const token = async () => (await server.tokenRequest(client as ClientAnswer, { resource })).status
    t.equal(await token(), 200)
    await ok('POST /policies', {}, { name: 'no-mail', ...policy })
    t.equal(await token(), 400, 'the policy takes the scope away')
    t.match(await ok('GET /policies/{name}', { name: 'no-mail' }), { name: 'no-mail', ...policy })
    t.strictSame((await contract('acme')).mcp, { allowed: ['files'], denied: ['mail'] })
    t.strictSame((await contract('globex')).mcp, { allowed: ['mail'], denied: ['files'] })
    const before = (await contract('acme')).contractVersion
    await ok('PUT /policies/{name}', { name: 'no-mail' }, { ...policy, mcpServers: { allow: ['mail'] } })
    t.strictSame((await contract('acme')).mcp, { allowed: ['mail'], denied: ['files'] })
    t.not((await contract('acme')).contractVersion, before)
    t.equal(await token(), 200)
    await ok('PUT /mcp-servers/{id}', { id: files.id }, { grants: [], transport: 'websocket' })
    t.equal((await ok('GET /mcp-servers/{id}', { id: files.id })).transport, 'websocket')
    t.strictSame((await contract('globex')).mcp.denied, [])
    t.strictSame((await ok('GET /policies')).data.length, 1)
    t.strictSame(await ok('DELETE /policies/{name}', { name: 'no-mail' }), { name: 'no-mail', status: 'deleted' })
    t.strictSame((await contract('acme')).mcp.denied, [])
    await ok('DELETE /mcp-servers/{id}', { id: mail.id })
    t.equal((await operator('GET /mcp-servers/{id}', { id: mail.id })).status, 404)
  })

  tap.test(title('drift is reported, and repaired unless it is a dry run'), async t => {
    const direct = async (method: string, path: string, body?: Json) => (await send({
      method,
      path: managementPrefix + path,
      headers: { authorization: `Bearer ${adminToken}` },
      ...(body === undefined ? {} : { body })
    })).json
    const { data: [organization] } = await direct('GET', '/organizations?name=acme')
    await direct('PATCH', `/organizations/${organization.id}`, { name: 'Renamed' })
    await direct('POST', `/organizations/${organization.id}/suspend`)
    await direct('PUT', `/budgets/organizations/${organization.id}`, { day: 50_000_000, month: 7 })
    const differences = async () =>
      (await ok('GET /tenants/drift')).drifted.map((each: Json) => [each.name, each.difference])
    const drifted = [['acme', 'renamed'], ['acme', 'phase'], ['acme', 'budget']]
    t.strictSame(await differences(), drifted)
    t.match(await ok('GET /metrics/projection-drift'), { tenant: { drifted: 3 }, alertFired: true })
    t.equal((await ok('POST /tenants/repair')).dryRun, true)
    t.strictSame(await differences(), drifted)
    t.equal((await ok('POST /tenants/repair', {}, undefined, '?dryRun=false')).dryRun, false)
    t.strictSame(await differences(), [])
    const { day } = await direct('GET', `/budgets/organizations/${organization.id}`)
    t.equal(day.limit, 50_000_000, 'not declared: kept')

    const server = await ok('POST /mcp-servers', {}, {
      name: 'crm', endpoint: 'https://crm.test/mcp', transport: 'sse', grants: [{ tenant: 'globex' }]
    })
    const { data: [policy] } = await direct('GET', '/policies?organization=deployment')
    await direct('DELETE', `/policies/${policy.id}`)
    t.match((await ok('GET /policies/drift')).drifted, [{ name: 'acme', difference: 'denied_servers', live: [] }])
    await ok('POST /policies/repair', {}, undefined, '?dryRun=false')
    t.strictSame(await ok('GET /policies/drift'), { drifted: [] })
    t.match(await ok('GET /metrics/projection-drift'), { alertFired: false, accessPolicy: { drifted: 0 } })
    await ok('DELETE /mcp-servers/{id}', { id: server.id })
  })

  tap.test(title('a dataset is what a tenant may read; a credential without it is DATASET_DENIED'), async t => {
    const datasets = { org: ['sales'], team: [], project: ['apollo'], personal: [] }
    t.strictSame(await ok('PUT /tenants/{name}/datasets', { name: 'acme' }, datasets), datasets)
    t.strictSame(await ok('GET /tenants/{name}/datasets', { name: 'acme' }), datasets)
    const keyFor = async (name: string, more: Json = {}): Promise<string> => {
      const headers = { authorization: `Bearer ${adminToken}` }
      const { json: { data } } = await send({ path: `${managementPrefix}/organizations?name=${name}`, headers })
      return (await send({
        method: 'POST',
        path: `${managementPrefix}/api-keys`,
        headers,
        body: {
          organization: data[0].id,
          resource: issuer + datasetsPath,
          environment: 'live',
          name: 'agent',
          scopes: ['datasets:read'],
          ...more
        }
      })).json.key
    }
    const read = async (key: string, dataset: string) => {
      const { status, json } = await send({
        path: `${datasetsPath}/datasets/${dataset}`, headers: { authorization: `Bearer ${key}` }
      })
      return [status, json.code]
    }
    const [own, other, confined] = [
      await keyFor('acme'), await keyFor('globex'), await keyFor('acme', { objects: { datasets: ['apollo'] } })
    ]
    t.strictSame(await read(own, 'sales'), [200, undefined])
    t.strictSame(await read(own, 'payroll'), [403, 'DATASET_DENIED'])
    t.strictSame(await read(other, 'sales'), [403, 'DATASET_DENIED'])
    t.strictSame([await read(confined, 'apollo'), await read(confined, 'sales')], [
      [200, undefined], [403, 'DATASET_DENIED']
    ])
    await ok('PUT /tenants/{name}/datasets', { name: 'acme' }, { ...datasets, org: [] })
    t.strictSame(await read(own, 'sales'), [403, 'DATASET_DENIED'], 'from the next request on')
    const together = { org: ['together'], team: [], project: [], personal: [] }
    await Promise.all([
      ok('PUT /tenants/{name}', { name: 'acme' }, { displayName: 'Both' }),
      ok('PUT /tenants/{name}/datasets', { name: 'acme' }, together),
      ok('POST /tenants/{name}/suspend', { name: 'acme' })
    ])
    await ok('POST /tenants/{name}/resume', { name: 'acme' })
    t.equal((await ok('GET /tenants/{name}', { name: 'acme' })).displayName, 'Both')
    t.strictSame(await ok('GET /tenants/{name}/datasets', { name: 'acme' }), together, 'no change undoes another')
  })

  tap.test(title('groups, skills and third-party sources'), async t => {
    const group = await ok('POST /groups', {}, {
      name: 'readers', tenant: 'acme', awarenessGrants: [{ scope: 'datasets:read' }]
    })
    t.match(group, { id: /^grp_/, description: '', memberCount: 0, awarenessGrants: [{ scope: 'datasets:read' }] })
    t.strictSame(await ok('GET /groups'), page([group]))
    t.equal((await ok('PUT /groups/{id}', { id: group.id }, { name: 'all' })).name, 'all')
    t.equal((await ok('GET /groups/{id}', { id: group.id })).name, 'all')
    t.strictSame(await ok('DELETE /groups/{id}', { id: group.id }), { id: group.id, status: 'deleted' })
    t.equal((await operator('GET /groups/{id}', { id: group.id })).status, 404)

    const sent = { name: 'pdf-forms', version: '1.0.0', digest, scope: 'team', archive: skill.toString('base64') }
    const bundle = await ok('POST /skills/catalog', {}, { ...sent, tags: ['forms'] })
    t.match(bundle, { id: /^skl_/, name: 'pdf-forms', digest, scope: 'team', status: 'published', tags: ['forms'] })
    t.strictSame(await ok('GET /skills/catalog'), page([bundle]))
    t.strictSame(await ok('GET /skills/catalog/{id}', { id: bundle.id }), bundle)
    t.equal((await operator('POST /skills/catalog', {}, sent)).status, 409, 'a version is never overwritten')
    const wrong = await operator('POST /skills/catalog', {}, {
      ...sent, version: '1.0.1', digest: digest.replace(/.$/, last => last === '0' ? '1' : '0')
    })
    t.strictSame([wrong.status, wrong.json.code], [400, 'VALIDATION_ERROR'])
    t.equal((await ok('PUT /skills/catalog/{id}', { id: bundle.id }, { scope: 'org' })).scope, 'org')
    t.strictSame(await ok('DELETE /skills/catalog/{id}', { id: bundle.id }), { id: bundle.id, status: 'deprecated' })
    t.equal((await ok('GET /skills/catalog/{id}', { id: bundle.id })).status, 'deprecated')
    const back = await operator('PUT /skills/catalog/{id}', { id: bundle.id }, { status: 'published' })
    t.strictSame([back.status, back.json.code], [409, 'CONFLICT'])

    const source = await ok('POST /third-party-sources', {}, {
      name: 'official',
      type: 'mcp-registry',
      url: 'https://registry.test/v0.1/servers',
      headers: { authorization: 'Bearer of-the-source' }
    })
    t.match(source, { id: /^tps_/, name: 'official', type: 'mcp-registry', syncStatus: 'pending' })
    t.strictSame(await ok('GET /third-party-sources'), page([source]))
    t.strictSame(await ok('GET /third-party-sources/{id}', { id: source.id }), source)
    const renamed = await operator('PUT /third-party-sources/{id}', { id: source.id }, { name: 'other' })
    t.equal(renamed.json.name, 'other')
    t.notMatch(renamed.text, 'of-the-source')
    t.strictSame(await ok('DELETE /third-party-sources/{id}', { id: source.id }), { id: source.id, status: 'deleted' })
  })

  tap.test(title('provider keys, budgets, the virtual key of a tenant, and what was spent'), async t => {
    const key = await operator('PUT /providers/keys', {}, { provider: 'openai', apiKey: 'sk-of-the-platform' })
    t.match(key.json, { provider: 'openai', configured: true })
    t.notMatch(key.text + (await operator('GET /providers/keys')).text, 'sk-of')
    const ofAcme = { provider: 'openai', tenant: 'acme' }
    const other = await ok('PUT /providers/keys', {}, { ...ofAcme, apiKey: 'sk-of-acme-0000000' })
    t.equal(other.tenant, 'acme')
    t.equal((await ok('GET /providers/keys')).data.length, 2)
    const replaced = await ok('PUT /providers/keys', {}, { ...ofAcme, apiKey: 'sk-newer-of-acme-00' })
    t.not(replaced.fingerprint, other.fingerprint)
    const removed = await operator('DELETE /providers/keys/{provider}', ofAcme, undefined, '?tenant=acme')
    t.equal(removed.status, 204)
    const left = await ok('GET /providers/keys')
    t.strictSame(left.data.map(({ tenant }: Json) => tenant), [undefined], 'that of the platform is kept')
    const unknown = await operator('DELETE /providers/keys/{provider}', { provider: 'none' })
    t.equal(unknown.status, 404)
    const atOnce = await Promise.all(['one', 'two', 'six'].map(async name => await operator(
      'PUT /providers/keys', {}, { provider: 'mistral', apiKey: `sk-of-the-platform-${name}` }
    )))
    t.strictSame(atOnce.map(({ status }) => status), [200, 200, 200], 'whichever comes first')

    const unlimited = { monthlyLimitUsd: null, currentSpendUsd: 0, budgetAlertState: 'ok' }
    t.strictSame(await ok('GET /ai-budget/global'), unlimited)
    t.strictSame(await ok('PUT /ai-budget/global', {}, { monthlyLimitUsd: 100.5 }), {
      ...unlimited, monthlyLimitUsd: 100.5
    })
    const userId = 'ada@acme.test'
    t.match(await ok('PUT /ai-budget/accounts/{userId}', { userId }, { monthlyLimitUsd: 1 }), {
      userId, monthlyLimitUsd: 1
    })
    t.match(await ok('GET /ai-budget/accounts'), page([{ userId, ...unlimited, monthlyLimitUsd: 1 }]))
    t.strictSame(await ok('DELETE /ai-budget/accounts/{userId}', { userId }), { userId, status: 'deleted' })
    t.strictSame(await ok('GET /ai-budget/accounts'), page([]))

    const tenantName = 'acme'
    const shown = await ok('GET /ai-budget/{tenantName}/litellm-key', { tenantName })
    t.match(shown, { id: /^key_/, hint: /^oc_live_/, status: 'active', budget: { monthlyLimitUsd: 10 } })
    t.notOk('key' in shown)
    const revoked = await ok('POST /ai-budget/{tenantName}/litellm-key/revoke', { tenantName })
    t.match(revoked, { id: shown.id, status: 'revoked' })
    const { litellmKey } = await ok('PUT /tenants/{name}', { name: 'acme' }, {})
    t.match(litellmKey, { id: /^key_/, key: /^oc_live_/ })
    t.equal((await ok('GET /ai-budget/{tenantName}/litellm-key', { tenantName })).id, litellmKey.id)

    const headers = { authorization: `Bearer ${adminToken}` }
    const { json: gateway } = await send({
      method: 'POST',
      path: `${managementPrefix}/clients`,
      headers,
      body: {
        organization: null,
        name: 'gateway',
        grants: [{ resource: `${issuer}/api/v1`, scopes: ['spend:write'] }],
        introspects: [`${issuer}${datasetsPath}/models`]
      }
    })
    const book = async (path: string, body: Json) => await send({
      method: 'POST',
      path: `/api/v1/spend/reservations${path}`,
      body: { client_id: gateway.clientId, client_secret: gateway.clientSecret, ...body }
    })
    const reserved = await book('', {
      credential: litellmKey.key, model: 'gpt-5', estimate: 9_000_000, reference: 'call-1'
    })
    t.equal(reserved.status, 201, reserved.text)
    const over = await book('', {
      credential: litellmKey.key, model: 'gpt-5', estimate: 2_000_000, reference: 'call-2'
    })
    t.equal(over.status, 429)
    await book(`/${reserved.json.id}/settle`, { amount: 8_500_001, usage: { inputTokens: 12, outputTokens: 3 } })
    t.strictSame(await ok('GET /ai-budget/{tenantName}/spend', { tenantName }), {
      monthlyLimitUsd: 10, currentSpendUsd: 8.500001, budgetAlertState: 'warning'
    })
    t.match(await ok('GET /token-usage', {}, undefined, '?tenant=acme'), page([
      { tenant: 'acme', model: 'gpt-5', inputTokens: 12, outputTokens: 3, totalCostUsd: 8.500001 }
    ]))
    t.strictSame(await ok('GET /token-usage', {}, undefined, '?tenant=globex'), page([]))
  })

  tap.test(title('audit, metrics, the sign-in and the document'), async t => {
    const { data, pagination } = await ok('GET /audit', {}, undefined, '?tenant=acme&limit=3')
    t.strictSame([data.length, pagination.limit, pagination.hasMore], [3, 3, true])
    const next = await ok('GET /audit', {}, undefined, `?tenant=acme&limit=3&cursor=${pagination.nextCursor}`)
    t.not(next.data[0].timestamp, undefined)
    t.ok([...data, ...next.data].every(({ tenant }: Json) => tenant === 'acme'))
    t.equal((await ok('GET /audit')).pagination.limit, 100)
    t.match(await ok('GET /metrics/server'), { cpuPercent: Number, storageTotalBytes: Number, activeTenants: 2 })

    t.strictSame((await stranger('GET /auth/me')).json, { mode: 'none', authenticated: false, user: null })
    const person = await createPerson({
      ...server,
      admin: async (method, path, body) => await send({
        method, path: managementPrefix + path, headers: { authorization: `Bearer ${adminToken}` }, body: body ?? {}
      }),
      createOrganization: async () => (await send({
        method: 'POST',
        path: `${managementPrefix}/organizations`,
        headers: { authorization: `Bearer ${adminToken}` },
        body: { name: 'People' }
      })).json as { id: string, name: string }
    })
    const cookie = { cookie: person.cookie, 'sec-fetch-site': 'same-origin' }
    const me = await send({ path: '/api/v1/auth/me', headers: cookie })
    t.strictSame(me.json, { mode: 'none', authenticated: true, user: { sub: person.id, name: 'Ada' } })
    t.equal((await stranger('GET /auth/login')).status, 200)
    t.equal((await stranger('GET /auth/callback')).status, 400)
    called.add('POST /auth/logout')
    await send({ method: 'POST', path: '/api/v1/auth/logout', headers: cookie })
    t.equal((await send({ path: '/api/v1/auth/me', headers: cookie })).json.authenticated, false)
    t.equal((await stranger('GET //healthz')).status, 200)
    t.equal((await stranger('GET //prom')).status, 200)

    const document = await stranger('GET /openapi.json')
    const described = Object.entries(document.json.paths as Json).flatMap(([path, methods]) =>
      Object.keys(methods as object).map(method => `${method.toUpperCase()} ${path.replace('/api/v1', '')}`))
    const unnamed = (rows: readonly string[]) => rows.map(row => row.replace(/\{\w+\}/g, '{}')).toSorted()
    const undescribed = ['GET /openapi.json', 'GET //healthz', 'GET //prom']
    t.strictSame(unnamed(described), unnamed(table.filter(row => !undescribed.includes(row))))
    t.strictSame(table.filter(row => !called.has(row)), [], 'every row was called')
  })
}

tap.test('OC-20: what is declared outlives the process; OPENCRANE_TOKEN and --token are the static token', async t => {
  const options = {
    bare: true, routes: { management: { prefix: managementPrefix } }, mount: mountOpenCrane
  }
  const server = await startServer(options)
  t.teardown(server.close)
  const cli = new URL('../../examples/opencrane/cli.ts', import.meta.url).pathname
  const command = async (args: string[], more: Json = {}) =>
    await run(process.execPath, [cli, ...args, '--url', server.url], { env: { ...ownEnvironment({}), ...more } })
  const create = ['tenants', 'create', 'acme', '--display-name', 'Acme', '--email', 'ops@acme.test']
  const made = await command([...create, '--token', server.adminToken])
  t.equal(made.code, 0, made.stderr)
  t.match(JSON.parse(made.stdout), { name: 'acme', status: 'created' })
  const listed = await command(['tenants', 'list'], { OPENCRANE_TOKEN: server.adminToken })
  t.match(JSON.parse(listed.stdout).data, [{ name: 'acme' }])
  const without = await command(['tenants', 'list'])
  t.strictSame([without.code, without.stderr], [1, 'error: no token; give --token, or set OPENCRANE_TOKEN\n'])
  const refused = await command(['tenants', 'get', 'none', '--token', server.adminToken])
  t.strictSame([refused.code, refused.stderr], [1, 'error: There is no tenant "none". (TENANT_NOT_FOUND)\n'])
  const readme = await readFile(new URL('../../examples/opencrane/README.md', import.meta.url), 'utf8')
  const token = { OPENCRANE_TOKEN: server.adminToken }
  const lines = [...readme.matchAll(/^npx node examples\/opencrane\/cli\.ts (.*)$/gm)].map(([, line]) => line!)
  t.equal(lines.length, 10)
  for (const line of lines) {
    const ran = await command(line.replace(/\bacme\b/, 'initech').split(' '), token)
    t.equal(ran.code, 0, `${line}: ${ran.stderr}`)
  }
  const help = await command(['--help'], token)
  t.equal(help.stdout.includes(server.adminToken), false, 'the help does not show the token')
  const nowhere = await run(process.execPath, [cli, 'tenants', 'list', '--url', 'http://127.0.0.1:9', '--token', 'x'])
  t.equal(nowhere.code, 1)
  t.match(nowhere.stderr, /^error: no answer from http:\/\/127\.0\.0\.1:9 \(.*OPENCRANE_URL\n$/)
  const kept = JSON.parse(await readFile(join(server.folder, 'opencrane.json'), 'utf8'))
  t.strictSame(kept.tenants.map(({ name }: Json) => name), ['acme'])
  t.notMatch(JSON.stringify(kept), /oc_live_/)
})
