/** OpenCrane does for a caller what the caller may not do, or to another record than the one that was named. */
import tap from 'tap'
import { mountOpenCrane } from '../../examples/opencrane/api.ts'
import { managementPrefix } from '../../examples/opencrane/control-plane.ts'
import { startServer, type Answer, type Json } from '../support/test-server.ts'

const server = await startServer({
  bare: true, routes: { management: { prefix: managementPrefix } }, mount: mountOpenCrane
})
tap.teardown(server.close)

const below = (prefix: string, token: string) =>
  async (method: string, path: string, body?: Json): Promise<Answer> => await server.send({
    method,
    path: prefix + path,
    headers: { authorization: `Bearer ${token}` },
    ...(body === undefined ? {} : { body })
  })
const operator = below('/api/v1', server.adminToken)
const latchkey = below(managementPrefix, server.adminToken)
const createTenant = async (name: string): Promise<Json> =>
  (await operator('POST', '/tenants', { name, displayName: name, email: `ops@${name}.test` })).json
const organizationOf = async (name: string): Promise<string> => (await latchkey('GET', '/organizations?limit=200'))
  .json.data.find((each: Json) => each.name === name && each.status !== 'deleted').id
const tokenWith = async (scopes: string[]) =>
  below('/api/v1', (await operator('POST', '/access-tokens', { name: scopes[0], scopes })).json.plainTextToken)

tap.test('a token of the platform that reads declares nothing', async t => {
  await createTenant('read')
  await operator('POST', '/policies', { name: 'kept' })
  const reads = ['organizations', 'effective-access', 'policies', 'resources', 'mcp-servers', 'budgets', 'api-keys']
    .map(each => `${each}:read`)
  const reader = await tokenWith(reads)
  const datasets = { org: ['salaries'], team: [], project: [], personal: [] }
  const changes: [string, string, Json?][] = [
    ['PUT', '/tenants/read/datasets', datasets], ['PUT', '/tenants/read', { team: 'finance' }],
    ['POST', '/policies', { name: 'new' }], ['PUT', '/policies/kept', { description: 'mine' }],
    ['DELETE', '/policies/kept']
  ]
  for (const [method, path, body] of changes) {
    const { status, json } = await reader(method, path, body)
    t.match([status, json.code], [403, 'INSUFFICIENT_PERMISSIONS'], `${method} ${path}`)
  }
  t.strictSame((await reader('GET', '/tenants/read/datasets')).json, { ...datasets, org: [] })
  t.notOk('description' in (await reader('GET', '/policies/kept')).json)
  const writer = await tokenWith([...reads, 'organizations:write'])
  t.equal((await writer('PUT', '/tenants/read/datasets', datasets)).status, 200)
  t.equal((await writer('DELETE', '/policies/kept')).status, 403, 'another scope')
})

tap.test('without a tenant it is the key of the platform, whichever tenants have one', async t => {
  await createTenant('keyed')
  const ofTenant = { provider: 'openai', apiKey: 'sk-of-the-tenant-0000', tenant: 'keyed' }
  const { json: before } = await operator('PUT', '/providers/keys', ofTenant)
  t.equal((await operator('DELETE', '/providers/keys/openai')).status, 404, 'the platform has none')
  const ofPlatform = { provider: 'openai', apiKey: 'sk-of-the-platform-0' }
  const { json: made } = await operator('PUT', '/providers/keys', ofPlatform)
  t.notOk('tenant' in made)
  t.equal((await operator('DELETE', '/providers/keys/openai')).status, 204)
  t.strictSame((await operator('GET', '/providers/keys')).json.data, [before])
})

tap.test('a tenant whose virtual key is disabled can be changed, and keeps that key', async t => {
  const { litellmKey: { id } } = await createTenant('disabled')
  await latchkey('POST', `/api-keys/${id}/disable`)
  t.strictSame((await operator('PUT', '/tenants/disabled', { team: 'red' })).json, {
    name: 'disabled', status: 'updated'
  })
  t.match((await operator('GET', '/ai-budget/disabled/litellm-key')).json, { id, status: 'disabled' })
})

tap.test('a repair makes no virtual key, whose text nobody would be told', async t => {
  await createTenant('gone')
  await latchkey('DELETE', `/organizations/${await organizationOf('gone')}`)
  t.match((await operator('POST', '/tenants/repair?dryRun=false')).json.drifted, [{ name: 'gone' }])
  t.equal((await operator('GET', '/tenants/gone')).status, 200)
  t.equal((await operator('GET', '/ai-budget/gone/litellm-key')).status, 404)
  t.match((await operator('PUT', '/tenants/gone', {})).json.litellmKey, { key: /^oc_live_/ })
})
