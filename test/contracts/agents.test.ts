/** Statements about what acts for itself and for people: clients, keys, agents of people and workloads, over HTTP. */
import tap from 'tap'
import { authorize, createAskingClient, redeem } from '../support/authorizing.ts'
import { asPerson, createPerson } from '../support/people.ts'
import { startOnEachDatabase, decodeJwt, type Answer, type ClientAnswer, type Json } from '../support/test-server.ts'
import { eventually } from '../support/waiting.ts'
import { make, newPlatform, trade } from '../support/workload-platform.ts'

const { servers, close } = await startOnEachDatabase()
tap.teardown(close)

for (const { name, server } of servers) {
  const { admin, bearer, issuer, withKey } = server
  const asked = { resource: issuer, scope: 'invoices:read' }
  const invoices = '/api/v1/invoices'

  /** An organization with one of each that may read invoices; each calls the same route. */
  async function four () {
    const person = await createPerson(server)
    const { organization } = person
    const key = await server.createKey({ organization, scopes: ['invoices:read'] })
    const client = await server.createClient({
      organization, grants: [{ resource: issuer, scopes: ['invoices:read'] }]
    })
    const agent = await createAskingClient(server)
    const agentToken: string = (await redeem(server, agent, await authorize(server, agent, person, asked)))
      .json.access_token
    const platform = await newPlatform('https://cluster.acme.test', { now: server.clock.now })
    const trusted = await make(server, '/trusted-issuers', {
      organization, name: 'cluster', issuer: platform.issuer, jwks: platform.jwks
    })
    const rule = await make(server, '/workload-rules', {
      issuer: trusted.id,
      name: 'web',
      claims: [{ claim: '/sub', value: 'system:serviceaccount:prod:web' }],
      resource: issuer,
      scopes: ['invoices:read']
    })
    const assertion = await platform.token({ sub: 'system:serviceaccount:prod:web', aud: trusted.audience })
    const workloadToken: string = (await trade(server, assertion)).json.access_token
    const token = await server.tokenFor(client)
    const calls: Record<string, () => Promise<Answer>> = {
      client: async () => await bearer(token, invoices),
      key: async () => await withKey(key.key, invoices),
      agent: async () => await bearer(agentToken, invoices),
      workload: async () => await bearer(workloadToken, invoices)
    }
    const all = async (): Promise<number[]> =>
      await Promise.all(Object.values(calls).map(async call => (await call()).status))
    return { person, organization, key, client, agentToken, rule, all, token }
  }

  tap.test(`LK-01: a client, a key, an agent and a workload are judged by one guard, one policy engine and one audit log [${name}]`, async t => {
    const { organization, all, client, key, person, rule } = await four()
    t.strictSame(await all(), [200, 200, 200, 200])
    const policy = await make(server, '/policies', {
      organization, name: 'closed', effect: 'deny', conditions: { scopes: ['invoices:read'] }
    })
    t.strictSame(await all(), [403, 403, 403, 403], 'one policy, from the next request on')
    const refused = async (): Promise<Json[]> =>
      (await admin('GET', `/audit?organization=${organization}&type=credential.refused`)).json.data
    const events = await eventually(refused, found => found.length === 4)
    t.strictSame(new Set(events.map(({ detail }) => detail.reason)), new Set(['policy_denied']))
    // The agent acts for its person.
    const judged = [client.clientId, key.id, person.id, rule.id]
    t.strictSame(events.map(({ subject }) => subject as string).toSorted(), judged.toSorted())
    t.equal((await admin('DELETE', `/policies/${policy.id}`)).status, 204)
    t.strictSame(await all(), [200, 200, 200, 200])
  })

  tap.test(`LK-02: a token is a JWT, refused from the next request on when client, scope, allowlist, authorization or signing key changes [${name}]`, async t => {
    const changes: Record<string, (client: ClientAnswer) => Promise<Answer>> = {
      scope: async ({ clientId }) => await admin('PATCH', `/clients/${clientId}`, {
        grants: [{ resource: issuer, scopes: ['invoices:write'] }]
      }),
      allowlist: async ({ clientId }) => await admin('PATCH', `/clients/${clientId}`, { allowlist: ['192.0.2.1'] }),
      client: async ({ clientId }) => await admin('POST', `/clients/${clientId}/revoke`)
    }
    for (const [what, change] of Object.entries(changes)) {
      const client = await server.createClient({ grants: [{ resource: issuer, scopes: ['invoices:read'] }] })
      const token = await server.tokenFor(client)
      t.equal(decodeJwt(token).header.typ, 'at+jwt')
      t.equal((await bearer(token, invoices)).status, 200)
      t.equal((await change(client)).status, 200)
      t.equal((await bearer(token, invoices)).status, 401, what)
    }
    const { person, agentToken, token } = await four()
    const { gnt } = decodeJwt(agentToken).payload
    t.equal((await bearer(agentToken, invoices)).status, 200)
    t.ok((await asPerson(server, person)('DELETE', `/authorizations/${gnt}`)).status < 300)
    t.equal((await bearer(agentToken, invoices)).status, 401, 'authorization')
    t.equal((await bearer(token, invoices)).status, 200)
    t.equal((await admin('POST', `/signing-keys/${decodeJwt(token).header.kid}/revoke`, { reason: 'x' })).status, 200)
    t.equal((await bearer(token, invoices)).status, 401, 'signing key')
  })

  tap.test(`LK-08: a member ends an authorization, and the agent's token is refused on the next request [${name}]`, async t => {
    const person = await createPerson(server, { role: 'viewer' })
    const agent = await createAskingClient(server)
    const tokens = (await redeem(server, agent, await authorize(server, agent, person, asked))).json
    t.equal((await bearer(tokens.access_token, invoices)).status, 200)
    const own = asPerson(server, person)
    const { gnt } = decodeJwt(tokens.access_token).payload
    const other = await createPerson(server)
    t.equal((await asPerson(server, other)('DELETE', `/authorizations/${gnt}`)).status, 404, 'no other person does')
    t.equal((await bearer(tokens.access_token, invoices)).status, 200)
    t.ok((await own('DELETE', `/auth/authorizations/${gnt}`)).status < 300)
    t.equal((await bearer(tokens.access_token, invoices)).status, 401)
  })
}
