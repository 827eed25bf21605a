/** CraftDesk's statements about its credential layer, one by one, over real HTTP and on both databases. */
import tap, { type Test } from 'tap'
import { craftdesk, craftdeskPath, declareCraftdesk } from '../../examples/craftdesk/api.ts'
import { openDesk } from '../../examples/craftdesk/desk.ts'
import { newApiKeyText } from '../../src/secrets/credential-text.ts'
import { databases } from '../support/databases.ts'
import { MovableClock, type Answer, type Json } from '../support/test-server.ts'
import { eventually } from '../support/waiting.ts'
import { onBothDatabases, refusalsOf, refused, startApi, usageOf, type ProtectedApi } from '../support/protected-api.ts'

const api: ProtectedApi = {
  path: craftdeskPath,
  async mount (app, latchkey) {
    await declareCraftdesk(latchkey)
    await app.register(craftdesk(latchkey, openDesk()), { prefix: craftdeskPath })
  },
}

const words: Record<number, string> = {
  401: 'Unauthorized', 403: 'Forbidden', 404: 'Not Found', 429: 'Too Many Requests'
}

/** CraftDesk's refusal, whole. */
function refusedAs (t: Test, answer: Answer, status: number, sentence: string, what?: string): void {
  refused(t, answer, status, {
    message: words[status], code: status, errors: { [status === 429 ? 'rate_limit' : 'api_key']: [sentence] }
  }, what)
}

const notValid = 'The credential is not valid.'
const lacks = (scope: string) => `The credential lacks a scope that this route needs: ${scope}.`
const elsewhere = 'The credential is restricted to other objects.'

await onBothDatabases(api, (test, served) => {
  const { server, resource, call, admin, clock, createOrganization } = served
  const createWorkspace = async (features: string[] = ['custom-scopes']) => await createOrganization({ features })
  const createKey = async (organization: string, input: Json = { access: 'full' }) =>
    await served.createKey({ organization, ...input })
  const createMember = async (organization: string, role: string): Promise<string> =>
    (await admin('POST', '/members', { organization, name: 'Ada', role })).json.id as string
  const projects = async (credential: string | null) => await call(credential, 'GET', '/v1/projects')
  const startProject = async (credential: string) => await call(credential, 'POST', '/v1/projects', { name: 'Launch' })
  const tasks = async (credential: string, project: string) =>
    await call(credential, 'GET', `/v1/projects/${project}/tasks`)
  const addTask = async (credential: string, project: string) =>
    await call(credential, 'POST', `/v1/projects/${project}/tasks`, { title: 'Write it down' })

  test('CD-01: a key travels as Authorization: Bearer', async t => {
    const workspace = await createWorkspace()
    for (const environment of ['live', 'test']) {
      const { key } = await createKey(workspace, { access: 'full', environment })
      t.match(key, new RegExp(`^cd_${environment}_[0-9A-Za-z]{33}$`))
      t.strictSame((await projects(key)).json, { data: [] })
      const inHeader = await call(null, 'GET', '/v1/projects', undefined, { headers: { 'x-api-key': key } })
      refusedAs(
        t, inHeader, 401, 'This route needs a credential: an API key or an access token as Authorization: Bearer.'
      )
      t.equal(
        inHeader.headers['www-authenticate'],
        `Bearer resource_metadata="${server.issuer}/.well-known/oauth-protected-resource${craftdeskPath}", ` +
          'scope="projects:read"'
      )
    }
    for (const text of ['nonsense', newApiKeyText('cd', 'live')]) refusedAs(t, await projects(text), 401, notValid)
  })

  test('CD-02: a key is generated with a descriptive name and shown once', async t => {
    const workspace = await createWorkspace()
    const { key, ...created } = await createKey(workspace, { access: 'read-only', name: 'Nightly export' })
    t.equal(created.name, 'Nightly export')
    for (const path of [`/api-keys/${created.id}`, `/api-keys?organization=${workspace}`]) {
      const answer = await admin('GET', path)
      t.strictSame(answer.json.data?.[0] ?? answer.json, created)
      t.notOk(answer.text.includes(key.slice(8, -4)))
    }
    const nameless = await admin('POST', '/api-keys', {
      organization: workspace, resource, environment: 'live', access: 'full'
    })
    t.strictSame([nameless.status, nameless.json.code], [400, 'INVALID_REQUEST'])
    for (const name of ['', ' ', 'a\u0000b', 'x'.repeat(10_000)]) {
      t.equal(
        (await admin('POST', '/api-keys', {
          organization: workspace, resource, environment: 'live', access: 'full', name
        })).status,
        400
      )
    }
  })

  test('CD-03: full access is all that its creator may, read-only what they may read, custom what is chosen', async t => {
    const workspace = await createWorkspace()
    const [owner, viewer] = [await createMember(workspace, 'owner'), await createMember(workspace, 'viewer')]
    const outcome = async (input: Json) => {
      const { key } = await createKey(workspace, input)
      return [await projects(key), await startProject(key), await call(key, 'GET', '/v1/members')].map(({ status }) =>
        status
      )
    }
    t.strictSame(await outcome({ access: 'full', creator: owner }), [200, 201, 200])
    t.strictSame(await outcome({ access: 'full', creator: viewer }), [200, 403, 200], 'never more than its creator')
    t.strictSame(await outcome({ access: 'read-only', creator: owner }), [200, 403, 200])
    t.strictSame(await outcome({ access: 'custom', scopes: ['projects:*'], creator: owner }), [200, 201, 403])
    t.strictSame(await outcome({ access: 'custom', scopes: ['projects:*'], creator: viewer }), [200, 403, 403])
    t.strictSame(await outcome({ access: 'custom', scopes: [], creator: owner }), [403, 403, 403])
  })

  test('CD-03: custom access to chosen projects reaches these and no others', async t => {
    const workspace = await createWorkspace()
    const everything = await createKey(workspace)
    const [one, other] = [
      (await startProject(everything.key)).json.id as string, (await startProject(everything.key)).json.id as string
    ]
    const { key } = await createKey(workspace, {
      access: 'custom', scopes: ['projects:*', 'tasks:*'], objects: { projects: [one] }
    })
    t.strictSame((await projects(key)).json, { data: [{ id: one, name: 'Launch' }] })
    t.equal((await addTask(key, one)).status, 201)
    t.strictSame((await tasks(key, one)).json, { data: [{ id: `${one}_tsk_1`, title: 'Write it down', done: false }] })
    for (const project of [other, 'prj_404', 'prj_1%20', '__proto__']) {
      refusedAs(t, await tasks(key, project), 403, elsewhere, project)
    }
    t.equal((await startProject(key)).status, 403)
    t.equal((await tasks(everything.key, other)).status, 200)
    t.equal((await tasks(everything.key, 'prj_404')).status, 404)
  })

  test('CD-04: the list shows every active key with its dates of creation and last use', async t => {
    const workspace = await createWorkspace()
    const createdAt = clock.now()
    const [used, unused, revoked] = [await createKey(workspace), await createKey(workspace), await createKey(workspace)]
    await admin('POST', `/api-keys/${revoked.id}/revoke`)
    clock.advance(60)
    await projects(used.key)
    const list = await eventually(
      async () => (await admin('GET', `/api-keys?organization=${workspace}&status=active`)).json.data as Json[],
      keys => keys.some(({ lastUsedAt }) => lastUsedAt !== null))
    const dates = Object.fromEntries(list.map(each => [each.id, [each.createdAt, each.lastUsedAt]]))
    t.strictSame(dates, {
      [used.id]: [createdAt.toISOString(), clock.now().toISOString()], [unused.id]: [createdAt.toISOString(), null]
    })
  })

  test('CD-05: a key can be renamed, and its callers notice nothing', async t => {
    const workspace = await createWorkspace()
    const { id, key } = await createKey(workspace, { access: 'full', name: 'old' })
    const before = await projects(key)
    const renamed = await admin('PATCH', `/api-keys/${id}`, { name: 'new' })
    t.strictSame([renamed.status, renamed.json.name, renamed.json.access], [200, 'new', 'full'])
    const after = await projects(key)
    t.strictSame([after.status, after.json], [before.status, before.json])
    t.equal((await admin('GET', `/api-keys/${id}`)).json.name, 'new')
  })

  test('CD-06: the calls of a key in the current billing period, month by month in UTC', async t => {
    const workspace = await createWorkspace()
    const [busy, idle, limited] = [
      await createKey(workspace), await createKey(workspace),
      await createKey(workspace, { access: 'full', callsPerMonth: 100, callsPerMinute: 100 })
    ]
    for (let i = 0; i < 3; i++) await projects(busy.key)
    for (let i = 0; i < 2; i++) t.equal((await projects(limited.key)).status, 200)
    t.equal((await usageOf(served, limited.id)).calls, 2, 'also of one that has limits')
    const first = await usageOf(served, busy.id)
    t.strictSame([first.calls, (await usageOf(served, idle.id)).calls], [3, 0])
    t.equal((await call(busy.key, 'POST', '/v1/nowhere')).status, 404, 'what no route answers is no call')
    clock.advance(secondsToNextMonth(clock.now()))
    t.equal((await usageOf(served, busy.id)).calls, 0)
    await projects(busy.key)
    const second = await usageOf(served, busy.id)
    t.equal(second.calls, 1)
    const day = clock.now().toISOString().slice(0, 10)
    t.strictSame(second.days, [{ day, calls: 1, credits: 0 }])
    t.match(day, /-01$/)
    t.equal((await admin('GET', `/api-keys/${busy.id}/usage?from=${first.from}&to=${day}`)).json.calls, 4)
  })

  test('CD-07: a revoked key is 401 at once', async t => {
    const workspace = await createWorkspace()
    const [{ id, key }, other] = [await createKey(workspace), await createKey(workspace)]
    t.equal((await projects(key)).status, 200)
    await admin('POST', `/api-keys/${id}/revoke`)
    const answer = await projects(key)
    refusedAs(t, answer, 401, notValid)
    t.match(answer.headers['www-authenticate'], /^Bearer error="invalid_token"/)
    t.equal((await projects(other.key)).status, 200)
  })

  test('CD-08: generate, switch, test, revoke: no call fails on the way', async t => {
    const workspace = await createWorkspace()
    const old = await createKey(workspace, { access: 'read-only', callsPerMonth: 1_000 })
    const { json: next } = await admin('POST', `/api-keys/${old.id}/rotate`, { overlapSeconds: 86_400 })
    t.strictSame([next.access, next.callsPerMonth, next.rotatedFrom], ['read-only', 1_000, old.id])
    t.strictSame([(await projects(old.key)).status, (await projects(next.key)).status], [200, 200])
    await admin('POST', `/api-keys/${old.id}/revoke`)
    t.strictSame([(await projects(old.key)).status, (await projects(next.key)).status], [401, 200])
  })

  test('CD-09: 403 for a read-only key that writes, and for a scoped key on another project', async t => {
    const workspace = await createWorkspace()
    const everything = await createKey(workspace)
    const [one, other] = [
      (await startProject(everything.key)).json.id as string, (await startProject(everything.key)).json.id as string
    ]
    const readOnly = await createKey(workspace, { access: 'read-only' })
    const answer = await startProject(readOnly.key)
    refusedAs(t, answer, 403, lacks('projects:write'))
    t.match(answer.headers['www-authenticate'], /^Bearer error="insufficient_scope".* scope="projects:write"/)
    refusedAs(t, await addTask(readOnly.key, one), 403, lacks('tasks:write'))
    const scoped = await createKey(workspace, { access: 'custom', scopes: ['tasks:*'], objects: { projects: [one] } })
    t.equal((await addTask(scoped.key, one)).status, 201)
    refusedAs(t, await addTask(scoped.key, other), 403, elsewhere)
  })

  test('CD-09: a key loses what its creator loses, and has it back when they have', async t => {
    const workspace = await createWorkspace()
    const creator = await createMember(workspace, 'member')
    const { key } = await createKey(workspace, { access: 'full', creator })
    const custom = await createKey(workspace, { access: 'custom', scopes: ['projects:write'], creator })
    for (const each of [key, custom.key]) t.equal((await startProject(each)).status, 201)
    await admin('PATCH', `/members/${creator}`, { role: 'viewer' })
    for (const each of [key, custom.key]) {
      refusedAs(t, await startProject(each), 403, lacks('projects:write'), 'from the next request on')
    }
    t.equal((await projects(key)).status, 200)
    await admin('PATCH', `/members/${creator}`, { role: 'admin' })
    t.equal((await startProject(key)).status, 201)
    await admin('POST', `/members/${creator}/remove`)
    refusedAs(t, await startProject(key), 403, lacks('projects:write'))
    refusedAs(t, await projects(key), 403, lacks('projects:read'), 'who is gone may nothing')
  })

  test('CD-10: past the allowance of the month it is 429, until the next month', async t => {
    const workspace = await createWorkspace()
    const { id, key } = await createKey(workspace, { access: 'full', callsPerMonth: 3 })
    const untilNext = secondsToNextMonth(clock.now())
    const policy = `"month";q=3;w=${secondsOfMonth(clock.now())}`
    for (const left of [2, 1, 0]) {
      const { status, headers } = await projects(key)
      t.strictSame([status, headers['ratelimit-policy'], headers.ratelimit, headers['retry-after']], [
        200, policy, `"month";r=${left};t=${untilNext}`, undefined
      ])
    }
    for (let i = 0; i < 2; i++) {
      const answer = await projects(key)
      refusedAs(t, answer, 429, 'The allowance of the month is used up.')
      const { headers } = answer
      t.strictSame([
        headers['ratelimit-policy'], headers.ratelimit, headers['retry-after'], headers['www-authenticate']
      ], [policy, `"month";r=0;t=${untilNext}`, String(untilNext), undefined])
    }
    t.equal((await usageOf(served, id)).calls, 3, 'what is refused is not counted')
    clock.advance(untilNext - 1)
    t.equal((await projects(key)).status, 429)
    clock.advance(1)
    t.equal((await projects(key)).status, 200)
    t.equal((await usageOf(served, id)).calls, 1)
  })

  test('CD-10: calls at the same time never get more than the allowance', async t => {
    const { key } = await createKey(await createWorkspace(), { access: 'full', callsPerMonth: 25 })
    const answers = await Promise.all(Array.from({ length: 60 }, () => projects(key)))
    t.strictSame([200, 429].map(status => answers.filter(answer => answer.status === status).length), [25, 35])
  })

  test('CD-10: past the calls of a minute it is 429, until there is one again', async t => {
    const { key } = await createKey(await createWorkspace(), { access: 'full', callsPerMinute: 2 })
    const policy = '"minute";q=2;w=60'
    const first = await projects(key)
    t.strictSame([first.status, first.headers['ratelimit-policy'], first.headers.ratelimit], [
      200, policy, '"minute";r=1;t=30'
    ])
    const second = await projects(key)
    t.strictSame([second.status, second.headers.ratelimit], [200, '"minute";r=0;t=30'])
    const third = await projects(key)
    refusedAs(t, third, 429, 'Too many requests.')
    t.strictSame([third.headers['ratelimit-policy'], third.headers.ratelimit, third.headers['retry-after']], [
      policy, '"minute";r=0;t=30', '30'
    ])
    clock.advance(29)
    t.equal((await projects(key)).headers['retry-after'], '1')
    clock.advance(1)
    t.equal((await projects(key)).status, 200)
  })

  test('CD-11: unusual activity shows: usage day by day, and refusals with their reasons', async t => {
    const workspace = await createWorkspace()
    const { id, key } = await createKey(workspace, { access: 'read-only' })
    const quiet = clock.now().toISOString().slice(0, 10)
    await projects(key)
    clock.advance(86_400)
    const loud = clock.now().toISOString().slice(0, 10)
    for (let i = 0; i < 20; i++) await projects(key)
    await startProject(key)
    await call(key, 'POST', '/v1/projects/prj_1/tasks', { title: 'x' })
    const { json } = await admin('GET', `/api-keys/${id}/usage?from=${quiet}&to=${loud}`)
    t.strictSame(json.days, [{ day: quiet, calls: 1, credits: 0 }, { day: loud, calls: 20, credits: 0 }])
    t.match((await admin('GET', `/organizations/${workspace}/usage?from=${quiet}&to=${loud}`)).json, {
      organization: workspace, live: { calls: 21, credits: 0 }, test: { calls: 0, credits: 0 }
    })
    const reasons = await eventually(async () => await refusalsOf(served, id), found => found.length > 0)
    t.strictSame(reasons, ['insufficient_scope'], 'once a minute: enough to see it')
    const { json: { data: [event] } } = await admin('GET', `/audit?type=credential.refused&subject=${id}`)
    t.match(event, { organization: workspace, subject: id, address: '127.0.0.1' })
  })

  test('CD-12: custom access takes a plan that includes it; others are told', async t => {
    const workspace = await createWorkspace([])
    const custom = {
      organization: workspace, resource, environment: 'live', name: 'ci', access: 'custom', scopes: ['projects:read']
    }
    const refusal = await admin('POST', '/api-keys', custom)
    t.strictSame([refusal.status, refusal.json], [403, {
      error:
        'Custom-access keys need a plan that includes custom-scopes; use full or read-only access, or change the ' +
          'plan.',
      code: 'FEATURE_NOT_INCLUDED',
      details: { feature: 'custom-scopes' }
    }])
    const { id } = await createKey(workspace, { access: 'read-only' })
    const widening = await admin('PATCH', `/api-keys/${id}`, { access: 'custom', scopes: ['projects:write'] })
    t.strictSame([widening.status, widening.json.code], [403, 'FEATURE_NOT_INCLUDED'])
    t.equal((await admin('GET', `/api-keys/${id}`)).json.access, 'read-only')
    await admin('PATCH', `/organizations/${workspace}`, { features: ['custom-scopes'] })
    t.equal((await admin('POST', '/api-keys', custom)).status, 201)
  })

  test('CD-12: a key with custom access is refused while the plan no longer includes it, and works again when it does', async t => {
    const workspace = await createWorkspace()
    const { id, key } = await createKey(workspace, { access: 'custom', scopes: ['projects:read'] })
    const other = await createKey(workspace, { access: 'read-only' })
    t.equal((await projects(key)).status, 200)
    await admin('PATCH', `/organizations/${workspace}`, { features: [] })
    refusedAs(
      t, await projects(key), 403, 'The plan of the organization does not include this.', 'from the next request on'
    )
    t.equal((await projects(other.key)).status, 200)
    t.strictSame(await eventually(async () => await refusalsOf(served, id), found => found.length > 0), [
      'feature_missing'
    ])
    await admin('PATCH', `/organizations/${workspace}`, { features: ['custom-scopes'] })
    t.equal((await projects(key)).status, 200)
  })

  test('CD-10: an organization\'s limits bind all its keys together, those that have none too', async t => {
    const workspace = await createWorkspace()
    const limited = await admin('PATCH', `/organizations/${workspace}`, { callsPerMonth: 3, callsPerMinute: 5 })
    t.match(limited.json, { callsPerMonth: 3, creditsPerMonth: null, callsPerMinute: 5 })
    const keys = await Promise.all([1, 2, 3].map(async () => (await createKey(workspace)).key))
    for (const key of keys) t.equal((await projects(key)).status, 200)
    const untilNext = secondsToNextMonth(clock.now())
    for (const key of [...keys, (await createKey(workspace)).key]) {
      const answer = await projects(key)
      refusedAs(t, answer, 429, 'The allowance of the month is used up.')
      const { headers } = answer
      t.strictSame([headers['ratelimit-policy'], headers['retry-after']], [
        `"organization-minute";q=5;w=60, "organization-month";q=3;w=${secondsOfMonth(clock.now())}`, String(untilNext)
      ])
      t.match(
        headers.ratelimit, new RegExp(`^"organization-minute";r=1;t=\\d+, "organization-month";r=0;t=${untilNext}$`),
        'what the month refused is not taken from the minute'
      )
    }
    t.equal(
      (await projects((await createKey(workspace, { access: 'full', environment: 'test' })).key)).status, 200,
      'test keys have limits of their own'
    )
    t.equal((await projects((await createKey(await createWorkspace())).key)).status, 200)
    await admin('PATCH', `/organizations/${workspace}`, { callsPerMonth: null, callsPerMinute: 3 })
    const limit = await projects(keys[0]!)
    refusedAs(t, limit, 429, 'Too many requests.')
    t.equal(limit.headers['ratelimit-policy'], '"organization-minute";q=3;w=60')
    await admin('PATCH', `/organizations/${workspace}`, { callsPerMinute: null })
    const free = await projects(keys[0]!)
    t.strictSame([free.status, free.headers.ratelimit], [200, undefined])
  })

  test('CD-10: rotating a key gives it no new month', async t => {
    const workspace = await createWorkspace()
    const old = await createKey(workspace, { access: 'full', callsPerMonth: 3, callsPerMinute: 100 })
    for (let i = 0; i < 2; i++) t.equal((await projects(old.key)).status, 200)
    const { json: next } = await admin('POST', `/api-keys/${old.id}/rotate`, { overlapSeconds: 3_600 })
    t.equal((await projects(next.key)).status, 200)
    for (const { key } of [old, next]) refusedAs(t, await projects(key), 429, 'The allowance of the month is used up.')
    const { json: third } = await admin('POST', `/api-keys/${next.id}/rotate`, { overlapSeconds: 60 })
    refusedAs(t, await projects(third.key), 429, 'The allowance of the month is used up.')
    t.strictSame(await Promise.all([old, next, third].map(async ({ id }) => (await usageOf(served, id)).calls)), [
      2, 1, 0
    ], 'usage is told apart')
    await admin('PATCH', `/api-keys/${third.id}`, { callsPerMonth: 5 })
    t.equal((await projects(old.key)).status, 200, 'another limit is the other\'s in its overlap too')
    t.equal((await admin('GET', `/api-keys/${old.id}`)).json.callsPerMonth, 5)
  })

  test('CD-13: access tokens open the same routes, with the same answers', async t => {
    const workspace = await createWorkspace()
    const { key } = await createKey(workspace)
    const client = await server.createClient({
      organization: workspace, grants: [{ resource, scopes: ['projects:read', 'projects:write'] }]
    })
    const token = await server.tokenFor(client)
    const { json: project } = await startProject(token)
    t.strictSame((await projects(token)).json, { data: [project] })
    t.strictSame((await projects(key)).json, { data: [project] })
    refusedAs(t, await tasks(token, project.id), 403, lacks('tasks:read'))
    const foreign = await server.createClient({ organization: workspace })
    refusedAs(
      t, await projects(await server.tokenFor(foreign)), 401, 'The credential is not valid for this resource.',
      'a token for another API'
    )
    const both = await server.send({
      path: `${craftdeskPath}/v1/projects`,
      headers: ['authorization', `Bearer ${token}`, 'authorization', `Bearer ${key}`]
    })
    t.equal(both.status, 400)
    await admin('POST', `/clients/${client.clientId}/revoke`)
    refusedAs(t, await projects(token), 401, 'The credential was revoked.')
  })
})

function secondsToNextMonth (now: Date): number {
  return (Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1) - now.getTime()) / 1_000
}

function secondsOfMonth (now: Date): number {
  return (Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1) - Date.UTC(now.getUTCFullYear(), now.getUTCMonth())) /
    1_000
}

tap.test('CD-10: two replicas together hand out the allowance of the month, and no call more [postgresql]', async t => {
  const database = await databases.find(({ name }) => name === 'postgresql')!.fresh()
  const clock = new MovableClock()
  clock.stop()
  const one = await startApi(api, { database: database.url, clock })
  const other = await startApi(api, {
    database: database.url,
    clock,
    issuer: one.server.issuer,
    environment: { LATCHKEY_SECRET: one.server.secret, LATCHKEY_ADMIN_TOKEN: one.server.adminToken }
  })
  t.teardown(async () => {
    await Promise.all([one.server.close(), other.server.close()])
    await database.drop()
  })
  const organization = await one.createOrganization()
  // Many short races: only where both servers take between the other's read and its own write does the database alone
  // decide.
  for (let i = 0; i < 25; i++) {
    const { key } = await one.createKey({ organization, access: 'full', scopes: undefined, callsPerMonth: 1 })
    const answers = await Promise.all([one, other, one, other].map(replica => replica.call(key, 'GET', '/v1/projects')))
    t.strictSame(answers.map(({ status }) => status).toSorted(), [200, 429, 429, 429])
  }
})
