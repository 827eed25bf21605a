/** Tokens of workloads on two servers and at a remote guard: their end on one is their end everywhere. */
import tap from 'tap'
import { openGuard } from '../../packages/guard/src/index.ts'
import { newSecret } from '../../src/secrets/random.ts'
import { noNeeds, requestWith } from '../support/guard-requests.ts'
import { freshDatabase } from '../support/postgres.ts'
import { startServer, type TestServer } from '../support/test-server.ts'
import { until } from '../support/waiting.ts'
import { make, newPlatform, trade } from '../support/workload-platform.ts'

const database = await freshDatabase(process.env.LATCHKEY_TEST_POSTGRES_TEMPLATE)
const environment = { LATCHKEY_SECRET: newSecret(), LATCHKEY_ADMIN_TOKEN: `lkadm_${newSecret()}` }
const a = await startServer({ database: database.url, environment })
const b = await startServer({ database: database.url, environment, issuer: a.issuer })
const asking = await a.createClient({ introspects: [a.issuer] })
const guard = await openGuard({
  server: b.url, clientId: asking.clientId, clientSecret: asking.clientSecret, resource: a.issuer, onError: () => {}
})
await until('the guard is trusted', () => guard.isTrusted)
tap.teardown(async () => {
  await guard.stop()
  await Promise.all([a.close(), b.close()])
  await database.drop()
})
const platform = await newPlatform('https://cluster.acme.test')

/** An organization with a client, a trusted issuer and a rule that leads to the client, and a token by it. */
async function workload () {
  const client = await a.createClient()
  const { organization } = client
  const issuer = await make(a, '/trusted-issuers', {
    organization,
    name: 'cluster',
    preset: 'kubernetes',
    issuer: platform.issuer,
    jwks: platform.jwks,
    algorithms: ['ES256']
  })
  const rule = await make(a, '/workload-rules', {
    issuer: issuer.id,
    name: 'web',
    claims: [{ claim: '/sub', value: 'system:serviceaccount:prod:web' }],
    client: client.clientId,
    resource: a.issuer,
    scopes: ['invoices:read']
  })
  const assertion = await platform.token({ sub: 'system:serviceaccount:prod:web', aud: issuer.audience })
  const answer = await trade(a, assertion)
  if (answer.status !== 200) throw new Error(answer.text)
  return { client, issuer, rule, assertion, token: answer.json.access_token as string }
}

/** Where a token passes: on both servers, at the guard, and in introspection. */
async function passes (token: string): Promise<boolean[]> {
  const body = new URLSearchParams({ token, client_id: asking.clientId, client_secret: asking.clientSecret })
  const decision = await guard.decide(requestWith(token, 'authorization'), { ...noNeeds, scopes: ['invoices:read'] })
  const introspected = await b.send({ method: 'POST', path: '/api/v1/oauth/introspect', body })
  const statuses = await Promise.all([a, b].map(async server => (await server.bearer(token)).status))
  return [...statuses.map(status => status === 200), decision.ok, introspected.json.active as boolean]
}

const everywhere = [true, true, true, true]
const nowhere = [false, false, false, false]

type Made = Awaited<ReturnType<typeof workload>>

const ends: Record<string, (made: Made, server: TestServer) => Promise<{ status: number }>> = {
  'the rule is deleted': ({ rule }, server) => server.admin('DELETE', `/workload-rules/${rule.id}`),
  'the rule is changed': ({ rule }, server) => server.admin('PATCH', `/workload-rules/${rule.id}`, { scopes: [] }),
  'the issuer is deleted': ({ issuer }, server) => server.admin('DELETE', `/trusted-issuers/${issuer.id}`),
  'the issuer gets other keys': ({ issuer }, server) =>
    server.admin('PATCH', `/trusted-issuers/${issuer.id}`, { jwks: platform.jwks }),
  'the client is revoked': ({ client }, server) => server.admin('POST', `/clients/${client.clientId}/revoke`),
  'the client is deleted': ({ client }, server) => server.admin('DELETE', `/clients/${client.clientId}`),
}

for (const [end, by] of Object.entries(ends)) {
  tap.test(`LK-11: a token without a stored secret is refused by servers and guards once ${end} [postgresql]`, async t => {
    for (const server of [a, b]) {
      const made = await workload()
      t.strictSame(await passes(made.token), everywhere)
      t.ok((await by(made, server)).status < 300)
      t.strictSame(await passes(made.token), nowhere)
    }
  })
}

tap.test('a workload that acts as itself passes at a guard, and ends with its organization [postgresql]', async t => {
  const { issuer, client } = await workload()
  const other = 'system:serviceaccount:prod:alone'
  await make(a, '/workload-rules', {
    issuer: issuer.id,
    name: 'alone',
    claims: [{ claim: '/sub', value: other }],
    resource: a.issuer,
    scopes: ['invoices:read']
  })
  const { json } = await trade(b, await platform.token({ sub: other, aud: issuer.audience }))
  t.strictSame(await passes(json.access_token), everywhere)
  t.equal((await b.admin('POST', `/organizations/${client.organization}/suspend`)).status, 200)
  t.strictSame(await passes(json.access_token), nowhere)
})

tap.test('an assertion that is taken once is taken by one of two servers [postgresql]', async t => {
  const { issuer } = await workload()
  await a.admin('PATCH', `/trusted-issuers/${issuer.id}`, { singleUse: true })
  for (let round = 0; round < 10; round++) {
    const assertion = await platform.token({ sub: 'system:serviceaccount:prod:web', aud: issuer.audience })
    const answers = await Promise.all([a, b, a, b].map(server => trade(server, assertion)))
    t.strictSame(answers.map(({ status }) => status).sort(), [200, 400, 400, 400])
  }
})
