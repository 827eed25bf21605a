/**
 * Kubernetes' own token code and go-spiffe mint what workloads have: Latchkey takes and refuses it as a rule says, over
 * real TLS, and refuses its own token once the rule is gone. Kubernetes' own TokenReview says which accounts are gone.
 */
import { execFile, spawn } from 'node:child_process'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import tap, { type Test } from 'tap'
import { makeAuthority } from '../support/certificates.ts'
import { startDocumentHost } from '../support/document-host.ts'
import { build, foldersOf } from '../support/foreign-clients.ts'
import { foreignProgram } from '../support/foreign-programs.ts'
import { startServer, type Json } from '../support/test-server.ts'
import { make, trade } from '../support/workload-platform.ts'

const go = foreignProgram('go', 'https://go.dev/doc/install')
const { sources, built } = foldersOf('workloads')

interface Made { configuration?: Json, keys: Json, tokens: string[], url?: string }

/** What the Go program makes of an order. */
async function mint (order: Json): Promise<Record<string, Made>> {
  return await new Promise((resolve, reject) => {
    const program = execFile(join(built, 'judge'), (error, output) => {
      if (error) reject(error)
      else resolve(JSON.parse(output) as Record<string, Made>)
    })
    program.stdin!.end(`${JSON.stringify(order)}\n`)
  })
}

/** Serves the API server of an order until the end of the test. `happens`: see `happening` in apiserver.go. */
async function serve (t: Test, order: Json): Promise<Made & { happens (what: Json): Promise<void> }> {
  const program = spawn(join(built, 'judge'), { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => { program.stdin.end() })
  const lines = createInterface({ input: program.stdout })[Symbol.asyncIterator]()
  const ask = async (what: Json) => {
    program.stdin.write(`${JSON.stringify(what)}\n`)
    return JSON.parse((await lines.next()).value as string) as Json
  }
  const { cluster } = await ask(order)
  return { ...cluster as Made, happens: async what => { await ask(what) } }
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
    const account = {
      namespace: 'prod', name: 'web', pod: 'web-0', uid: '6d2f6ba5-0b4d-4f0e-8f5b-0b3cf0a2a001', seconds: 3_600
    }
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

tap.test('OC-18: Kubernetes says that an account or a pod is gone, and its token gets no other', go, async t => {
  await cp(sources, built, { recursive: true })
  await build(go.path, ['build', '-o', 'judge', '.'], built)
  const server = await startServer()
  t.teardown(() => server.close())
  const authority = makeAuthority()
  const { certificate, key } = authority.certify('127.0.0.1')
  const [issuer, audience] = ['https://kubernetes.default.svc.cluster.local', [server.issuer]]
  const ofApi = { namespace: 'latchkey', seconds: 3_600, audience: ['https://kubernetes.default.svc'] }
  const account = { namespace: 'prod', seconds: 3_600, audience }
  const cluster = await serve(t, {
    cluster: {
      issuer,
      algorithm: 'ES256',
      jwksUri: 'https://10-0-0-1.cluster.test/openid/v1/jwks',
      apiServer: { certificate, key, reviewer: 'system:serviceaccount:latchkey:reviewer' },
      tokens: [
        { ...ofApi, name: 'reviewer', pod: 'reviewer-0', uid: 'reviewer' },
        { ...ofApi, name: 'stranger', pod: 'stranger-0', uid: 'stranger' },
        { ...account, name: 'web', pod: 'web-0', uid: 'web' },
        { ...account, name: 'web', pod: 'web-1', uid: 'web' },
      ]
    }
  })
  const [reviewer, stranger, web, sibling] = cluster.tokens as [string, string, string, string]
  const trust = await make(server, '/trusted-issuers', {
    organization: null,
    name: 'production',
    preset: 'kubernetes',
    issuer,
    jwks: cluster.keys,
    tokenReview: { url: cluster.url, token: reviewer, ca: authority.certificate }
  })
  await make(server, '/workload-rules', {
    issuer: trust.id,
    name: 'web in prod',
    claims: [{ claim: '/sub', value: 'system:serviceaccount:prod:web' }],
    forOrganization: (await server.createOrganization()).id,
    resource: server.issuer,
    scopes: ['invoices:read']
  })
  const said = async (assertion: string) => {
    const { status } = await trade(server, assertion)
    const { json: { reason, detail } } = await server.admin('POST', '/trusted-issuers/try', { assertion })
    return [status, reason, detail]
  }
  t.strictSame([await said(web), await said(sibling)], [[200, null, null], [200, null, null]])
  await cluster.happens({ deletePod: 'prod/web-0' })
  t.match(await said(web), [400, 'review_refused', /service account token has been invalidated/])
  t.match(await said(sibling), [200])
  await cluster.happens({ deleteAccount: 'prod/web' })
  t.match(await said(sibling), [400, 'review_refused', /"web" not found/])
  await cluster.happens({ makeAccount: 'prod/web', uid: 'another' })
  t.match(await said(sibling), [400, 'review_refused', /UID \(another\) does not match claim \(web\)/])
  await cluster.happens({ makeAccount: 'prod/web', uid: 'web' })
  const asking = async (token: string) => {
    await server.admin('PATCH', `/trusted-issuers/${trust.id}`, { tokenReview: { token } })
    return await said(sibling)
  }
  t.match(await asking(stranger), [503, 'review_unavailable', /answers with 403: .*system:auth-delegator/])
  t.match(await asking(sibling), [503, 'review_unavailable', /answers with 401/], 'its own is for another audience')
  t.match(await asking(reviewer), [200])
  await cluster.happens({ deleteAccount: 'latchkey/reviewer' })
  t.match(await said(sibling), [503, 'review_unavailable', /answers with 401: .* Set another/])
})

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
