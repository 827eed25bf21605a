/** Attempts to evade policies. */
import tap from 'tap'
import { styles, type ErrorStyleName } from '../../src/domain/resources/style.ts'
import { createResource } from '../../src/domain/declaration/resource-declaration.ts'
import { errorStyles } from '../../src/guard/refusal/styles.ts'
import type { Refusal } from '../../src/domain/access/principal.ts'
import { startOnEachDatabase, type Json } from '../support/test-server.ts'

const { servers, close } = await startOnEachDatabase({
  trustProxy: '127.0.0.9',
  async mount (app, latchkey) {
    const identifier = `${latchkey.config.issuer}/shared`
    await createResource(latchkey.operation, {
      identifier, scopes: [{ name: 'a:read', keyOnly: false, description: null }], style: styles.opencrane
    })
    await app.register(async api => {
      await api.register(latchkey.guard, { resource: identifier })
      api.get(
        '/:org/a', { config: { scopes: ['a:read'], organization: 'org' } },
        async ({ principal }) => ({ scopes: principal.scopes })
      )
      api.post(
        '/hook/:secret', { config: { scopes: [], webhook: { param: 'secret', type: 'templates' } } },
        async () => ({ heard: true })
      )
    }, { prefix: '/shared' })
  },
})
tap.teardown(close)

const refusal: Refusal = {
  reason: 'policy_denied', presented: 'api_key', subject: 'key_a', organizationId: 'org_a', policy: 'pol_secret'
}
const sentence = 'An access policy does not allow this request.'
const answers: Record<ErrorStyleName, Json> = {
  ledgerbee: {
    statusCode: 403,
    timestamp: '1970-01-01T00:00:00.000Z',
    path: '/x',
    message: sentence,
    code: 'INSUFFICIENT_PERMISSIONS',
    details: { reason: 'policy_denied' }
  },
  'crane-ledger': {
    error: { type: 'permission_error', code: 'insufficient_permissions', message: sentence, status: 403 }
  },
  craftkit: { error: { code: 'forbidden', message: sentence } },
  craftdesk: { message: 'Forbidden', code: 403, errors: { api_key: [sentence] } },
  opencrane: { error: sentence, code: 'INSUFFICIENT_PERMISSIONS', details: { reason: 'policy_denied' } },
  rfc9457: {
    type: 'about:blank',
    title: sentence,
    status: 403,
    instance: '/x',
    code: 'INSUFFICIENT_PERMISSIONS',
    reason: 'policy_denied'
  }
}
for (const [name, body] of Object.entries(answers) as [ErrorStyleName, Json][]) {
  tap.test(`policy_denied is a 403 in the words of ${name}, and never names the policy`, async t => {
    const answer = errorStyles[name].refusal(refusal, { path: '/x', now: new Date(0), requestId: 'r', transports: [] })
    t.strictSame([answer.status, answer.body], [403, body])
  })
}

for (const { name: database, server } of servers) {
  const { issuer, admin, send } = server
  const made = async (path: string, body: Json): Promise<Json> => {
    const answer = await admin('POST', path, body)
    if (answer.status !== 201) throw new Error(`${path}: ${answer.status} ${answer.text}`)
    return answer.json
  }
  const deny = async (body: Json) => await made('/policies', { name: 'x', effect: 'deny', ...body })
  const remove = async ({ id }: Json) => { await admin('DELETE', `/policies/${id}?force=true`) }

  tap.test(`a key from elsewhere is bound by the policies of the organization whose data it asks for [${database}]`, async t => {
    const [{ id: own }, { id: place }, { id: third }] = [
      await server.createOrganization(), await server.createOrganization(), await server.createOrganization()
    ]
    const { key } = await server.createKey({
      organization: own, organizations: [place], resource: `${issuer}/shared`, scopes: ['a:read']
    })
    const status = async (organization: string) =>
      (await send({ path: `/shared/${organization}/a`, headers: { authorization: `Bearer ${key}` } })).status
    t.strictSame([await status(own), await status(place), await status(third)], [200, 200, 404])
    const theirs = await deny({ organization: place })
    t.strictSame([await status(own), await status(place)], [200, 403], 'there, not at home')
    const elsewhere = await deny({ organization: third })
    t.equal(await status(third), 404, 'one it does not reach answers as before')
    const home = await deny({ organization: own })
    t.strictSame(
      [await status(own), await status(place), await status(third)], [403, 403, 404], 'its own bind it everywhere'
    )
    for (const policy of [theirs, elsewhere, home]) await remove(policy)
  })

  tap.test(`a webhook's token is a kind of its own and is bound by the address it is used from [${database}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const key = await server.createKey({ organization, resource: `${issuer}/shared`, scopes: ['a:read'] })
    const { token } = await made('/webhook-tokens', { apiKey: key.id, object: { type: 'templates', id: 'a' } })
    const hook = async () => (await send({ method: 'POST', path: `/shared/hook/${token}` })).status
    t.equal(await hook(), 200)
    const keys = await deny({ organization, conditions: { kinds: ['api_key'] } })
    t.equal(await hook(), 200, 'what is said of keys is not said of it')
    const here = await deny({ organization, conditions: { kinds: ['webhook_token'], addresses: ['127.0.0.1'] } })
    t.equal(await hook(), 403)
    for (const policy of [keys, here]) await remove(policy)
  })

  tap.test(`what a policy withholds from a management key, the key cannot hand on [${database}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const management = `${issuer}/api/v1`
    const { key } = await server.createKey({
      organization, resource: management, scopes: ['api-keys:write', 'audit:read', 'policies:write']
    })
    const handOn = async () =>
      (await send({
        method: 'POST',
        path: '/api/v1/api-keys',
        headers: { 'x-api-key': key },
        body: { resource: management, environment: 'live', name: 'x', scopes: ['audit:read'] }
      })).status
    t.equal(await handOn(), 201)
    const policy = await deny({ organization, conditions: { scopes: ['audit:read'] } })
    t.equal(await handOn(), 403)
    await remove(policy)
  })

  tap.test(`an address that a stranger puts into a header is none that policies go by [${database}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const { key } = await server.createKey({ organization })
    const policy = await made('/policies', {
      organization, name: 'x', effect: 'allow', conditions: { addresses: ['198.51.100.0/24'] }
    })
    const from = async (address: string) =>
      (await server.withKey(key, undefined, {
        from: address, headers: { 'x-api-key': key, 'x-forwarded-for': '198.51.100.7' }
      })).status
    t.equal(await from('127.0.0.1'), 403)
    t.equal(await from('127.0.0.9'), 200, 'the trusted proxy says where it came from')
    const client = await server.createClient({ organization })
    t.equal((await server.tokenRequest(client)).status, 400, 'at the token endpoint too')
    t.equal(
      (await server.tokenRequest(client, {}, { from: '127.0.0.9', headers: { 'x-forwarded-for': '198.51.100.7' } }))
        .status,
      200
    )
    await remove(policy)
  })
}

tap.test('with policies in memory a check asks the database for nothing [sqlite]', async t => {
  const { server } = servers[0]!
  const { id: organization } = await server.createOrganization()
  const { id, key } = await server.createKey({ organization })
  const policy =
    (await server.admin('POST', '/policies', {
      organization, name: 'x', effect: 'deny', conditions: { scopes: ['nothing:*'] }
    })).json
  t.equal((await server.withKey(key)).status, 200)
  const { registry } = server.latchkey
  for (const owner of [null, organization]) {
    t.notOk(registry.policies(owner) instanceof Promise, 'answered in the same turn')
  }
  t.equal(registry.policies(organization), registry.policies(organization), 'compiled once')
  t.notOk(registry.apiKeyById(id) === null)
  const disabling = server.admin('PATCH', `/policies/${policy.id}`, { enabled: false })
  await disabling
  t.match(await registry.policies(organization), { denies: [] }, 'replaced with the change')
})
