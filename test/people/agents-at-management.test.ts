// The management API as a resource of the code flow: an opt-in of the deployment, and for reading alone.
import tap from 'tap'
import { handableScopes } from '../../src/domain/authorizations/allow.ts'
import { managementResourceId } from '../../src/domain/resources/resource.ts'
import { operatorsId } from '../../src/domain/tenancy/organization.ts'
import { managementScopes, readableForMembers } from '../../src/management/resource.ts'
import {
  authorizationUrl, authorize, browserOf, createAskingClient, isCallback, newPkce, redeem, tokenAs
} from '../support/authorizing.ts'
import { operationsOf } from '../support/openapi-document.ts'
import { asPerson, createPerson, signIn, type Person } from '../support/people.ts'
import { identityProviders, requestsFor, tenant } from '../support/tenant.ts'
import { decodeJwt, startOnEachDatabase, startServer, type Answer, type Json } from '../support/test-server.ts'

tap.setTimeout(600_000)
const { servers, close } = await startOnEachDatabase({
  environment: { ...identityProviders, LATCHKEY_AUTHORIZE_MANAGEMENT: 'read' }
})
tap.teardown(close)

const forDeployment = ['server:read', 'replicas:read', 'signing-keys:read']
const reading = Object.keys(readableForMembers)

tap.test('every scope for reading is either offered to members or for the deployment alone', async t => {
  const all = managementScopes.filter(({ name, keyOnly }) => name.endsWith(':read') && !keyOnly).map(({ name }) => name)
  t.strictSame([...reading, ...forDeployment].sort(), all.sort(), 'a new one has to be decided about')
})

tap.test('unless the deployment opts in, the management API is no resource of the grant, like an unknown one', async t => {
  const server = await startServer()
  t.teardown(() => server.close())
  const [client, person] = [await createAskingClient(server), await createPerson(server, { role: 'owner' })]
  const errorFor = async (resource: string) => {
    const asked = { resource, scope: 'members:read', prompt: 'none' }
    const { error, error_description: told } = await authorize(server, client, person, asked)
    return { error, told }
  }
  const unknown = await errorFor('https://unknown.example.test')
  t.equal(unknown.error, 'invalid_target')
  t.strictSame(await errorFor(`${server.issuer}/api/v1`), unknown)
})

for (const { name: database, server } of servers) {
  const { issuer } = server
  const { store } = server.latchkey.operation
  const management = `${issuer}/api/v1`

  /** An agent of a person at the management API: its tokens, and its calls. */
  const agentOf = async (person: Pick<Person, 'cookie'>, scope = reading.join(' ')) => {
    const client = await createAskingClient(server)
    const given = await authorize(server, client, person, { resource: management, scope })
    const { json } = await redeem(server, client, given)
    const call = async (method: string, path: string, body?: Json): Promise<Answer> => await server.send({
      method, path: `/api/v1${path}`, headers: { authorization: `Bearer ${json.access_token}` }, ...(body && { body })
    })
    return { client, tokens: json, call, claims: decodeJwt(json.access_token).payload }
  }

  tap.test(`what changes something is dropped from a request, and alone it is invalid_scope [${database}]`, async t => {
    const person = await createPerson(server, { role: 'owner' })
    const { tokens, claims } = await agentOf(
      person, 'members:read members:write api-keys:write portal-provision server:read'
    )
    t.equal(tokens.scope, 'members:read')
    t.match(claims, { aud: management, scope: 'members:read', sub: person.id, org_id: person.organization })
    const writing = ['members:write', 'api-keys:write access-tokens:write', 'portal-provision', '*']
    for (const scope of [...writing, ...forDeployment]) {
      const client = await createAskingClient(server)
      const { error } = await authorize(server, client, person, { resource: management, scope })
      t.equal(error, 'invalid_scope', scope)
    }
    const again = await tokenAs(server, (await agentOf(person, 'members:read')).client, {
      grant_type: 'refresh_token', refresh_token: tokens.refresh_token, scope: 'members:write'
    })
    t.equal(again.status, 400, 'nor by a refresh')
  })

  tap.test(`the metadata of the API names what may be asked for, and the page says it in words [${database}]`, async t => {
    const { json } = await server.send({ path: '/.well-known/oauth-protected-resource/api/v1' })
    t.strictSame([json.resource, [...json.scopes_supported].sort()], [management, [...reading].sort()])
    const person = await createPerson(server, { role: 'viewer' })
    const client = await createAskingClient(server)
    const url = authorizationUrl(server, client, newPkce().challenge, { resource: management, scope: 'members:read' })
    const page = await browserOf(server, person).open(url, isCallback)
    t.match(page.text, readableForMembers['members:read'])
    t.match(page.text, 'Latchkey management API')
  })

  tap.test(`an agent of an owner reads records of the organization alone, and changes nothing [${database}]`, async t => {
    const own = await tenant(server, `agents${database}`)
    const person = await createPerson(server, { organization: own.organization, role: 'owner' })
    const { call } = await agentOf(person)
    for (const [route, { path, body, scope }] of Object.entries(requestsFor(own, issuer))) {
      const answer = await call(route.split(' ')[0]!, path, body)
      const told = `${route}: ${answer.status} ${answer.text.slice(0, 160)}`
      if (scope.endsWith(':write')) {
        t.match(answer, { status: 403, json: { details: { reason: 'insufficient_scope' } } }, told)
      } else if (answer.status !== 200) {
        t.match(answer, { status: 403, json: { code: 'INSUFFICIENT_PERMISSIONS' } }, `for the deployment: ${told}`)
      }
    }
    t.match((await call('GET', '/members')).json.data.map((each: Json) => each.organization), [own.organization])
    const other = await tenant(server, `other${database}`)
    for (const path of [`/members/${other.member.id}`, `/organizations/${other.organization}`]) {
      t.equal((await call('GET', path)).status, 404, path)
    }
  })

  tap.test(`where only a person may act, an agent may not [${database}]`, async t => {
    const { call } = await agentOf(await createPerson(server, { role: 'owner' }))
    const document = (await server.send({ path: '/api/v1/openapi.json' })).json
    const own = operationsOf(document).filter(({ security }) =>
      security?.length > 0 && security.every((each: Json) => Object.keys(each).join() === 'personSession'))
    t.ok(own.length > 5, own.map(({ path }) => path).join(' '))
    for (const { method, path } of own) {
      const answer = await call(method, path.replace('/api/v1', '').replace(/\{\w+\}/g, 'x'))
      t.ok([401, 403].includes(answer.status), `${method} ${path}: ${answer.status} ${answer.text.slice(0, 120)}`)
    }
  })

  tap.test(`an agent reads what the member may read at that moment [${database}]`, async t => {
    const person = await createPerson(server, { role: 'viewer' })
    const { call } = await agentOf(person)
    t.equal((await call('GET', '/members')).status, 200)
    await server.admin('PATCH', `/members/${person.id}`, { scopes: ['groups:read'] })
    t.equal((await call('GET', '/groups')).status, 200)
    t.match(await call('GET', '/members'), { status: 403, json: { details: { reason: 'insufficient_scope' } } })
  })

  tap.test(`an authorization that has ended is 401 at the next request [${database}]`, async t => {
    const person = await createPerson(server, { role: 'owner' })
    const { call, claims, client, tokens } = await agentOf(person)
    t.equal((await call('GET', '/members')).status, 200)
    t.equal((await asPerson(server, person)('DELETE', `/auth/authorizations/${claims.gnt}`)).status, 204)
    t.equal((await call('GET', '/members')).status, 401)
    const refresh = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token }
    t.equal((await tokenAs(server, client, refresh)).json.error, 'invalid_grant')
  })

  tap.test(`an agent of an operator is confined to the organization of the operators [${database}]`, async t => {
    const { items: [operator] } = await store.members.page({ limit: 1, after: null }, { operator: true })
    const other = await tenant(server, `elsewhere${database}`)
    const { call, claims } = await agentOf(await signIn(server, operator!.id))
    t.equal(claims.org_id, operatorsId)
    t.strictSame((await call('GET', '/organizations')).json.data.map((each: Json) => each.id), [operatorsId])
    t.strictSame((await call('GET', `/members?organization=${other.organization}`)).json.data
      .filter((each: Json) => each.organization !== operatorsId), [])
    for (const [route, { path, body, scope }] of Object.entries(requestsFor(other, issuer))) {
      const answer = await call(route.split(' ')[0]!, path, body)
      const told = `${route}: ${answer.status} ${answer.text.slice(0, 160)}`
      if (answer.status === 200) t.notMatch(answer.text, other.member.id, told)
      if (path.includes(':id') || scope.endsWith(':write')) t.ok([403, 404].includes(answer.status), told)
    }
    for (const path of ['/replicas', '/signing-keys', '/health', '/metrics', '/lost-changes', '/audit/verify']) {
      t.equal((await call('GET', path)).status, 403, path)
    }
  })

  tap.test(`a deployment that takes the offer back takes it from tokens too [${database}]`, async t => {
    const { call, client, tokens } = await agentOf(await createPerson(server, { role: 'owner' }))
    t.equal((await call('GET', '/members')).status, 200)
    // What a start without the opt-in does.
    const offered = (await store.resources.get(managementResourceId))!
    const { revision } = await store.resources.update({ ...offered, defaultScopes: [] })
    t.match(await call('GET', '/members'), { status: 403, json: { details: { reason: 'insufficient_scope' } } })
    const refresh = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token }
    t.equal((await tokenAs(server, client, refresh)).json.error, 'invalid_target')
    await store.resources.update({ ...offered, revision })
    t.equal((await call('GET', '/members')).status, 200)
  })

  tap.test(`no scope that changes something is handed on, were it offered [${database}]`, async t => {
    const person = await createPerson(server, { role: 'owner' })
    const [resource, member] = [await store.resources.get(managementResourceId), await store.members.get(person.id)]
    const defaultScopes = managementScopes.map(({ name }) => name)
    const handed = handableScopes(member!, { ...resource!, defaultScopes })
    t.ok(handed.length > 0 && handed.every(scope => scope.endsWith(':read')), handed.join(' '))
  })
}
