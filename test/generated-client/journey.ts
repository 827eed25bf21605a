/**
 * The management journey by a client whose types come from the served document: `latchkey-api` is what openapi-typescript made
 * of it. test/management/openapi.test.ts type checks this file against it, and runs it. What must not compile says so.
 */
import type { paths } from 'latchkey-api'
import createClient, { type Middleware } from 'openapi-fetch'

const asForm = (body: Record<string, unknown>) => new URLSearchParams(body as Record<string, string>)
const form = { 'content-type': 'application/x-www-form-urlencoded' }

/** Goes from nothing to a revoked credential and its trail; throws when an answer is another than expected. `seen` hears of every exchange. */
export async function journey (baseUrl: string, adminToken: string, seen: (request: Request, response: Response) => Promise<void>): Promise<string[]> {
  const telemetry: Middleware = {
    async onResponse ({ request, response }) { await seen(request, response.clone()) },
  }
  const clientFor = (headers: Record<string, string>) => {
    const made = createClient<paths>({ baseUrl, headers })
    made.use(telemetry)
    return made
  }
  const api = clientFor({ authorization: `Bearer ${adminToken}` })
  const stranger = clientFor({})

  const { data: organization } = await api.POST('/api/v1/organizations', { body: { name: 'Acme' } })
  if (organization === undefined) throw new Error('no organization')
  const { data: resource } = await api.POST('/api/v1/resources', {
    body: { identifier: 'https://api.acme.test', scopes: [{ name: 'invoices:read' }], style: 'ledgerbee' },
  })
  if (resource === undefined) throw new Error('no resource')

  const { data: client } = await api.POST('/api/v1/clients', {
    body: { organization: organization.id, name: 'billing', grants: [{ resource: resource.identifier, scopes: ['invoices:read'] }] },
  })
  if (client?.clientSecret === undefined) throw new Error('no client')
  const credentials = { client_id: client.clientId, client_secret: client.clientSecret }
  const { data: token } = await stranger.POST('/api/v1/auth/token', {
    body: { grant_type: 'client_credentials', ...credentials }, bodySerializer: asForm, headers: form,
  })
  if (token?.scope !== 'invoices:read') throw new Error('no token')
  const { data: principal } = await clientFor({ authorization: `Bearer ${token.access_token}` }).GET('/api/v1/principal')
  if (principal?.kind !== 'access_token' || principal.organization !== organization.id) throw new Error('another principal')
  const { data: introspected } = await stranger.POST('/api/v1/oauth/introspect', { body: { token: token.access_token, ...credentials }, bodySerializer: asForm, headers: form })
  if (introspected?.active !== true) throw new Error('not active')

  const { data: key } = await api.POST('/api/v1/api-keys', {
    body: { organization: organization.id, resource: resource.id, environment: 'live', name: 'ci', scopes: ['invoices:read'] },
  })
  if (key === undefined) throw new Error('no key')
  const { data: own } = await clientFor({ 'x-api-key': key.key }).GET('/api/v1/api-key')
  if (own?.id !== key.id) throw new Error('another key')
  await api.GET('/api/v1/api-keys/{id}/usage', { params: { path: { id: key.id }, query: {} } })
  const { data: renamed } = await api.PATCH('/api/v1/api-keys/{id}', { params: { path: { id: key.id } }, body: { name: 'nightly' } })
  if (renamed?.name !== 'nightly') throw new Error('not renamed')
  const { data: rotated } = await api.POST('/api/v1/api-keys/{id}/rotate', { params: { path: { id: key.id } }, body: { overlapSeconds: 60 } })
  if (rotated?.rotatedFrom !== key.id) throw new Error('not rotated')

  await api.POST('/api/v1/api-keys/{id}/revoke', { params: { path: { id: rotated.id } } })
  const { data: revoked } = await api.POST('/api/v1/clients/{id}/revoke', { params: { path: { id: client.clientId } }, body: { reason: 'left a laptop on the train' } })
  if (revoked?.revokedAt === undefined || revoked.revokedAt === null) throw new Error('not revoked')
  const { error: refused } = await api.PATCH('/api/v1/clients/{id}', { params: { path: { id: client.clientId } }, body: { name: 'again' } })
  if (refused?.code !== 'CREDENTIAL_REVOKED') throw new Error('changed all the same')
  const { error: dead, response } = await clientFor({ authorization: `Bearer ${token.access_token}` }).GET('/api/v1/principal')
  if (response.status !== 401 || dead?.code !== 'UNAUTHORIZED') throw new Error('the token lives on')
  const { error: anonymous } = await stranger.GET('/api/v1/audit', { params: { query: {} } })
  if (anonymous?.code !== 'UNAUTHORIZED') throw new Error('the audit log is open')

  const types: string[] = []
  let cursor: string | undefined
  do {
    const { data: page } = await api.GET('/api/v1/audit', { params: { query: { organization: organization.id, limit: 3, ...(cursor === undefined ? {} : { cursor }) } } })
    if (page === undefined) throw new Error('no audit log')
    types.push(...page.data.map(event => event.type))
    cursor = page.pagination.nextCursor
  } while (cursor !== undefined)
  return types
}

/** Never called: what the contract does not know must not compile. */
export async function misunderstandings (baseUrl: string): Promise<void> {
  const api = createClient<paths>({ baseUrl })
  // @ts-expect-error: a member that is missing
  await api.POST('/api/v1/organizations', { body: {} })
  // @ts-expect-error: a value that is none of the style's names
  await api.POST('/api/v1/resources', { body: { identifier: 'https://x.test', scopes: [], style: 'baroque' } })
  // @ts-expect-error: a path that is none
  await api.GET('/api/v1/organisations', {})
  const { data } = await api.GET('/api/v1/organizations/{id}', { params: { path: { id: 'org_x' } } })
  // @ts-expect-error: a member that no answer has
  console.log(data?.secret)
}
