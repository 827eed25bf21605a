/** TokenReview: a cluster says before each token whether the account of a workload is still there. Real TLS. */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import tap, { type Test } from 'tap'
import { newSecret } from '../../src/secrets/random.ts'
import { reviewerSealing, seal, unseal } from '../../src/secrets/sealing.ts'
import { makeAuthority } from '../support/certificates.ts'
import { answerJson, newCluster, reviewPath, type Cluster } from '../support/api-server.ts'
import { databases } from '../support/databases.ts'
import { startDocumentHost } from '../support/document-host.ts'
import { MovableClock, startOnEachDatabase, startServer, type Json, type TestServer } from '../support/test-server.ts'
import { make, newPlatform, trade } from '../support/workload-platform.ts'

const clock = new MovableClock()
clock.stop()
const host = await startDocumentHost(tap)
/** As an API server has its certificate: of an authority of its own. */
const { ca, ...network } = host.network
const { servers, close } = await startOnEachDatabase({ clock, network })
tap.teardown(close)
const sub = 'system:serviceaccount:prod:web'
let made = 0

interface Trusted {
  cluster: Cluster
  issuer: Json
  organization: string | null
  /** https, without a path. */
  apiServer: string
  token (claims?: Json): Promise<string>
}

/** An organization, or the deployment, with a cluster that it trusts and asks. */
async function trusted (
  server: TestServer, { owner, address, review = {} }: { owner?: null, address?: string, review?: Json } = {}
): Promise<Trusted> {
  const name = `cluster-${++made}.test`
  const apiServer = `https://${name}:6443`
  const cluster = newCluster(sub)
  if (address !== undefined) host.names(name, [address])
  host.serves(apiServer + reviewPath, cluster.handle)
  const platform = await newPlatform(`https://${name}`, { now: clock.now })
  const client = await server.createClient()
  const organization = owner === null ? null : client.organization
  const issuer = await make(server, '/trusted-issuers', {
    organization,
    name: 'cluster',
    preset: 'kubernetes',
    issuer: platform.issuer,
    jwks: platform.jwks,
    tokenReview: { url: apiServer, token: cluster.reviewer, ca, ...review }
  })
  await make(server, '/workload-rules', {
    issuer: issuer.id,
    name: 'web',
    claims: [{ claim: '/sub', value: sub }],
    client: client.clientId,
    resource: server.issuer,
    scopes: ['invoices:read']
  })
  const token = (claims: Json = {}) => platform.token({ sub, aud: issuer.audience, ...claims })
  return { cluster, issuer, organization, apiServer, token }
}

const tried = async (server: TestServer, assertion: string): Promise<Json> =>
  (await server.admin('POST', '/trusted-issuers/try', { assertion })).json

/** That an assertion gets nothing, and that audit log and dry run alone say why. */
async function refuses (
  t: Test, server: TestServer, { cluster, issuer, token }: Trusted,
  { reason, detail, about }: { reason: 'review_refused' | 'review_unavailable', detail: RegExp, about: string }
): Promise<void> {
  const assertion = await token()
  const answer = await trade(server, assertion)
  const isLater = reason === 'review_unavailable'
  t.strictSame([answer.status, answer.json.error], isLater
    ? [503, 'temporarily_unavailable']
    : [400, 'invalid_grant'], about)
  if (isLater) t.equal(answer.headers['retry-after'], '5')
  t.notMatch(answer.text, detail, about)
  clock.advance(61)
  const event = await eventOf(server, String(answer.headers['x-request-id']))
  t.match(event, { type: 'workload.refused', subject: issuer.id, detail: { reason, detail } }, about)
  const dryRun = await tried(server, await token())
  t.match(dryRun, { accepted: false, reviewed: false, reason, detail, rule: null }, about)
  t.match(dryRun.issuers, [{ id: issuer.id, reason, detail, rules: [{ problem: null }] }])
  const texts = [answer.text, JSON.stringify([event, dryRun]), server.lines.join('')]
  for (const secret of [cluster.reviewer, assertion]) {
    t.notOk(texts.some(text => text.includes(secret)), `${about}: no token is told`)
  }
}

async function eventOf (server: TestServer, requestId: string): Promise<Json | undefined> {
  for (let round = 0; round < 200; round++) {
    const { json } = await server.admin('GET', '/audit?type=workload.refused&limit=20')
    const found = json.data.find((each: Json) => each.requestId === requestId)
    if (found !== undefined) return found
    await new Promise(resolve => setImmediate(resolve))
  }
  return undefined
}

for (const { name, server } of servers) {
  const { admin } = server

  tap.test(`OC-18: a deleted service account gets no token on its next request, though its signature is good [${name}]`, async t => {
    const { cluster, issuer, apiServer, token } = await trusted(server)
    t.equal(issuer.tokenReview.url, `${apiServer}${reviewPath}`)
    const assertion = await token()
    t.equal((await trade(server, assertion)).status, 200)
    t.strictSame(cluster.asked, [{
      method: 'POST',
      authorization: `Bearer ${cluster.reviewer}`,
      body: {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        spec: { token: assertion, audiences: [issuer.audience] }
      }
    }])
    t.match(await tried(server, assertion), { accepted: true, reviewed: true, reason: null })
    cluster.accounts.delete(sub)
    const refused = await trade(server, assertion)
    t.equal(refused.json.error, 'invalid_grant')
    await eventOf(server, String(refused.headers['x-request-id']))
    const explained = await admin('POST', '/explain', { requestId: refused.headers['x-request-id'] })
    t.match(explained.json.refusals, [{
      reason: 'review_refused', because: /^The cluster does not vouch for it: .*serviceaccounts "web" not found/
    }])
    cluster.accounts.add(sub)
    t.equal((await trade(server, assertion)).status, 200, 'nothing is remembered')
    t.equal(cluster.asked.length, 4, 'each is asked about')
  })

  tap.test(`what gets nothing anyway is not asked about, nor what no setting says so of [${name}]`, async t => {
    const { cluster, issuer, token } = await trusted(server)
    for (const claims of [{ sub: 'system:serviceaccount:dev:web' }, { aud: 'https://vault.test' }, { exp: 1 }]) {
      t.equal((await trade(server, await token(claims))).status, 400)
    }
    t.equal(cluster.asked.length, 0)
    const { json } = await admin('PATCH', `/trusted-issuers/${issuer.id}`, { tokenReview: null })
    t.equal(json.tokenReview, null)
    cluster.accounts.delete(sub)
    t.equal((await trade(server, await token())).status, 200)
    t.match(await tried(server, await token()), { accepted: true, reviewed: false })
    t.equal(cluster.asked.length, 0)
  })

  const reviews: Record<string, [Json, RegExp]> = {
    'no more': [{}, /does not vouch for it\.$/],
    false: [{ authenticated: false, user: { username: sub } }, /does not vouch for it\.$/],
    'an error': [{ error: 'serviceaccounts "web" not found' }, /vouch for it: serviceaccounts "web" not found\.$/],
    'an error that no database keeps': [{ error: 'a\u0000b\ud800\u001b[31m' }, /vouch for it: a/],
    'an error beside true': [{ authenticated: true, error: 'x', user: { username: sub } }, /vouch for it: x\.$/],
    'another audience': [
      { authenticated: true, user: { username: sub }, audiences: ['https://kubernetes.default.svc'] },
      /for the audience/
    ],
    'no audience': [{ authenticated: true, user: { username: sub } }, /for the audience/],
    'another name': [{ authenticated: true, user: { username: `${sub}2` } }, /it is of "system:.*:prod:web2"/],
    'no name': [{ authenticated: true, user: {} }, /it is of null/],
  }
  tap.test(`a review that says anything else than this account for this audience refuses [${name}]`, async t => {
    const trust = await trusted(server)
    const { cluster, issuer: { audience } } = trust
    for (const [about, [status, detail]] of Object.entries(reviews)) {
      const audiences = about.includes('audience') ? {} : { audiences: [audience] }
      cluster.answer = (_request, response, review) => {
        answerJson(response, 201, { ...review, status: { ...audiences, ...status } })
      }
      await refuses(t, server, trust, { reason: 'review_refused', detail, about })
    }
  })

  type Answering = NonNullable<Cluster['answer']>
  const answering = (status: number, body: unknown, headers: Record<string, string> = {}): Answering =>
    (_request: IncomingMessage, response: ServerResponse) => {
      response.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body))
    }
  const statusOf = (status: unknown): Answering => (_request, response, review) => {
    answerJson(response, 200, { ...review, status })
  }
  const failures: Record<string, [Answering, RegExp]> = {
    401: [answering(401, { kind: 'Status' }), /answers with 401: it does not know the token of the account that asks/],
    403: [answering(403, { kind: 'Status' }), /answers with 403: .* ClusterRole system:auth-delegator/],
    404: [answering(404, ''), /answers with 404: no TokenReview is at this URL/],
    500: [answering(500, ''), /answers with 500\.$/],
    'a redirect': [answering(307, '', { location: 'https://elsewhere.test/' }), /answers with 307, a redirect/],
    'no JSON': [answering(201, '<html>'), /something else than a TokenReview/],
    'another kind': [answering(201, { kind: 'Status', status: { authenticated: true } }), /something else/],
    'another version': [
      answering(201, { kind: 'TokenReview', apiVersion: 'v2', status: { authenticated: true } }), /something else/
    ],
    'no status': [statusOf(undefined), /something else/],
    'a text as truth': [statusOf({ authenticated: 'true' }), /cannot be read/],
    'a text as audiences': [statusOf({ authenticated: true, audiences: 'x' }), /cannot be read/],
    'nested deeply': [answering(201, `{"status":${'['.repeat(30_000)}`), /something else/],
    'a huge body': [answering(201, { filler: 'x'.repeat(200_000) }), /more than 131072 bytes/],
    compressed: [answering(201, '', { 'content-encoding': 'gzip' }), /compressed/],
    'a closed connection': [request => { request.socket.destroy() }, /cannot be reached/],
  }
  tap.test(`a cluster that does not answer a review gives no token, and operators learn what to do [${name}]`, async t => {
    const trust = await trusted(server)
    for (const [about, [answer, detail]] of Object.entries(failures)) {
      trust.cluster.answer = answer
      await refuses(t, server, trust, { reason: 'review_unavailable', detail, about })
    }
    t.notOk(host.requests.some(({ url }) => url.includes('elsewhere')), 'no redirect is followed')
  })

  tap.test(`a cluster that hangs ends in seconds [${name}]`, async t => {
    const trust = await trusted(server)
    trust.cluster.answer = () => { /* never */ }
    const before = performance.now()
    const answers = await Promise.all(Array.from({ length: 5 }, async () => await trade(server, await trust.token())))
    t.ok(answers.every(({ status }) => status === 503))
    t.ok(performance.now() - before < 20_000, 'one after the other, they would take 25 s')
    trust.cluster.answer = (_request, response) => { response.writeHead(201).write('{') }
    t.match(await tried(server, await trust.token()), { reason: 'review_unavailable', detail: /in time/ })
  })

  tap.test(`an API server that repeats the tokens in its answer tells nobody [${name}]`, async t => {
    const trust = await trusted(server)
    const { cluster } = trust
    const said = (review: Json) => `${cluster.reviewer} ${review.spec.token} ${'x'.repeat(300)}`
    cluster.answer = (_request, response, review) => {
      answerJson(response, 201, { ...review, status: { error: said(review) } })
    }
    await refuses(t, server, trust, { reason: 'review_refused', detail: /vouch for it: … … x/, about: 'error' })
    cluster.answer = (_request, response, review) => {
      const status = { authenticated: true, audiences: [trust.issuer.audience], user: { username: said(review) } }
      answerJson(response, 201, { ...review, status })
    }
    await refuses(t, server, trust, { reason: 'review_refused', detail: /it is of "… … x/, about: 'username' })
  })

  tap.test(`an organization's cluster is on the internet; the deployment's may be in its own network [${name}]`, async t => {
    for (const address of ['127.0.0.1', '10.0.0.1', '169.254.169.254', '::1', '::ffff:10.0.0.1']) {
      const trust = await trusted(server, { address })
      const connected = host.connections.length
      const reason = 'review_unavailable'
      await refuses(t, server, trust, { reason, detail: /has no address on the internet/, about: address })
      t.equal(host.connections.length, connected, 'no connection')
    }
    const { token } = await trusted(server, { owner: null, address: '10.0.0.1' })
    t.equal((await trade(server, await token())).status, 200)
  })

  tap.test(`the API server has its certificate from the authority that is set, or from that of the keys [${name}]`, async t => {
    const trust = await trusted(server, { review: { ca: makeAuthority().certificate } })
    await refuses(t, server, trust, { reason: 'review_unavailable', detail: /cannot be reached/, about: 'another' })
    const { issuer, cluster, apiServer, token } = trust
    const path = `/trusted-issuers/${issuer.id}`
    const keys = `${apiServer}/openid/v1/jwks`
    host.serves(keys, issuer.jwks)
    const changed = await admin('PATCH', path, {
      jwksUri: keys, ca, tokenReview: { url: apiServer, token: cluster.reviewer, ca: null }
    })
    t.match(changed.json, { ca, tokenReview: { ca: null } })
    t.equal((await trade(server, await token())).status, 200, 'one authority for both')
  })

  tap.test(`its token follows to no other host and no other authority [${name}]`, async t => {
    const { issuer, cluster, apiServer } = await trusted(server)
    const path = `/trusted-issuers/${issuer.id}`
    const refused = async (body: Json) => {
      const { status, json } = await admin('PATCH', path, body)
      t.strictSame([status, json.details?.field], [400, 'tokenReview.token'], JSON.stringify(body).slice(0, 100))
      t.match(json.error ?? json.message, /has to be sent again/)
    }
    const another = makeAuthority().certificate
    await refused({ tokenReview: { url: 'https://attacker.test' } })
    await refused({ tokenReview: { url: apiServer.replace('6443', '6444') } })
    await refused({ tokenReview: { ca: another } })
    await refused({ jwksUri: `${apiServer}/keys`, ca: another })
    await refused({ jwksUri: null, ca: another })
    const same = await admin('PATCH', path, { name: 'x', tokenReview: { url: `${apiServer}/k8s/tokenreviews` } })
    const { fingerprint } = issuer.tokenReview
    t.match(same.json.tokenReview, { url: `${apiServer}/k8s/tokenreviews`, fingerprint })
    const without = await admin('PATCH', path, { tokenReview: { ca: null } })
    t.equal(without.json.tokenReview.ca, null, 'fewer authorities')
    const fresh = { url: 'https://other.test', token: newCluster().reviewer }
    t.match((await admin('PATCH', path, { tokenReview: fresh })).json.tokenReview, {
      url: `https://other.test${reviewPath}`, hint: fresh.token.slice(-4)
    })
    t.equal(cluster.asked.length, 0)
  })

  tap.test(`a review is for workloads of Kubernetes, at an https URL, with a bearer token [${name}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const given = { url: 'https://api.test', token: newCluster().reviewer }
    const refuse = async (input: Json, field: string) => {
      const { status, json, text } = await admin('POST', '/trusted-issuers', {
        organization,
        name: 'x',
        preset: 'kubernetes',
        issuer: 'https://cluster.test',
        tokenReview: given,
        ...input
      })
      t.strictSame([status, json.details?.field], [400, field], JSON.stringify(input))
      t.notOk(text.includes(given.token))
    }
    await refuse({ preset: 'custom' }, 'tokenReview')
    await refuse({ profile: 'id-jag' }, 'tokenReview')
    await refuse({ preset: 'spiffe', issuer: 'spiffe://prod.test', jwksUri: 'https://x.test' }, 'tokenReview')
    const urls = ['http://api.test', 'https://u:p@api.test', 'https://api.test?x=1', 'https://api.test#x', 'api']
    for (const url of urls) {
      await refuse({ tokenReview: { ...given, url } }, 'tokenReview.url')
    }
    for (const token of ['short', `${given.token} ${given.token}`, `${given.token}\n`, `${given.token}é`]) {
      await refuse({ tokenReview: { ...given, token } }, 'tokenReview.token')
    }
    await refuse({ tokenReview: { url: given.url } }, 'tokenReview.token')
    await refuse({ tokenReview: { token: given.token } }, 'tokenReview.url')
    await refuse({ tokenReview: { ...given, ca: 'no certificate' } }, 'tokenReview.ca')
    const { status } = await admin('POST', '/trusted-issuers', {
      organization, name: 'x', issuer: 'https://cluster.test', tokenReview: null
    })
    t.equal(status, 201, 'null is none')
  })

  tap.test(`its token is in no answer, row, log and audit event, and ends with the setting and the issuer [${name}]`, async t => {
    const { issuer, cluster, apiServer, organization } = await trusted(server)
    const path = `/trusted-issuers/${issuer.id}`
    const review = { url: apiServer + reviewPath, hint: cluster.reviewer.slice(-4) }
    t.match(issuer.tokenReview, { ...review, ca, fingerprint: /^[0-9a-f]{16}$/ })
    t.strictSame(Object.keys(issuer.tokenReview), ['url', 'ca', 'fingerprint', 'hint'])
    const body = {
      organization,
      name: 'x',
      preset: 'kubernetes',
      issuer: 'https://again.test',
      tokenReview: {
        url: apiServer, token: cluster.reviewer
      }
    }
    const headers = { authorization: `Bearer ${server.adminToken}`, 'idempotency-key': randomUUID() }
    const repeated = () => server.send({ method: 'POST', path: '/api/v1/trusted-issuers', headers, body })
    t.strictSame([(await repeated()).status, (await repeated()).status], [201, 201])
    const { trustedIssuers } = server.latchkey.operation.store
    const shown = await admin('GET', path)
    const listed = await admin('GET', `/trusted-issuers?organization=${organization}`)
    const toldOf = async (type: string) => (await admin('GET', `/audit?subject=${issuer.id}`)).json.data
      .find((each: Json) => each.type === type).detail
    t.match(await toldOf('trusted_issuer.created'), {
      tokenReview: { url: review.url, ca: true, hint: review.hint, fingerprint: issuer.tokenReview.fingerprint }
    })
    t.match(shown.json.tokenReview, review)
    const events = await admin('GET', '/audit?limit=50')
    const kept = JSON.stringify(await trustedIssuers.get(issuer.id))
    for (const text of [shown.text, listed.text, events.text, kept, server.lines.join('')]) {
      t.notOk(text.includes(cluster.reviewer))
    }
    t.equal((await admin('PATCH', path, { tokenReview: null })).json.tokenReview, null)
    t.equal((await trustedIssuers.get(issuer.id))!.tokenReview, null)
    t.equal((await toldOf('trusted_issuer.updated')).tokenReview, null)
    t.equal((await admin('DELETE', path)).status, 204)
    const other = listed.json.data.find((each: Json) => each.id !== issuer.id)
    t.equal((await admin('DELETE', `/trusted-issuers/${other.id}`)).status, 204, 'with its token')
  })
}

for (const { name, fresh } of databases) {
  tap.test(`clusters are asked after LATCHKEY_SECRET has changed, and not where it lacks the secret of a seal [${name}]`, async t => {
    const database = await fresh()
    t.teardown(database.drop)
    const [older, newest] = [newSecret(), newSecret()]
    const environment = { LATCHKEY_ADMIN_TOKEN: `lkadm_${newSecret()}` }
    const start = async (secrets: string, issuer?: string) => await startServer({
      clock,
      network,
      database: database.url,
      environment: { ...environment, LATCHKEY_SECRET: secrets },
      ...(issuer === undefined ? {} : { issuer })
    })
    const before = await start(older)
    const trust = await trusted(before)
    const { cluster, issuer: { id }, token } = trust
    t.equal((await trade(before, await token())).status, 200)
    const { revision } = (await before.latchkey.operation.store.trustedIssuers.get(id))!
    await before.close()
    const after = await start(`${newest},${older}`, before.issuer)
    const kept = (await after.latchkey.operation.store.trustedIssuers.get(id))!
    t.equal(unseal(kept.tokenReview!.sealedToken, [newest], id, reviewerSealing), cluster.reviewer)
    t.equal(kept.revision, revision, 'tokens of its workloads stay')
    t.equal((await trade(after, await token())).status, 200)
    await after.close()
    const alone = await start(newest, before.issuer)
    t.equal((await trade(alone, await token())).status, 200, 'the older one is needed no more')
    t.teardown(alone.close)
    const { trustedIssuers } = alone.latchkey.operation.store
    const from = (await trustedIssuers.get(id))!.tokenReview!.sealedToken
    const to = seal(cluster.reviewer, newSecret(), id, reviewerSealing)
    t.equal(await trustedIssuers.reseal({ id, from, to, sealedBy: 'another' }), true)
    const detail = /cannot be opened: .* LATCHKEY_SECRET does not list/
    await refuses(t, alone, trust, { reason: 'review_unavailable', detail, about: 'sealed under another secret' })
    const set = { tokenReview: { token: cluster.reviewer } }
    t.equal((await alone.admin('PATCH', `/trusted-issuers/${id}`, set)).status, 200)
    t.equal((await trade(alone, await token())).status, 200, 'set anew')
    if (name === 'sqlite') {
      const file = database.url.slice('file:'.length)
      for (const each of [file, `${file}-wal`]) t.notOk(readFileSync(each).includes(cluster.reviewer), 'nowhere in it')
    }
  })
}

tap.test('a review that is set on one of two servers holds on the other, and the tokens from before end [postgresql]', async t => {
  const database = await databases.find(({ name }) => name === 'postgresql')!.fresh()
  t.teardown(database.drop)
  const [older, newest] = [newSecret(), newSecret()]
  const shared = { clock, network, database: database.url }
  const environment = { LATCHKEY_ADMIN_TOKEN: `lkadm_${newSecret()}` }
  const a = await startServer({ ...shared, environment: { ...environment, LATCHKEY_SECRET: `${older},${newest}` } })
  t.teardown(a.close)
  const { issuer, cluster, apiServer, token } = await trusted(a)
  const path = `/trusted-issuers/${issuer.id}`
  t.equal((await a.admin('PATCH', path, { tokenReview: null })).status, 200)
  const b = await startServer({
    ...shared, environment: { ...environment, LATCHKEY_SECRET: `${newest},${older}` }, issuer: a.issuer
  })
  t.teardown(b.close)
  const { json: { access_token: before } } = await trade(b, await token())
  t.equal((await b.bearer(before)).status, 200)
  const review = { url: apiServer, token: cluster.reviewer, ca }
  t.equal((await a.admin('PATCH', path, { tokenReview: review })).status, 200, 'sealed under the older secret')
  t.strictSame(await Promise.all([a, b].map(async server => (await server.bearer(before)).status)), [401, 401])
  for (const server of [a, b]) t.equal((await trade(server, await token())).status, 200)
  cluster.accounts.delete(sub)
  for (const server of [a, b]) t.equal((await trade(server, await token())).status, 400)
  t.equal((await b.admin('PATCH', path, { tokenReview: { token: cluster.reviewer } })).status, 200, 'under the newest')
  cluster.accounts.add(sub)
  for (const server of [a, b]) t.equal((await trade(server, await token())).status, 200)
})
