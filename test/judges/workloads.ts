/**
 * Kubernetes' own token code and go-spiffe mint what workloads have: Latchkey takes and refuses it as a rule says, over
 * real TLS, and refuses its own token once the rule is gone.
 */
import { execFile } from 'node:child_process'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import tap from 'tap'
import { startDocumentHost } from '../support/document-host.ts'
import { build, foldersOf } from '../support/foreign-clients.ts'
import { foreignProgram } from '../support/foreign-programs.ts'
import { startServer, type Json } from '../support/test-server.ts'
import { make, trade } from '../support/workload-platform.ts'

const go = foreignProgram('go', 'https://go.dev/doc/install')
const { sources, built } = foldersOf('workloads')

interface Made { configuration?: Json, keys: Json, tokens: string[] }

/** What the Go program makes of an order. */
async function mint (order: Json): Promise<Record<string, Made>> {
  return await new Promise((resolve, reject) => {
    const program = execFile(join(built, 'judge'), (error, output) => {
      if (error) reject(error)
      else resolve(JSON.parse(output) as Record<string, Made>)
    })
    program.stdin!.end(JSON.stringify(order))
  })
}

for (const algorithm of ['RS256', 'ES256']) {
  tap.test(`OC-18: a service account of Kubernetes gets a token by its projected one [${algorithm}]`, go, async t => {
    await cp(sources, built, { recursive: true })
    await build(go.path, ['build', '-o', 'judge', '.'], built)
    const host = await startDocumentHost(t)
    const server = await startServer({ network: host.network })
    t.teardown(() => server.close())
    const client = await server.createClient()
    const audience = `${server.issuer}/organizations/${client.organization}`
    const account = { namespace: 'prod', name: 'web', uid: '6d2f6ba5-0b4d-4f0e-8f5b-0b3cf0a2a001', seconds: 3_600 }
    const issuer = 'https://kubernetes.default.svc.cluster.local'
    const { cluster } = await mint({
      cluster: {
        issuer,
        jwksUri: 'https://10-0-0-1.cluster.test/openid/v1/jwks',
        algorithm,
        tokens: [
          { ...account, audience: [audience] },
          { ...account, namespace: 'dev', audience: [audience] },
          { ...account, audience: ['https://vault.test'] },
          { ...account, audience: [audience, 'https://vault.test'] },
          { ...account, uid: 'another', audience: [audience] },
          { ...account, seconds: 86_400, audience: [audience] },
        ]
      }
    })
    host.serves(`${issuer}/.well-known/openid-configuration`, cluster!.configuration!)
    host.serves(cluster!.configuration!.jwks_uri, cluster!.keys)
    const trust = await make(server, '/trusted-issuers', {
      organization: client.organization, name: 'production', preset: 'kubernetes', issuer
    })
    const rule = await make(server, '/workload-rules', {
      issuer: trust.id,
      name: 'web in prod',
      claims: [
        { claim: '/kubernetes.io/namespace', value: 'prod' },
        { claim: '/kubernetes.io/serviceaccount/uid', value: account.uid }
      ],
      client: client.clientId,
      resource: server.issuer,
      scopes: ['invoices:read']
    })
    const [prod, ...refused] = cluster!.tokens
    const first = await trade(server, prod!)
    t.equal(first.status, 200)
    t.equal((await trade(server, prod!)).status, 200, 'a pod presents the same token again')
    for (const token of refused) {
      const { status, json } = await trade(server, token)
      t.strictSame([status, json.error], [400, 'invalid_grant'])
    }
    const foreign = await mint({
      cluster: { issuer, jwksUri: 'https://x.test', algorithm, tokens: [{ ...account, audience: [audience] }] }
    })
    t.equal((await trade(server, foreign.cluster!.tokens[0]!)).status, 400, 'another cluster of the same name')
    t.equal((await server.bearer(first.json.access_token)).status, 200)
    t.equal((await server.admin('DELETE', `/workload-rules/${rule.id}`)).status, 204)
    t.equal((await server.bearer(first.json.access_token)).status, 401)
    t.equal((await trade(server, prod!)).status, 400)
  })
}

tap.test('OC-18: a JWT-SVID gets a token, by a bundle as go-spiffe writes it', go, async t => {
  await cp(sources, built, { recursive: true })
  await build(go.path, ['build', '-o', 'judge', '.'], built)
  const server = await startServer()
  t.teardown(() => server.close())
  const client = await server.createClient()
  const audience = `${server.issuer}/organizations/${client.organization}`
  const order = {
    name: 'prod.acme.test',
    tokens: [
      { id: 'spiffe://prod.acme.test/ns/billing/api', audience: [audience], seconds: 300 },
      { id: 'spiffe://prod.acme.test/ns/web/api', audience: [audience], seconds: 300 },
      { id: 'spiffe://prod.acme.test/ns/billing/api', audience: ['https://vault.test'], seconds: 300 },
    ]
  }
  const { trustDomain } = await mint({ trustDomain: order })
  t.equal(trustDomain!.keys.keys[0].use, 'jwt-svid')
  const trust = await make(server, '/trusted-issuers', {
    organization: client.organization,
    name: 'spire',
    preset: 'spiffe',
    issuer: 'spiffe://prod.acme.test',
    jwks: trustDomain!.keys
  })
  await make(server, '/workload-rules', {
    issuer: trust.id,
    name: 'billing',
    claims: [{ claim: '/sub', value: 'spiffe://prod.acme.test/ns/billing/*', separators: ['/'] }],
    client: client.clientId,
    resource: server.issuer,
    scopes: ['invoices:read']
  })
  const statuses = []
  for (const token of trustDomain!.tokens) statuses.push((await trade(server, token)).status)
  t.strictSame(statuses, [200, 400, 400])
  const other = await mint({ trustDomain: order })
  t.equal((await trade(server, other.trustDomain!.tokens[0]!)).status, 400, 'another authority of the same name')
})
