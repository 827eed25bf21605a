/**
 * Workload identity and enterprise-managed authorization as the conformance suite of MCP understands them: each request
 * goes to the authorization server that the suite brings for its clients, and to Latchkey; the answers are the same.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import tap from 'tap'
import { oneDatabase } from '../support/databases.ts'
import { basic, startOnEachDatabase, type Json } from '../support/test-server.ts'
import { make, newPlatform } from '../support/workload-platform.ts'
import { grantCases, requestOf, type Credentials, type GrantCase } from './mcp-grants/grant-cases.ts'

const suite = resolve(import.meta.dirname, '../../node_modules/.bin/conformance')
const program = resolve(import.meta.dirname, 'mcp-grants/grant-client.ts')
const { servers, close } = await startOnEachDatabase({}, oneDatabase)
tap.teardown(close)
const { server } = servers[0]!
const scopes = ['invoices:read']
const idp = await newPlatform('https://idp.conformance-test.local', { now: server.clock.now })

/** A rule for the workload of the suite, whose issuer is trusted by the deployment, and signs without a `kid`. */
async function workloads (): Promise<(final?: string) => Promise<Credentials>> {
  const client = await server.createClient({ scopes })
  const issuer = await make(server, '/trusted-issuers', {
    organization: null, name: 'suite', issuer: idp.issuer, jwks: idp.jwks
  })
  await make(server, '/workload-rules', {
    issuer: issuer.id,
    name: 'suite',
    claims: [{ claim: '/sub', value: 'conformance-workload' }],
    client: client.clientId,
    resource: server.issuer,
    scopes
  })
  const signed = (more: Json) =>
    idp.token({ sub: 'conformance-workload', aud: server.issuer, ...more }, { kid: undefined })
  const past = Math.floor(server.clock.now().getTime() / 1_000) - 120
  return async (final = '') => ({
    valid: await signed({ aud: server.issuer + final }),
    wrongAudience: await signed({ aud: 'https://wrong.example' }),
    expired: await signed({ iat: past - 60, exp: past })
  })
}

/** A client of an organization that takes the word of an identity provider. */
async function enterprise (): Promise<() => Promise<Credentials>> {
  const organization = (await server.createOrganization()).id
  const provider = await newPlatform('https://login.conformance-test.local', { now: server.clock.now })
  await make(server, '/trusted-issuers', {
    organization, name: 'login', profile: 'id-jag', issuer: provider.issuer, jwks: provider.jwks
  })
  const { clientId, clientSecret } = await server.createClient({
    organization, grants: [{ resource: server.issuer, scopes }]
  })
  const sub = 'demo-user@example.com'
  return async () => ({
    valid: await provider.token(
      { sub, aud: server.issuer, client_id: clientId, resource: server.issuer, scope: scopes[0] },
      { typ: 'oauth-id-jag+jwt' }
    ),
    wrongType: await provider.token({ sub, aud: server.issuer }),
    resource: server.issuer,
    proof: basic(clientId, clientSecret),
    wrongProof: basic(clientId, 'another')
  })
}

/** What the suite's own server answers. */
async function answerOfSuite (folder: string, name: string, { scenario }: GrantCase): Promise<Json> {
  const file = join(folder, 'answer.json')
  const child = spawn(process.execPath, [
    suite, 'client', '--scenario', scenario, '--command', `${process.execPath} ${program}`, '--output-dir', folder
  ], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, LATCHKEY_CASE: name, LATCHKEY_ANSWER: file } })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', bytes => { said += String(bytes) })
  await once(child, 'close')
  return await readFile(file, 'utf8').then(text => JSON.parse(text) as Json, () => { throw new Error(said) })
}

const made = { 'auth/wif-jwt-bearer': await workloads(), 'auth/enterprise-managed-authorization': await enterprise() }

for (const [name, each] of Object.entries(grantCases)) {
  tap.test(`${each.scenario}: ${name} is answered as the suite's own server does`, async t => {
    const { headers, body } = requestOf(each, await made[each.scenario]())
    const { status, json } = await server.send({ method: 'POST', path: '/api/v1/auth/token', headers, body })
    const expected = await answerOfSuite(t.testdir(), name, each)
    t.strictSame([status, json.error], [expected.status, expected.error])
    if (status !== 200) return
    t.equal(json.token_type.toLowerCase(), expected.token_type.toLowerCase())
    t.equal((await server.bearer(json.access_token)).status, 200, 'and the token is taken')
  })
}

tap.test('the issuer with a final slash is the same audience, as it is for the suite', async t => {
  const { headers, body } = requestOf(grantCases['a workload']!, await made['auth/wif-jwt-bearer']('/'))
  const { status, text } = await server.send({ method: 'POST', path: '/api/v1/auth/token', headers, body })
  t.equal(status, 200, text)
})

tap.test('the metadata offers what the suite\'s own server offers', async t => {
  const { json } = await server.send({ path: '/.well-known/oauth-authorization-server' })
  t.ok(json.grant_types_supported.includes('urn:ietf:params:oauth:grant-type:jwt-bearer'))
  for (const method of ['none', 'client_secret_basic']) {
    t.ok(json.token_endpoint_auth_methods_supported.includes(method), method)
  }
})
