/**
 * CraftDesk's main job as real requests: levels of access, chosen projects, a creator who loses a role, limits, OAuth
 * beside keys.
 */
import { basic, type Answer } from '../transcript.ts'
import { bearer, operatorOf, type Leftovers, type Stage } from '../example.ts'
import { craftdeskPath } from './api.ts'

export async function craftdeskJob (stage: Stage): Promise<Leftovers> {
  const { http, origin } = stage
  const operator = operatorOf(stage)
  const resource = origin + craftdeskPath
  const call = async (credential: string | null, method: string, path: string, json?: object) =>
    await http.send(method, craftdeskPath + path, {
      headers: credential === null ? {} : bearer(credential), ...(json ? { json } : {})
    })
  const refused = (answer: Answer, status: number) =>
    http.expect(`${status}`, answer.status === status && answer.body.code === status)

  http.step('An operator creates a workspace whose plan includes custom keys, and a member of it')
  const { id: workspace } = await operator.create('organizations', { name: 'Acme', features: ['custom-scopes'] })
  const { id: ada } = await operator.create('members', { organization: workspace, name: 'Ada', role: 'admin' })
  const make = async (name: string, access: object) =>
    await operator.create('api-keys', { organization: workspace, resource, environment: 'live', name, ...access })

  http.step('Ada\'s key may do all that Ada may')
  const full = await make('Ada\'s script', { access: 'full', creator: ada })
  const { body: launch } = await call(full.key, 'POST', '/v1/projects', { name: 'Launch' })
  const { body: secret } = await call(full.key, 'POST', '/v1/projects', { name: 'Secret' })
  http.expect('it starts projects', launch.id !== undefined && secret.id !== undefined)

  http.step('A read-only key reads')
  const readOnly = await make('Dashboard', { access: 'read-only' })
  http.expect('200', (await call(readOnly.key, 'GET', '/v1/projects')).status === 200)
  refused(await call(readOnly.key, 'POST', '/v1/projects', { name: 'Mine' }), 403)

  http.step('A custom key does what was chosen, on the project that was chosen')
  const custom = await make('Launch bot', {
    access: 'custom', scopes: ['projects:read', 'tasks:*'], objects: { projects: [launch.id] }
  })
  http.expect(
    '201',
    (await call(custom.key, 'POST', `/v1/projects/${launch.id}/tasks`, { title: 'Invite everybody' })).status === 201
  )
  refused(await call(custom.key, 'GET', `/v1/projects/${secret.id}/tasks`), 403)
  http.expect('the list has the one project', (await call(custom.key, 'GET', '/v1/projects')).body.data.length === 1)

  http.step('Ada becomes a viewer, and so do her keys')
  await operator.send('PATCH', `members/${ada}`, { role: 'viewer' })
  refused(await call(full.key, 'POST', '/v1/projects', { name: 'One more' }), 403)
  http.expect('she may still read', (await call(full.key, 'GET', '/v1/projects')).status === 200)

  http.step('A key with two calls a month says how many are left, and when there are more')
  const limited = await make('Trial', { access: 'read-only', callsPerMonth: 2 })
  const first = await call(limited.key, 'GET', '/v1/projects')
  http.expect('one is left', first.headers.get('ratelimit')?.startsWith('"month";r=1;') === true)
  await call(limited.key, 'GET', '/v1/projects')
  const third = await call(limited.key, 'GET', '/v1/projects')
  refused(third, 429)
  http.expect('Retry-After is there', Number(third.headers.get('retry-after')) > 0)

  http.step('The operator sees every key, and what it was used for')
  const { body: { data: keys } } = await operator.send('GET', `api-keys?organization=${workspace}&status=active`)
  http.expect('four', keys.length === 4)
  const { body: usage } = await operator.send('GET', `api-keys/${limited.id}/usage`)
  http.expect('two calls', usage.calls === 2)

  http.step('A key is renamed without effect on its use, and revoked at once')
  await operator.send('PATCH', `api-keys/${custom.id}`, { name: 'Launch bot (old)' })
  http.expect('200', (await call(custom.key, 'GET', '/v1/projects')).status === 200)
  await operator.send('POST', `api-keys/${custom.id}/revoke`, { reason: 'launched' })
  refused(await call(custom.key, 'GET', '/v1/projects'), 401)

  http.step('OAuth opens the same routes')
  const client = await operator.create('clients', {
    organization: workspace, name: 'Calendar', grants: [{ resource, scopes: ['projects:read'] }]
  })
  const authorization = basic(client.clientId, client.clientSecret)
  http.hide(authorization.slice('Basic '.length))
  const { body: { access_token: token } } = await http.send('POST', '/api/v1/auth/token', {
    headers: { authorization }, form: { grant_type: 'client_credentials' }
  })
  http.expect('200, with the same projects', (await call(token, 'GET', '/v1/projects')).body.data.length === 2)
  refused(await call(token, 'POST', '/v1/projects', { name: 'Mine' }), 403)

  return { curl: [`curl -i -H 'authorization: Bearer ${readOnly.key}' ${resource}/v1/projects`], latchkey: 'key list' }
}
