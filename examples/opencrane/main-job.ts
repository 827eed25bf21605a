/** OpenCrane's main job as real requests: tenants, policies, datasets, automation, drift and its repair. */
import { bearer, type Leftovers, type Stage } from '../example.ts'
import type { Answer } from '../transcript.ts'
import { openCranePath } from './api.ts'
import { managementPrefix } from './control-plane.ts'
import { datasetsPath } from './datasets.ts'

export async function openCraneJob ({ http, origin, adminToken }: Stage): Promise<Leftovers> {
  http.hide(adminToken)
  const as = (token: string, prefix = openCranePath) =>
    async (method: string, path: string, json?: object): Promise<Answer> =>
      await http.send(method, prefix + path, { headers: bearer(token), ...(json ? { json } : {}) })
  const operator = as(adminToken)
  const latchkey = as(adminToken, managementPrefix)
  const refused = (answer: Answer, status: number, code: string) =>
    http.expect(`${status} ${code}`, answer.status === status && answer.body.code === code)
  const done = (answer: Answer, status: number) => {
    http.expect(String(status), answer.status === status)
    return answer.body
  }

  http.step('An operator creates two tenants')
  const acme = { name: 'acme', displayName: 'Acme', email: 'ops@acme.test', team: 'red' }
  done(await operator('POST', '/tenants', acme), 201)
  done(await operator('POST', '/tenants', { ...acme, name: 'globex', displayName: 'Globex', team: 'blue' }), 201)
  const { data: tenants } = done(await operator('GET', '/tenants'), 200)
  http.expect('both run', tenants.every(({ phase }: { phase: string }) => phase === 'Running') && tenants.length === 2)
  refused(await operator('POST', '/tenants', { ...acme, name: 'drift' }), 400, 'VALIDATION_ERROR')

  http.step('… registers two MCP servers, and denies one to a team')
  const server = async (name: string) => done(await operator('POST', '/mcp-servers', {
    name, endpoint: `https://${name}.tools.test/mcp`, transport: 'streamable-http'
  }), 201)
  await server('files')
  await server('mail')
  done(await operator('POST', '/policies', {
    name: 'no-mail', tenantSelector: { matchTeam: 'red' }, mcpServers: { deny: ['mail'] }
  }), 201)
  const { mcp } = done(await operator('GET', '/tenants/acme/effective-contract'), 200)
  http.expect('the contract of Acme says so', mcp.denied.join() === 'mail' && mcp.allowed.join() === 'files')

  http.step('A dataset is what a tenant may read')
  const none = { team: [], project: [], personal: [] }
  done(await operator('PUT', '/tenants/acme/datasets', { org: ['sales'], ...none }), 200)
  const organizations = done(await latchkey('GET', '/organizations?name=acme'), 200).data
  const key = done(await latchkey('POST', '/api-keys', {
    organization: organizations[0].id,
    resource: origin + datasetsPath,
    environment: 'live',
    name: 'agent',
    scopes: ['datasets:read']
  }), 201).key
  const agent = as(key, datasetsPath)
  done(await agent('GET', '/datasets/sales'), 200)
  refused(await agent('GET', '/datasets/payroll'), 403, 'DATASET_DENIED')

  http.step('Automation of a tenant has a token of its own, which sees that tenant alone')
  const { id, plainTextToken } = done(await operator('POST', '/access-tokens', {
    name: 'ci', owner: 'acme', scopes: ['organizations:read', 'audit:read']
  }), 201)
  http.hide(plainTextToken)
  const automation = as(plainTextToken)
  const seen = done(await automation('GET', '/tenants'), 200).data
  http.expect('Acme, and no other', seen.length === 1 && seen[0].name === 'acme')
  refused(await automation('GET', '/tenants/globex'), 404, 'TENANT_NOT_FOUND')
  refused(await automation('POST', '/tenants', { ...acme, name: 'umbrella' }), 403, 'INSUFFICIENT_PERMISSIONS')

  http.step('The platform and the tenant have AI budgets; the gateway reserves by the virtual key of the tenant')
  const { litellmKey } = done(await operator('POST', '/tenants', {
    ...acme, name: 'initech', displayName: 'Initech', monthlyBudgetUsd: 0.5
  }), 201)
  http.hide(litellmKey.key)
  done(await operator('PUT', '/ai-budget/global', { monthlyLimitUsd: 100 }), 200)
  const apiKey = 'sk-proj-of-the-platform'
  http.hide(apiKey)
  done(await operator('PUT', '/providers/keys', { provider: 'openai', apiKey }), 200)
  const gateway = done(await latchkey('POST', '/clients', {
    organization: null,
    name: 'ai gateway',
    grants: [{ resource: `${origin}/api/v1`, scopes: ['spend:write'] }],
    introspects: [`${origin}${datasetsPath}/models`]
  }), 201)
  const books = async (path: string, json: object) => await http.send('POST', `/api/v1/spend/reservations${path}`, {
    json: { client_id: gateway.clientId, client_secret: gateway.clientSecret, ...json }
  })
  const call = { credential: litellmKey.key, model: 'gpt-5', estimate: 400_000 }
  const { id: reservation } = done(await books('', { ...call, reference: 'call-1' }), 201)
  http.expect('nothing is left for a second call', (await books('', { ...call, reference: 'call-2' })).status === 429)
  const usage = { inputTokens: 1_200, outputTokens: 300 }
  done(await books(`/${reservation}/settle`, { amount: 250_000, usage }), 200)
  const spend = done(await operator('GET', '/ai-budget/initech/spend'), 200)
  http.expect('25 of 50 cents are spent', spend.currentSpendUsd === 0.25 && spend.monthlyLimitUsd === 0.5)
  done(await operator('POST', '/ai-budget/initech/litellm-key/revoke'), 200)
  http.expect('the key is refused', (await books('', { ...call, reference: 'call-3' })).status === 401)

  http.step('Suspending the tenant ends all of it at once; resuming brings it back')
  done(await operator('POST', '/tenants/acme/suspend'), 200)
  http.expect('403 for its key', (await agent('GET', '/datasets/sales')).status === 403)
  done(await operator('POST', '/tenants/acme/resume'), 200)
  done(await agent('GET', '/datasets/sales'), 200)

  http.step('An operator of Latchkey suspends it behind the back of the control plane: drift, repaired when asked')
  done(await latchkey('POST', `/organizations/${organizations[0].id}/suspend`), 200)
  const { drifted } = done(await operator('GET', '/tenants/drift'), 200)
  http.expect('Acme differs', drifted.length === 1 && drifted[0].difference === 'phase')
  http.expect('a dry run changes nothing', done(await operator('POST', '/tenants/repair'), 200).dryRun === true)
  http.expect('it still differs', (await operator('GET', '/tenants/drift')).body.drifted.length === 1)
  done(await operator('POST', '/tenants/repair?dryRun=false'), 200)
  http.expect('nothing differs', (await operator('GET', '/tenants/drift')).body.drifted.length === 0)

  http.step('The token is revoked, and refused from the next request on; the log has all of it')
  done(await operator('DELETE', `/access-tokens/${id}`), 204)
  refused(await automation('GET', '/tenants'), 401, 'UNAUTHORIZED')
  const { data: entries } = done(await operator('GET', '/audit?tenant=acme'), 200)
  http.expect(
    'the revocation is in it', entries.some(({ action }: { action: string }) => action === 'access_token.revoked')
  )
  return {
    curl: [
      `curl -H 'authorization: Bearer ${key}' ${origin}${datasetsPath}/datasets/sales`,
      `curl -H 'authorization: Bearer ${adminToken}' ${origin}${openCranePath}/tenants`,
      `OPENCRANE_TOKEN=${adminToken} npx node examples/opencrane/cli.ts tenants list --url ${origin}`
    ]
  }
}
