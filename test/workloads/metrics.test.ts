/** What is counted of assertions and of the keys of their issuers: by reasons of ours, and by no text of an issuer. */
import tap from 'tap'
import { newCluster, reviewPath } from '../support/api-server.ts'
import { startDocumentHost } from '../support/document-host.ts'
import { readExposition } from '../support/prometheus.ts'
import { basic, MovableClock, startServer } from '../support/test-server.ts'
import { make, newPlatform, trade } from '../support/workload-platform.ts'

const host = await startDocumentHost(tap)
const clock = new MovableClock()
clock.stop()
const server = await startServer({ network: host.network, clock })
tap.teardown(() => server.close())

/** The text of `/prom`, and how often each outcome of a counter was counted. */
async function counted (): Promise<{ text: string, counts: (name: string) => Record<string, number> }> {
  const { text } = await server.send({ path: '/prom' })
  const families = readExposition(text)
  return {
    text,
    counts: name => Object.fromEntries((families.get(name)?.samples ?? []).map(({ labels, value }) =>
      [Object.values(labels).join(' '), value]))
  }
}

tap.test('assertions are counted as taken or by the reason of their refusal, fetches of keys by outcome', async t => {
  const platform = await newPlatform('https://cluster.test', { now: clock.now })
  const client = await server.createClient()
  const trust = await make(server, '/trusted-issuers', {
    organization: client.organization, name: 'cluster', issuer: platform.issuer, jwksUri: 'https://cluster.test/keys'
  })
  await make(server, '/workload-rules', {
    issuer: trust.id,
    name: 'web',
    claims: [{ claim: '/sub', value: 'web' }],
    client: client.clientId,
    resource: server.issuer,
    scopes: ['invoices:read']
  })
  const asked = async (claims: object) => (await trade(server, await platform.token({
    sub: 'web', aud: trust.audience, ...claims
  }))).status
  host.serves('https://cluster.test/keys', '<html>')
  t.equal(await asked({}), 503, 'no keys')
  host.serves('https://cluster.test/keys', platform.jwks)
  clock.advance(31)
  t.equal(await asked({}), 200)
  t.equal(await asked({}), 200)
  t.equal(await asked({ sub: 'a stranger' }), 400)
  t.equal(await asked({ iss: 'https://stranger.test' }), 400)
  t.equal((await trade(server, await platform.token(
    { sub: 'web', aud: server.issuer }, { typ: 'oauth-id-jag+jwt' }
  ), {}, { authorization: basic(client.clientId, client.clientSecret!) })).status, 400)
  await server.admin('POST', `/clients/${client.clientId}/disable`)
  t.equal(await asked({}), 400)
  clock.advance(3_601)
  host.names('cluster.test', ['10.0.0.1'])
  t.equal(await asked({}), 400, 'the keys that were known')
  const { text, counts } = await counted()
  t.strictSame(counts('latchkey_assertions_total'), {
    'keys_unavailable workload': 1,
    'taken workload': 2,
    'no_rule workload': 1,
    'unknown_issuer workload': 1,
    'unknown_issuer id-jag': 1,
    'client_not_active workload': 2
  })
  t.strictSame(counts('latchkey_issuer_key_fetches_total'), { unusable: 1, fetched: 1, forbidden_address: 1 })
  t.notMatch(text, /cluster\.test|stranger/)
})

tap.test('questions to clusters are counted by outcome, and the name of no cluster is told', async t => {
  const platform = await newPlatform('https://asked.test', { now: clock.now })
  const cluster = newCluster('web')
  const { organization } = await server.createClient()
  const trust = await make(server, '/trusted-issuers', {
    organization,
    name: 'cluster',
    preset: 'kubernetes',
    issuer: platform.issuer,
    jwks: platform.jwks,
    tokenReview: { url: 'https://api.asked.test', token: cluster.reviewer }
  })
  await make(server, '/workload-rules', {
    issuer: trust.id, name: 'web', claims: [{ claim: '/sub', value: 'web' }], resource: server.issuer, scopes: []
  })
  const asked = async () => (await trade(server, await platform.token({ sub: 'web', aud: trust.audience }))).status
  t.equal(await asked(), 503, 'no such resource')
  host.serves(`https://api.asked.test${reviewPath}`, cluster.handle)
  t.equal(await asked(), 200)
  cluster.accounts.delete('web')
  t.equal(await asked(), 400)
  host.names('api.asked.test', ['10.0.0.1'])
  t.equal(await asked(), 503)
  const { text, counts } = await counted()
  t.strictSame(counts('latchkey_token_reviews_total'), {
    unusable: 1, authenticated: 1, refused: 1, forbidden_address: 1
  })
  t.match(counts('latchkey_assertions_total'), { 'review_refused workload': 1, 'review_unavailable workload': 2 })
  t.notMatch(text, /asked\.test/)
})
